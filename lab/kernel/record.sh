#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots the kernel that build.sh made in QEMU, loads a driver there, and leaves in a folder what was recorded. See README.md.
# usage: record.sh SERIES FOLDER path/to/driver.c [PARAMETER=VALUE...]
#        record.sh SERIES FOLDER hmm [PAGES]
# env:   LAB=FOLDER  NICE=10
#        START_AT=TEXT  STOP_AT=TEXT  LINGER=SECONDS  WAIT=SECONDS  RECORD_OPTIONS="-C mono -b 64"
#        PROBE_FREE=FUNCTION  PROBE_ALLOC=FUNCTION  PROBE_USE=FUNCTION  DRIVER_CFLAGS=FLAGS  CPUS=2
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 3 ] || { sed -n 's/^# usage: //p; s/^#        //p' "$0" >&2; exit 2; }
top=$(cd "${LAB:?the folder that build.sh used}/$1" && pwd)
mkdir -p "$2" && out=$(cd "$2" && pwd)
driver=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The root of the guest is in memory: busybox, trace-cmd and hmm-tests with their libraries, a module, and what to do.
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,out}
cp /bin/busybox "$root/bin/"
for applet in $(busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
for program in "$(command -v trace-cmd)" "$top/hmm-tests"; do
  cp "$program" "$root/bin/"
  ldd "$program" | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "$root$library"; done
done
cp "$top/range/offset" "$here/init" "$root/"

if [ "$driver" = hmm ]; then
  cp "$top/build/lib/test_hmm.ko" "$root/"
  scenario=(hmm "$@")
else
  # The driver is compiled in a folder of its own, so that two recordings may be made at a time.
  module=$(basename "$driver" .c)
  mkdir "$work/module"
  cp "$driver" "$work/module/"
  printf 'obj-m += %s.o\nccflags-y += %s\n' "$module" "${DRIVER_CFLAGS:-}" > "$work/module/Kbuild"
  make -s -C "$top/linux-source-$(basename "$top")" O="$top/build" ARCH=x86_64 M="$work/module" modules
  cp "$work/module/$module.ko" "$root/"
  scenario=(driver "$module" "$@")
fi

# Settings go to the guest as a script that its process 1 reads.
for name in START_AT STOP_AT LINGER WAIT RECORD_OPTIONS PROBE_FREE PROBE_ALLOC PROBE_USE; do
  printf "%s='%s'\n" "$name" "${!name:-}"
done > "$root/settings"
printf '%s\n' "${scenario[*]}" > "$root/scenario"
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) > "$work/root.cpio"

# With neither ACPI nor an HPET the kernel has nothing that it could measure its clock against, and would fall back to
# jiffies: time stamps of 4 ms. QEMU's guests see the time stamp counter of the host, or nanoseconds where it has none.
khz=$(awk -F: '/^cpu MHz/ {printf "%d", $2 * 1000; exit}' /proc/cpuinfo)
nice -n "${NICE:-10}" timeout 900 qemu-system-x86_64 -machine q35 -accel tcg -cpu max -smp "${CPUS:-2}" -m 3G -nodefaults -no-reboot \
  -display none -serial "file:$out/console.log" -serial "file:$work/out.tar" \
  -kernel "$top/build/arch/x86/boot/bzImage" -initrd "$work/root.cpio" \
  -append "console=ttyS0 nokaslr panic=-1 tsc_early_khz=${khz:-1000000} tsc=reliable"
tar -xf "$work/out.tar" -C "$out" || { echo "the guest sent nothing: see $out/console.log" >&2; exit 1; }
[ -s "$out/trace.dat" ] || { echo "nothing was recorded: see console.log and log.txt in $out" >&2; exit 1; }
grep GUILTY "$out/dmesg.txt" || true
