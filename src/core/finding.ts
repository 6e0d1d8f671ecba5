// SPDX-License-Identifier: GPL-2.0-or-later
/** Findings about a dump's pages, with the evidence for each. */

import type { FrameRange } from './memory/physical.ts'

export type CoreFindingKind = 'held' | 'leaked' | 'count-mismatch' | 'impossible-state' | 'teardown-waits'

/** Kinds that report a fault. The remaining kind, `held`, only describes. */
export const CORE_ACCUSATIONS: ReadonlySet<CoreFindingKind> = new Set<CoreFindingKind>([
  'leaked',
  'count-mismatch',
  'impossible-state',
  'teardown-waits',
])

export type CoreCertainty = 'certain' | 'likely' | 'possible'

/** The ways in which a page can be held. */
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

/** A holder: something that maps a page or has a pointer to it. */
export interface Holder {
  readonly kind: HolderKind
  /**
   * Number of references that the holder certainly has, known for page-table entries and pipe buffers. It is undefined for a
   * pointer that the search found: such a pointer can stand for one reference, but need not.
   */
  readonly references: number | undefined
  /** Description in one line, without the page. */
  readonly words: string
  /** Address of the holder: the user address of a page-table entry, or where in memory a pointer stands. */
  readonly address: bigint | undefined
  readonly pid?: number | undefined
  readonly task?: string | undefined
  /** For a holder in a slab object: the cache, the object, and the offset of the pointer in it. */
  readonly cache?: string | undefined
  readonly object?: bigint | undefined
  readonly offset?: number | undefined
  /** Likely structure and member that the pointer is in. */
  readonly member?: string | undefined
  /** Symbol that contains the pointer, or the function in whose stack frame the pointer lies. */
  readonly symbol?: string | undefined
}

/** Returns the number of pages that a finding is about. */
export function pageCount({ pages }: Pick<CoreFinding, 'pages'>): number {
  return pages.reduce((sum, { first, end }) => sum + end - first, 0)
}

export interface CoreFinding {
  readonly kind: CoreFindingKind
  readonly certainty: CoreCertainty
  /**
   * Frame number of the page or of its folio's head. For a finding about a pagemap, that of the first page that keeps the
   * pagemap.
   */
  readonly pfn: number
  /** Pages that the finding is about: those of the folio, or all that keep the pagemap. */
  readonly pages: readonly FrameRange[]
  /** Index in the list of pagemaps; undefined for a page that is not device memory. */
  readonly pagemap: number | undefined
  readonly count: number
  /** Number of times that the page is mapped, according to its mapcount. */
  readonly mapcount: number
  /** References that are explained, including that of an idle page; undefined if holders were not searched for. */
  readonly explained: number | undefined
  readonly holders: readonly Holder[]
  readonly evidence: readonly string[]
}
