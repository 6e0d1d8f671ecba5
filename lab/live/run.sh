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
export PATH=$PATH:/sbin:/usr/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/../guest.sh"
unpack_kernel "${LAB:-$work}" "$@"

# The root of the guest is in memory: busybox, Node, lastput with what it depends on, mke2fs, and the kernel's modules.
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,mnt,out,etc,mods,lastput/node_modules}
add_busybox
add_program "$(command -v node)"
add_program "$(command -v mke2fs)"
cp -r "$top/dist" "$top/package.json" "$root/lastput/"
for module in $(node -p "Object.keys(require('$top/package.json').dependencies).join(' ')"); do
  [ "$module" = esbuild ] || cp -rL "$top/node_modules/$module" "$root/lastput/node_modules/"
done
ln -s /proc/mounts "$root/etc/mtab"
gcc -O2 -Wall -static -o "$root/bin/hold" "$here/hold.c"
cp "$here/init" "$root/init"
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' > "$root/etc/passwd"
[ ! -f /etc/mke2fs.conf ] || cp /etc/mke2fs.conf "$root/etc/"
add_modules nd_e820 nd_pmem dax_pmem device_dax crc32c_generic ext4
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
