#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots a distribution's kernel in QEMU, and lets lastput look at that kernel's own memory there. See README.md.
# usage: run.sh FOLDER [PACKAGE|FILE.deb...]   what comes back; Debian's kernel, linux-image-VERSION-amd64 and what it needs
# env:   LAB=FOLDER (keeps the unpacked kernel)  NICE=10  MEMORY=1536M
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] || { sed -n 's/^# usage: //p' "$0" >&2; exit 2; }
mkdir -p "$1" && out=$(cd "$1" && pwd)
[ -f "$top/dist/cli/main.js" ] || { echo "lastput is not built: npm run build" >&2; exit 1; }
newest() { apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }
shift
[ $# -ge 1 ] || set -- "$(newest)"
[ -n "$1" ] || { echo "apt knows no linux-image-amd64: name a package" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lab=${LAB:-$work}
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
PATH=$PATH:/sbin:/usr/sbin depmod -b "$base" "$release"

# The root of the guest is in memory: busybox, Node, lastput with what it depends on, mke2fs, and the kernel's modules.
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,mnt,out,etc,mods,lastput/node_modules}
add() { # add PROGRAM: it and its libraries
  cp -L --remove-destination "$1" "$root/bin/"
  ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    [ -e "$root$library" ] || install -D "$library" "$root$library"
  done
}
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $(busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
add "$(command -v node)"
add "$(PATH=$PATH:/sbin:/usr/sbin command -v mke2fs)"
cp -r "$top/dist" "$top/package.json" "$root/lastput/"
for module in $(node -p "Object.keys(require('$top/package.json').dependencies).join(' ')"); do
  [ "$module" = esbuild ] || cp -rL "$top/node_modules/$module" "$root/lastput/node_modules/"
done
ln -s /proc/mounts "$root/etc/mtab"
gcc -O2 -Wall -static -o "$root/bin/hold" "$here/hold.c"
cp "$here/init" "$root/init"
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' > "$root/etc/passwd"
[ ! -f /etc/mke2fs.conf ] || cp /etc/mke2fs.conf "$root/etc/"
# In the order in which they are to be loaded: what a module needs stands behind it in modules.dep, the first last.
number=100
for module in nd_e820 nd_pmem dax_pmem device_dax crc32c_generic ext4; do
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
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) > "$work/root.cpio"

# With a thread for each processor, QEMU 7.2 now and then runs code that the kernel is changing: 6.12 crashed by it.
# Two pieces of memory that the kernel takes for persistent: it has device pages for them. KASLR stays on.
khz=$(awk -F: '/^cpu MHz/ {printf "%d", $2 * 1000; exit}' /proc/cpuinfo)
nice -n "${NICE:-10}" timeout 1800 qemu-system-x86_64 -machine q35 -accel tcg,thread=single -cpu max -smp 2 -m "${MEMORY:-1536M}" -nodefaults \
  -no-reboot -display none -serial "file:$out/console.log" -serial "file:$work/out.tar" \
  -kernel "$image" -initrd "$work/root.cpio" \
  -append "console=ttyS0 panic=-1 memmap=64M!768M memmap=64M!896M tsc_early_khz=${khz:-1000000} tsc=reliable"
tar -xf "$work/out.tar" -C "$out" || { echo "the guest sent nothing: see $out/console.log" >&2; exit 1; }
cat "$out/core.txt"
