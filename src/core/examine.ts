// SPDX-License-Identifier: GPL-2.0-or-later
/** Examines a dump: its pagemaps, the state of every device page, the holders of the pages in use, and the findings. */
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
import { inOrder, type Pagemap, rangeBudget, readPagemaps, tellBudget, withoutOverlaps } from './mm/pagemaps.ts'

export interface ExamineOptions extends KernelFiles {
  /** Find the holders of the pages in use. Default: true. */
  holders?: boolean | undefined
  /** Search all of memory for pointers to the pages whose references are not explained otherwise. Default: true. */
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

/**
 * Examines a dump.
 * @param name of the file, for errors
 * @throws CoreError if the dump has no kernel that can be read
 */
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

/** Returns the pagemaps in pgmap_array and, where the dump lacks parts of that, those that device pages themselves point to. */
function allPagemaps(kernel: Kernel, map: MemoryMap): Pagemap[] {
  const gaps = kernel.gaps.length
  const budget = rangeBudget()
  const known = withoutOverlaps(kernel, readPagemaps(kernel, budget))
  const whole = kernel.address('pgmap_array') !== undefined && kernel.gaps.length === gaps
  const found = whole ? known : withoutOverlaps(kernel, [...known, ...findOrphans(kernel, map, known, budget)])
  tellBudget(kernel, budget)
  return inOrder(found)
}

/** Returns notes that qualify the results as a whole. */
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
