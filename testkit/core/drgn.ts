// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads pages of a dump with the program `drgn` (Debian's package python3-drgn), which needs the vmlinux with debuginfo. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Missing } from '../data.ts'
import { vmlinuxOf, withVmlinux } from './crash.ts'
import type { RealDump } from './real-dumps.ts'

/** Test requirement: `drgn` and the dump's vmlinux. */
export const drgn = (dump: RealDump): Missing => withVmlinux('drgn', dump)

export interface DrgnPage {
  pfn: number
  count: number
  mapcount: number
  flags: bigint
  pagemap: bigint
  type: number
  owner: bigint
}

/** Lists every device page on a line, as many times as its argument says. `page.flags` became a structure in 6.18. */
const SCRIPT = `
import sys
from drgn import cast
from drgn.helpers.linux.mm import pfn_to_page
from drgn.helpers.linux.xarray import xa_for_each

def pagemaps():
    found = {}
    for _, entry in xa_for_each(prog['pgmap_array'].address_of_()):
        found[entry.value_()] = cast('struct dev_pagemap *', entry)
    return found.items()

def pages(pagemap):
    for i in range(pagemap.nr_range.value_()):
        piece = pagemap.ranges[i]
        first, end = piece.start.value_() >> 12, (piece.end.value_() + 1) >> 12
        base = pfn_to_page(prog, first)
        for at in range(end - first):
            yield first + at, base[at]

def flags(page):
    word = page.flags
    return word.f.value_() if hasattr(word, 'f') else word.value_()

for _ in range(int(sys.argv[1])):
    for address, pagemap in pagemaps():
        kind, owner = pagemap.type.value_(), pagemap.owner.value_()
        for pfn, page in pages(pagemap):
            count, mapcount = page._refcount.counter.value_(), page._mapcount.counter.value_()
            print(pfn, count, mapcount, flags(page), address, kind, owner)
`

/**
 * Returns the arguments with which drgn lists all pages `lists` times. The script is written to `folder`.
 * @param vmcoreinfo text for a dump that has no VMCOREINFO note, which drgn could not open otherwise
 */
export function drgnArgs(dump: RealDump, folder: string, lists: number, vmcoreinfo: string | undefined): string[] {
  const file = join(folder, 'list.py')
  writeFileSync(file, SCRIPT)
  const info = join(folder, 'vmcoreinfo')
  if (vmcoreinfo !== undefined) writeFileSync(info, vmcoreinfo)
  const told = vmcoreinfo === undefined ? [] : ['--vmcoreinfo', info]
  return ['-q', '-c', dump.path(), ...told, '--no-default-symbols', '-s', vmlinuxOf(dump), file, String(lists)]
}

/** Returns every device page, or why drgn cannot open the dump. */
export function drgnPages(dump: RealDump, vmcoreinfo: string | undefined): DrgnPage[] | string {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-drgn-'))
  try {
    const args = drgnArgs(dump, folder, 1, vmcoreinfo)
    const { status, stdout, stderr } = spawnSync('drgn', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
    if (status !== 0) return `drgn cannot open it: ${stderr.trim().split('\n').at(-1) ?? `exit ${status}`}`
    return stdout.trim().split('\n').map(readLine)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function readLine(line: string): DrgnPage {
  const [pfn, count, mapcount, flags, pagemap, type, owner] = line.split(' ')
  return {
    pfn: Number(pfn),
    count: Number(count),
    mapcount: Number(mapcount),
    flags: BigInt(flags!),
    pagemap: BigInt(pagemap!),
    type: Number(type),
    owner: BigInt(owner!),
  }
}
