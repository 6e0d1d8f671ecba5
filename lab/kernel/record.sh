#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots the kernel that build.sh made in QEMU, runs a scenario there, and leaves in a folder what was recorded. See README.md.
# usage: record.sh SERIES FOLDER zd3 mode=MODE [PARAMETER=VALUE...]
#        record.sh SERIES FOLDER hmm [PAGES]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 3 ] || { sed -n 's/^# usage: //p; s/^#        //p' "$0" >&2; exit 2; }
top=$(cd "${LAB:?the folder that build.sh used}/$1" && pwd)
mkdir -p "$2" && out=$(cd "$2" && pwd)
shift 2

# The root of the guest is a folder of the host: busybox, trace-cmd with its libraries, modules, and what to do.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,proc,sys,dev,tmp,out}
cp /bin/busybox "$root/bin/"
for applet in $(busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
for program in "$(command -v trace-cmd)" "$top/hmm-tests"; do
  cp "$program" "$root/bin/"
  ldd "$program" | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "$root$library"; done
done
cp "$top/zd3/zd3.ko" "$top/build/lib/test_hmm.ko" "$top/range" "$here/init" "$root/"
printf '%s\n' "$*" > "$root/scenario"

timeout 900 qemu-system-x86_64 -machine q35 -accel tcg -cpu max -smp 2 -m 3G -nodefaults -no-reboot \
  -display none -serial "file:$out/console.log" -kernel "$top/build/arch/x86/boot/bzImage" \
  -fsdev "local,id=root,path=$root,security_model=none,multidevs=remap" -device virtio-9p-pci,fsdev=root,mount_tag=/dev/root \
  -append "console=ttyS0 nokaslr panic=-1 init=/init root=/dev/root rw rootfstype=9p \
rootflags=trans=virtio,version=9p2000.L,msize=262144,cache=loose"
cp -r "$root/out/." "$out/"
[ -s "$root/out/trace.dat" ] || { echo "nothing was recorded: see console.log and log.txt in $out" >&2; exit 1; }
grep GUILTY "$out/dmesg.txt" || true
