#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots a distribution's kernel in QEMU with memory that it takes for persistent, and truncates DAX files there. See README.md.
# usage: run.sh FOLDER PACKAGE|FILE.deb...     what comes back; linux-image-VERSION-amd64, or linux-binary-V and linux-modules-V
# env:   LAB=FOLDER (keeps the unpacked kernel)  TYPES='ext4 xfs'  RUNS=FILE (a line of arguments for daxwait each)  NICE=10
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n 's/^# usage: //p' "$0" >&2; exit 2; }
mkdir -p "$1" && out=$(cd "$1" && pwd)
shift
export PATH=$PATH:/sbin:/usr/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernel=${LAB:-$work}/$(basename "$1" .deb)
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

# The root of the guest is in memory: busybox, the two mkfs with their libraries, the program, the kernel's modules.
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,mnt,out,etc,mods}
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $(busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
for program in mke2fs mkfs.xfs; do
  cp -L --remove-destination "$(command -v $program)" "$root/bin/"
  ldd "$(command -v $program)" | grep -o '/[^ ]*' | while read -r library; do
    [ -e "$root$library" ] || install -D "$library" "$root$library"
  done
done
gcc -O2 -Wall -static -o "$root/bin/daxwait" "$here/daxwait.c" -lpthread
cp "$here/init" "$root/init"
cp "${RUNS:-$here/runs}" "$root/runs"
echo "${TYPES:-ext4 xfs}" > "$root/types"
ln -s /proc/mounts "$root/etc/mtab"
[ ! -f /etc/mke2fs.conf ] || cp /etc/mke2fs.conf "$root/etc/"
# In the order in which they are to be loaded: what a module needs stands behind it in modules.dep, the first last.
number=100
for module in nd_e820 nd_pmem null_blk crc32c_generic crc32c_cryptoapi ext4 xfs; do
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

# mkfs.xfs makes nothing below 300 MB. With a thread for each processor, QEMU 7.2 now and then runs code that the kernel changes.
khz=$(awk -F: '/^cpu MHz/ {printf "%d", $2 * 1000; exit}' /proc/cpuinfo)
nice -n "${NICE:-10}" timeout 1500 qemu-system-x86_64 -machine q35 -accel tcg,thread=single -cpu max -smp 2 -m 1536M -nodefaults \
  -no-reboot -display none -serial "file:$out/console.log" -serial "file:$work/out.tar" \
  -kernel "$image" -initrd "$work/root.cpio" \
  -append "console=ttyS0 quiet panic=-1 memmap=384M!768M tsc_early_khz=${khz:-1000000} tsc=reliable"
tar -xf "$work/out.tar" -C "$out" || { echo "the guest sent nothing: see $out/console.log" >&2; exit 1; }
cat "$out/log.txt"
