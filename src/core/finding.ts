// SPDX-License-Identifier: GPL-2.0-or-later
/** What is said of a dump's pages, and on what it rests. */

import type { FrameRange } from './memory/physical.ts'

export type CoreFindingKind = 'held' | 'leaked' | 'count-mismatch' | 'impossible-state' | 'teardown-waits'

/** Kinds that say that something is wrong; `held` only reports. */
export const CORE_ACCUSATIONS: ReadonlySet<CoreFindingKind> = new Set<CoreFindingKind>([
  'leaked',
  'count-mismatch',
  'impossible-state',
  'teardown-waits',
])

export type CoreCertainty = 'certain' | 'likely' | 'possible'

/** Ways of holding a page. */
export type HolderKind =
  | 'mapping'
  | 'migration-entry'
  | 'pipe'
  | 'slab'
  | 'kernel-stack'
  | 'static-data'
  | 'per-cpu'
  | 'vmalloc'
  | 'kernel-page'
  | 'pfn-number'

/** Who has a pointer to a page, or maps it. */
export interface Holder {
  readonly kind: HolderKind
  /**
   * References that it holds for certain: of a page-table entry or a pipe that is known. Of a pointer that was found by a search,
   * `undefined`: it stands for one reference, but it need not.
   */
  readonly references: number | undefined
  /** One line, without the page. */
  readonly words: string
  /** Address of what holds it: the entry's user address, the pointer's place in memory. */
  readonly address: bigint | undefined
  readonly pid?: number | undefined
  readonly task?: string | undefined
  /** Of slab objects: the cache, the object, and where in it the pointer stands. */
  readonly cache?: string | undefined
  readonly object?: bigint | undefined
  readonly offset?: number | undefined
  /** Structure and member that it likely is. */
  readonly member?: string | undefined
  /** Symbol in or by which it was found. */
  readonly symbol?: string | undefined
}

/** How many pages a finding is about. */
export function pageCount({ pages }: Pick<CoreFinding, 'pages'>): number {
  return pages.reduce((sum, { first, end }) => sum + end - first, 0)
}

export interface CoreFinding {
  readonly kind: CoreFindingKind
  readonly certainty: CoreCertainty
  /** The page, or the head of the folio; of a pagemap, the first page that keeps it. */
  readonly pfn: number
  /** Pages that the finding is about: those of the folio, or all that keep a pagemap. */
  readonly pages: readonly FrameRange[]
  /** Index in the list of pagemaps; undefined for an ordinary page. */
  readonly pagemap: number | undefined
  readonly count: number
  /** How often the page is mapped, by its own count. */
  readonly mapcount: number
  /** References explained, that of an idle page included; undefined where holders were not looked for. */
  readonly explained: number | undefined
  readonly holders: readonly Holder[]
  readonly evidence: readonly string[]
}
