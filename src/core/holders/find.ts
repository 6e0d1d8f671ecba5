// SPDX-License-Identifier: GPL-2.0-or-later
/** Who holds the pages that are in use. */
import type { Holder } from '../finding.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { DevicePages } from '../mm/device-pages.ts'
import type { MemoryMap } from '../mm/memory-map.ts'

export interface HolderSearch {
  /** Holders of a row of the pages in use. */
  of(row: number): readonly Holder[]
  /** Why a page without holders need not be one that nobody holds; empty where all that could be looked at was. */
  readonly incomplete: readonly string[]
}

export interface HolderOptions {
  search: boolean
  progress?: ((what: string, done: number, total: number | undefined) => void) | undefined
}

export function findHolders(
  _kernel: Kernel,
  _map: MemoryMap,
  _pages: DevicePages,
  _options: HolderOptions,
): HolderSearch {
  return { of: () => [], incomplete: ['holders were not looked for'] }
}
