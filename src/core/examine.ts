// SPDX-License-Identifier: GPL-2.0-or-later
/** What a dump holds: every pagemap, every device page by its state, who holds those in use, and what is wrong. */
import { diagnose } from './diagnose.ts'
import { CoreError } from './error.ts'
import type { CoreFinding } from './finding.ts'
import { findHolders, type HolderSearch } from './holders/find.ts'
import type { Kernel, KernelFiles } from './kernel/kernel.ts'
import { openKernel, withDamage } from './kernel/open.ts'
import type { Dump } from './memory/physical.ts'
import { type DevicePages, type PagemapAccount, type PagesInUse, readDevicePages } from './mm/device-pages.ts'
import { MemoryMap } from './mm/memory-map.ts'
import { findOrphans } from './mm/orphans.ts'
import { type Pagemap, readPagemaps } from './mm/pagemaps.ts'

export interface ExamineOptions extends KernelFiles {
  /** Look for who holds the pages in use; true unless said. */
  holders?: boolean | undefined
  /** Search all of memory for pointers to pages whose references nothing else explains; true unless said. */
  search?: boolean | undefined
  progress?: ((what: string, done: number, total: number | undefined) => void) | undefined
}

export interface Examination {
  readonly kernel: Kernel
  readonly map: MemoryMap
  readonly pagemaps: readonly PagemapAccount[]
  readonly inUse: PagesInUse
  readonly holders: HolderSearch | undefined
  readonly findings: readonly CoreFinding[]
  readonly notes: readonly string[]
}

/** Examines a dump. @param name of the file, for errors. @throws CoreError where there is no kernel to be read in it */
export function examine(dump: Dump, name: string, options: ExamineOptions = {}): Examination {
  const kernel = openKernel(dump, name, options)
  try {
    return examineKernel(kernel, dump, options)
  } catch (error) {
    throw error instanceof CoreError ? withDamage(error, dump) : error
  }
}

function examineKernel(kernel: Kernel, dump: Dump, options: ExamineOptions): Examination {
  const map = new MemoryMap(kernel)
  const total = (pages: number) => options.progress?.('pages', pages, undefined)
  const pages = readDevicePages(kernel, map, allPagemaps(kernel, map), total)
  const holders =
    options.holders === false || pages.inUse.length === 0
      ? undefined
      : findHolders(kernel, map, pages, { search: options.search !== false, progress: options.progress })
  const findings = diagnose(kernel, map, pages, holders)
  return { kernel, map, ...pages, holders, findings, notes: notesOf(kernel, pages, dump) }
}

/** Pagemaps by pgmap_array; where a part of that is missing, by the pages themselves, too. */
function allPagemaps(kernel: Kernel, map: MemoryMap): Pagemap[] {
  const gaps = kernel.gaps.length
  const known = readPagemaps(kernel)
  const whole = kernel.address('pgmap_array') !== undefined && kernel.gaps.length === gaps
  if (whole) return known
  const found = [...known, ...findOrphans(kernel, map, known)]
  return found.sort((a, b) => (a.ranges[0]?.first ?? 0) - (b.ranges[0]?.first ?? 0))
}

/** What to know of the answer as a whole. */
function notesOf(kernel: Kernel, { pagemaps }: DevicePages, dump: Dump): string[] {
  const notes: string[] = []
  if (dump.memory.format === 'live') {
    notes.push('the kernel was running while its memory was read: changes in that time may be seen partly')
  }
  if (kernel.address('pgmap_array') === undefined && pagemaps.length === 0) {
    notes.push('the kernel has no pgmap_array: without CONFIG_ZONE_DEVICE it has no device pages')
  }
  return notes
}
