// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the kernel in a dump by its VMCOREINFO note or, failing that, by the copy of VMCOREINFO that every kernel keeps in
 * memory.
 */
import type { Arch } from '../arch/arch.ts'
import { ARCH_NAMES, archOf } from '../arch/arches.ts'
import { CoreError } from '../error.ts'
import { textOf } from '../memory/notes.ts'
import { type Dump, FRAME_BYTES } from '../memory/physical.ts'
import { VirtualMemory } from './virtual.ts'
import { Vmcoreinfo } from './vmcoreinfo.ts'

export interface Located {
  info: Vmcoreinfo
  memory: VirtualMemory
  arch: Arch
  /** How the kernel was found, in words. */
  foundBy: string
}

/** What to do with a dump of a kernel that is not supported. */
const INSTEAD = 'crash and drgn read such dumps, and lastput trace reads recordings of any architecture (docs/dumps.md)'

/** First key of VMCOREINFO. The copy in memory starts at the beginning of a page. */
const FIRST_KEY = 'OSRELEASE='

/**
 * Finds the kernel.
 * @param name of the file, for errors
 * @throws CoreError if no VMCOREINFO is confirmed by the page tables that it names
 */
export function locateKernel(dump: Dump, name: string): Located {
  const note = dump.vmcoreinfo === undefined ? undefined : new Vmcoreinfo(dump.vmcoreinfo)
  const arch = archOf(dump.machine, note)
  if (!arch) {
    throw new CoreError(name, undefined, `expected a dump of ${ARCH_NAMES}, not of ${dump.machine}: ${INSTEAD}`)
  }
  if (note) {
    refusePageSize(note, name)
    const located = verify(note, dump, arch, 'its VMCOREINFO note')
    if (located) return located
  }
  for (const text of textsInMemory(dump)) {
    const located = verify(new Vmcoreinfo(text), dump, arch, 'VMCOREINFO found in memory')
    if (located) return located
  }
  const why = note === undefined ? 'has no VMCOREINFO note' : 'has a VMCOREINFO note that its memory contradicts'
  throw new CoreError(
    name,
    undefined,
    `the dump ${why}, and no page of it holds a VMCOREINFO text that its page tables bear out: it lacks the kernel's data (docs/dumps.md says how to take a dump)`,
  )
}

/** @throws CoreError if the kernel's page size is not supported */
function refusePageSize(info: Vmcoreinfo, name: string): void {
  const size = info.value('PAGESIZE')
  if (size === undefined || Number(size) === FRAME_BYTES) return
  throw new CoreError(
    name,
    undefined,
    `expected a kernel with pages of ${FRAME_BYTES} bytes, not of ${size}: ${INSTEAD}`,
  )
}

/** Checks a VMCOREINFO: the page tables that it names must map the kernel's text to where it says the text is. */
function verify(info: Vmcoreinfo, dump: Dump, arch: Arch, foundBy: string): Located | undefined {
  const root = arch.rootOf(info)
  const text = info.symbol('_stext')
  if (root === undefined || text === undefined || root < 0) return undefined
  const memory = new VirtualMemory(dump.memory, arch, arch.space(info), root)
  const physical = arch.imagePhysical(text, info)
  try {
    if (memory.frameOf(text) * FRAME_BYTES !== physical) return undefined
  } catch {
    return undefined
  }
  return { info, memory, arch, foundBy }
}

/** Yields the texts of pages that begin as VMCOREINFO does. After kexec, memory can still contain that of earlier kernels. */
function* textsInMemory({ memory }: Dump): Generator<string> {
  const wanted = new TextEncoder().encode(FIRST_KEY)
  for (const { first, end } of memory.ranges) {
    for (let pfn = first; pfn < end; pfn++) {
      const frame = memory.frame(pfn)
      if (!frame || !wanted.every((byte, i) => frame[i] === byte)) continue
      const text = textOf(frame)
      if (text.includes('\nSYMBOL(')) yield text
    }
  }
}
