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
. "$here/../guest.sh"
unpack_kernel "${LAB:-$work}" "$@"

# The root of the guest is in memory: busybox, the two mkfs with their libraries, the program, the kernel's modules.
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,mnt,out,etc,mods}
add_busybox
for program in mke2fs mkfs.xfs; do add_program "$(command -v $program)"; done
gcc -O2 -Wall -static -o "$root/bin/daxwait" "$here/daxwait.c" -lpthread
cp "$here/init" "$root/init"
cp "${RUNS:-$here/runs}" "$root/runs"
echo "${TYPES:-ext4 xfs}" > "$root/types"
ln -s /proc/mounts "$root/etc/mtab"
[ ! -f /etc/mke2fs.conf ] || cp /etc/mke2fs.conf "$root/etc/"
add_modules nd_e820 nd_pmem null_blk crc32c_generic crc32c_cryptoapi ext4 xfs
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) > "$work/root.cpio"

# mkfs.xfs makes nothing below 300 MB. With a thread for each processor, QEMU 7.2 now and then runs code that the kernel changes.
khz=$(awk -F: '/^cpu MHz/ {printf "%d", $2 * 1000; exit}' /proc/cpuinfo)
nice -n "${NICE:-10}" timeout 1500 qemu-system-x86_64 -machine q35 -accel tcg,thread=single -cpu max -smp 2 -m 1536M -nodefaults \
  -no-reboot -display none -serial "file:$out/console.log" -serial "file:$work/out.tar" \
  -kernel "$image" -initrd "$work/root.cpio" \
  -append "console=ttyS0 quiet panic=-1 memmap=384M!768M tsc_early_khz=${khz:-1000000} tsc=reliable"
tar -xf "$work/out.tar" -C "$out" || { echo "the guest sent nothing: see $out/console.log" >&2; exit 1; }
cat "$out/log.txt"
