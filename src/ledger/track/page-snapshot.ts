// SPDX-License-Identifier: GPL-2.0-or-later
/** States of pages at one moment of the recording. */
import type { PageState } from './lifetime-event.ts'
import { isInRanges, type PageRange } from './page-range.ts'
import type { PageTable } from './page-table.ts'

/** Pages in use whose states are kept. */
const MAX_PAGES = 10_000

export interface SnapshotRequest {
  pages: readonly PageRange[]
  /** Time as in `EventBatch.time`; events of exactly that time are included. Infinity: the end of the recording. */
  at: number
}

export class PageSnapshot {
  /** States of the pages in use, and of idle pages that were asked for one by one. */
  readonly states: PageState[] = []
  /** Number of other pages of the ranges that have occurred and are idle. */
  idle = 0
  /** Number of pages in use beyond those that are kept. */
  dropped = 0
  /** True if events of some page may be missing. */
  lossy = false
  /** Ranges of which no page has occurred. */
  readonly absent: PageRange[]

  /** @param stateOf called for each page of the ranges, by row */
  constructor(
    ranges: readonly PageRange[],
    pages: Pick<PageTable, 'pfn' | 'length'>,
    stateOf: (row: number) => PageState,
  ) {
    const absent = new Set(ranges)
    for (let row = 0; row < pages.length; row++) {
      const pfn = pages.pfn[row]!
      const wanting = ranges.filter(range => isInRanges(pfn, [range]))
      for (const range of wanting) absent.delete(range)
      if (wanting.length > 0)
        this.#add(
          stateOf(row),
          wanting.some(({ first, last }) => first === last),
        )
    }
    this.absent = [...absent]
    this.states.sort((a, b) => pages.pfn[a.row]! - pages.pfn[b.row]!)
  }

  #add(state: PageState, isAskedFor: boolean): void {
    this.lossy ||= state.lossy
    if (!isInUse(state) && !isAskedFor) this.idle++
    else if (this.states.length >= MAX_PAGES) this.dropped++
    else this.states.push(state)
  }
}

/** True if the page is in use. */
const isInUse = ({ count, idle, events, heldBefore }: PageState) =>
  count !== (idle ?? 0) || events.length > 0 || heldBefore > 0
