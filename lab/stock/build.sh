#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fetches a distribution's own kernel with its headers, and compiles the drivers that misbehave in it. See README.md.
# usage: LAB=FOLDER build.sh VERSION      as in linux-image-VERSION: 6.1.0-57-amd64
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 1 ] || { sed -n 's/^# usage: //p' "$0" >&2; exit 2; }
version=$1
mkdir -p "${LAB:?a folder for kernels}/stock-$version/packages"
top=$(cd "$LAB/stock-$version" && pwd)
cd "$top/packages"
# What the headers need: those common to all flavours, and the programs that build modules. From 7.2 on the image is in a package of its own.
depends=$(apt-cache depends --important "linux-headers-$version" "linux-image-$version" | sed -n 's/.*Depends: //p' |
  grep -E "^linux-(headers|kbuild)-|^linux-binary-$(printf %s "$version" | sed 's/[+.]/\\&/g')" | sort -u)
# shellcheck disable=SC2086
apt-get download "linux-image-$version" "linux-headers-$version" $depends
for package in *.deb; do dpkg-deb -x "$package" "$top/root"; done
mkdir -p "$top/modules"
cp "$here"/../../test/ledger/recordings/{watch/ferry.c,probes/zd3.c} "$top/modules/"
printf 'obj-m += ferry.o zd3.o\nccflags-y += -fno-optimize-sibling-calls -fno-ipa-icf -Wno-error\n' > "$top/modules/Kbuild"
# The packages name each other by absolute paths.
headers=$top/root/usr/src/linux-headers-$version
sed -i "s#\([ =]\)/usr/src#\1$top/root/usr/src#" "$headers/Makefile"
make -s -C "$headers" M="$top/modules" modules
ls "$top"/modules/*.ko
