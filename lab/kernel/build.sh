#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds a small Linux for recordings in $LAB/SERIES, with test_hmm, its hmm-tests, and the driver zd3. See README.md.
# usage: build.sh SERIES        such as 5.10
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
series=${1:?usage: build.sh SERIES}
top=${LAB:?set LAB to a folder with 3 GB of room}/$series
mkdir -p "$top" && cd "$top"
top=$PWD source=$PWD/linux-source-$series build=$PWD/build

if [ ! -d "$source" ]; then
  apt-get download "linux-source-$series"
  dpkg-deb --fsys-tarfile "linux-source-$series"_*.deb | tar -xO "./usr/src/linux-source-$series.tar.xz" | tar -xJ
fi
kmake() { nice -n 19 make -s -C "$source" O="$build" ARCH=x86_64 -j"${JOBS:-$(nproc)}" "$@"; }

kmake tinyconfig >/dev/null
"$source/scripts/kconfig/merge_config.sh" -m -O "$build" "$build/.config" "$here/config" >/dev/null
kmake olddefconfig 2>/dev/null
grep -vxFf "$build/.config" "$here/config" | grep '=[ym]' | sed 's/^/not in this kernel: /' || true
kmake bzImage modules

mkdir -p "$top/zd3"
cp "$here/../../test/ledger/recordings/probes/zd3.c" "$top/zd3/"
# Every function has a body and a frame of its own.
cat > "$top/zd3/Kbuild" <<'KBUILD'
obj-m += zd3.o
CFLAGS_zd3.o += -fno-optimize-sibling-calls -fno-ipa-icf
always-y += range.s
KBUILD
# A probe without BTF wants the offset of a member.
cat > "$top/zd3/range.c" <<'RANGE'
#include <linux/memremap.h>
const unsigned long range = offsetof(struct dev_pagemap, range);
RANGE
kmake M="$top/zd3" modules
awk '$1 == ".quad" {print $2}' "$top/zd3/range.s" > "$top/range"

kmake headers_install INSTALL_HDR_PATH="$top/headers"
tests=$source/tools/testing/selftests/mm
[ -d "$tests" ] || tests=$source/tools/testing/selftests/vm
helpers=()
for helper in vm_util hugepage_settings; do
  [ ! -f "$tests/$helper.c" ] || helpers+=("$tests/$helper.c")
done
gcc -O2 -w -D_GNU_SOURCE= -I"$source" -I"$source/tools/testing/selftests" -I"$source/tools/include" \
  -isystem "$top/headers/include" -o "$top/hmm-tests" "$tests/hmm-tests.c" "${helpers[@]}" -lhugetlbfs -lpthread
