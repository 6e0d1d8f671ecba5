#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots the kernel that build.sh fetched in QEMU, has `lastput record`'s own script record drivers that misbehave, ends it in every
# way, and leaves in a folder what was recorded and what was found on the machine afterwards. See README.md.
# usage: LAB=FOLDER record.sh VERSION FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || { sed -n 's/^# usage: //p' "$0" >&2; exit 2; }
top=$(cd "${LAB:?the folder that build.sh used}/stock-$1" && pwd)
mkdir -p "$2" && out=$(cd "$2" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The root of the guest is in memory: busybox, perf and trace-cmd with their libraries, the drivers, the script.
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,out,lib64}
cp /bin/busybox "$root/bin/"
for applet in $(busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
for name in trace-cmd perf; do
  program=$(readlink -f "$(command -v $name)") || continue
  # Debian's perf is a script that chooses one by the kernel's release.
  for real in "$program" "$(dirname "$program")"/perf_*; do [ ! -x "$real" ] || ! ldd "$real" > /dev/null 2>&1 || program=$real; done
  cp "$program" "$root/bin/$name"
  ldd "$program" | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "$root$library"; done
done
node "$here/../../dist/cli/main.js" record --dry-run > "$root/record.sh"
cp "$top"/modules/*.ko "$here/init" "$root/"
(cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null) > "$work/root.cpio"

# Packages have the image in /boot, and from 7.2 on beside the modules.
kernel=$top/root/boot/vmlinuz-$1
[ -e "$kernel" ] || kernel=$top/root/usr/lib/modules/$1/vmlinuz
# QEMU's TCG traps on atomic operations of a watched address only with one host thread.
khz=$(awk -F: '/^cpu MHz/ {printf "%d", $2 * 1000; exit}' /proc/cpuinfo)
nice -n "${NICE:-0}" timeout 1500 qemu-system-x86_64 -machine q35 -accel tcg,thread=single -cpu max -smp 2 -m 2G -nodefaults \
  -no-reboot -display none -serial "file:$out/console.log" -serial "file:$work/out.tar.gz" \
  -kernel "$kernel" -initrd "$work/root.cpio" \
  -append "console=ttyS0 rdinit=/init panic=-1 tsc_early_khz=${khz:-1000000} tsc=reliable no_timer_check mitigations=off"
tar -xzf "$work/out.tar.gz" -C "$out" || { echo "the guest sent nothing: see $out/console.log" >&2; exit 1; }
grep -E '^(KERNEL|EXIT|CLEAN|NOT|DONE)' "$out/log.txt"
! grep -q '^NOT' "$out/log.txt"
