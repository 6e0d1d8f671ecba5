# SPDX-License-Identifier: GPL-2.0-or-later
# What the labs share that boot a distribution's kernel in QEMU: its package unpacked, and programs and modules for the guest's root.
# Sourced. Sets kernel, base, release and image, and fills $root.

# unpack_kernel FOLDER PACKAGE|FILE.deb...: in FOLDER, where it stays for the next time
unpack_kernel() {
  local lab=$1 package
  shift
  kernel=$lab/$(basename "$1" .deb)
  if [ ! -d "$kernel" ]; then
    mkdir -p "$kernel.part"
    for package in "$@"; do
      [ -f "$package" ] || (cd "$kernel.part" && apt-get -qq download "$package")
      [ -f "$package" ] || package=$(echo "$kernel.part/$package"_*.deb)
      dpkg-deb -x "$package" "$kernel.part"
    done
    mv "$kernel.part" "$kernel"
  fi
  # Debian 14 has all below /usr, the kernel's image, too.
  base=$kernel
  [ ! -d "$kernel/usr/lib/modules" ] || base=$kernel/usr
  release=$(basename "$(echo "$base"/lib/modules/*)")
  image=$base/lib/modules/$release/vmlinuz
  [ -f "$image" ] || image=$(echo "$kernel"/boot/vmlinuz-*)
  depmod -b "$base" "$release"
}

# add_program FILE: it and its libraries
add_program() {
  cp -L --remove-destination "$1" "$root/bin/"
  ldd "$1" 2> /dev/null | grep -o '/[^ ]*' | while read -r library; do
    [ -e "$root$library" ] || install -D "$library" "$root$library"
  done
}

add_busybox() {
  local applet
  cp "$(command -v busybox)" "$root/bin/busybox"
  for applet in $(busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
}

# add_modules NAME...: with all that they need, as $root/mods/NUMBER-NAME.ko, in the order in which they are to be loaded
add_modules() {
  local number=100 module file name
  for module in "$@"; do
    # What a module needs stands behind it in modules.dep, the first last.
    { grep -E "/${module/_/[_-]}\.ko(\.[a-z]+)?:" "$base/lib/modules/$release/modules.dep" || true; } | tr -d : | tr ' ' '\n' | tac |
      while read -r file; do echo "$base/lib/modules/$release/$file"; done
  done | awk '!seen[$0]++' | while read -r file; do
    name=$number-$(basename "$file" | sed 's/\.ko\..*/.ko/')
    case $file in
      *.xz) xz -dc "$file" ;;
      *.zst) zstd -qdc "$file" ;;
      *) cat "$file" ;;
    esac > "$root/mods/$name"
    number=$((number + 1))
  done
}
