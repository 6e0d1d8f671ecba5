#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds a small Linux for recordings in $LAB/SERIES, with the kernel's own test_hmm and hmm-tests. See README.md.
# usage: build.sh SERIES        such as 6.1
# env:   LAB=FOLDER  SUITE=trixie (the Debian suite that has this series)  JOBS=2  NICE=10
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
series=${1:?usage: build.sh SERIES}
mkdir -p "${LAB:?set LAB to a folder with 2.5 GB of room for each kernel}/$series" && cd "$LAB/$series"
top=$PWD source=$PWD/linux-source-$series build=$PWD/build
have_package() { compgen -G "linux-source-${series}_*.deb" >/dev/null; }

# Another suite than this system's is read through lists of its own, so that the system does not get to know its packages.
apt=()
if [ -n "${SUITE:-}" ] && [ ! -d "$source" ] && ! have_package; then
  # shellcheck disable=SC2016 # apt, not the shell, puts the address in.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
  [ -n "$mirror" ] || { echo "this system's apt has no Debian mirror to read $SUITE from" >&2; exit 1; }
  mkdir -p "$top/apt/lists/partial" "$top/apt/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $SUITE main" > "$top/apt/sources.list"
  apt+=(-o "Dir::Etc::sourcelist=$top/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$top/apt/lists" -o "Dir::Cache=$top/apt")
  apt-get "${apt[@]}" -qq update
fi
if [ ! -d "$source" ]; then
  have_package || apt-get "${apt[@]}" -qq download "linux-source-$series"
  dpkg-deb --fsys-tarfile "linux-source-$series"_*.deb | tar -xO "./usr/src/linux-source-$series.tar.xz" | tar -xJ
  rm -rf "linux-source-$series"_*.deb "$top/apt"
fi
kmake() { nice -n "${NICE:-10}" make -s -C "$source" O="$build" ARCH=x86_64 -j"${JOBS:-$(nproc)}" "$@"; }

# Each option that another one brings into sight would get its default, which is often yes; allnoconfig answers them with no.
kmake KCONFIG_ALLCONFIG="$here/config" allnoconfig >/dev/null
grep -vxFf "$build/.config" "$here/config" | grep '=[ym0-9]' | sed 's/^/not in this kernel: /' || true
kmake bzImage modules

# A probe without BTF wants the offset of a member of struct dev_pagemap.
mkdir -p "$top/range"
cat > "$top/range/range.c" <<'RANGE'
#include <linux/memremap.h>
const unsigned long range = offsetof(struct dev_pagemap, range);
RANGE
echo 'always-y += range.s' > "$top/range/Kbuild"
kmake M="$top/range" modules
awk '$1 == ".quad" {print $2}' "$top/range/range.s" > "$top/range/offset"

kmake headers_install INSTALL_HDR_PATH="$top/headers"
tests=$source/tools/testing/selftests/mm
[ -d "$tests" ] || tests=$source/tools/testing/selftests/vm
helpers=()
for helper in vm_util hugepage_settings; do
  [ ! -f "$tests/$helper.c" ] || helpers+=("$tests/$helper.c")
done
gcc -O2 -w -D_GNU_SOURCE= -I"$source" -I"$source/tools/testing/selftests" -I"$source/tools/include" \
  -isystem "$top/headers/include" -o "$top/hmm-tests" "$tests/hmm-tests.c" "${helpers[@]}" -lhugetlbfs -lpthread
