// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Represents all pages of a pagemap as runs of equal pages, so that all of them can be drawn. Idle memory of any size is one run.
 * The pages of a folio belong together and have the state of its head.
 */
import { growColumns, lengthFor } from '../../util/growable.ts'
import type { PageView } from './page-layout.ts'
import type { PageState } from './protocol.ts'

/** The properties that the pages of a run share. */
export interface PageKind {
  readonly state: PageState | 'absent' | 'reserved'
  readonly count: number
  /** `_mapcount` as stored: -1 if not mapped. */
  readonly mapcount: number
  readonly flagsLow: number
  readonly flagsHigh: number
  /** Number of pages in each folio; 1 for single pages. Count, mapcount and flags are those of the folio's head. */
  readonly folio: number
}

/**
 * Maximum number of runs of all pagemaps together. Pages beyond are left out, because those of a damaged pagemap may all differ.
 */
export const MOST_RUNS = 1 << 18

/** Collects runs page by page, in order of their frames. */
export class PageRuns {
  length = 0
  first = new Float64Array(16)
  pages = new Float64Array(16)
  /** Index in the list of kinds. */
  kind = new Uint32Array(16)
  readonly kinds: PageKind[] = []
  /** Number of pages that are in no run because the limit was reached. */
  leftOut = 0
  readonly #room: { runs: number }
  readonly #numbers = new Map<string, number>()
  /**
   * The folio that is being collected: its first page and its number of pages so far. While that number is 1, `#singles` counts
   * the equal single pages from `#first` on.
   */
  #first = 0
  #pages = 0
  #singles = 0
  #state: PageKind['state'] = 'idle'
  #count = 0
  #mapcount = 0
  #flagsLow = 0
  #flagsHigh = 0

  /** @param room how many of {@link MOST_RUNS} are left; the limit applies to all pagemaps together */
  constructor(room: { runs: number }) {
    this.#room = room
  }

  /** Adds a single page, or the head of a folio. */
  head(page: PageView, state: PageState): void {
    // Most pages are single pages equal to the one before.
    if (this.#pages === 1 && page.pfn === this.#first + this.#singles && this.#isSame(page, state)) {
      this.#singles++
      return
    }
    this.#close()
    this.#first = page.pfn
    this.#singles = 1
    this.#pages = 1
    this.#state = state
    this.#count = page.count
    this.#mapcount = page.mapcount
    this.#flagsLow = page.flagsLow
    this.#flagsHigh = page.flagsHigh
  }

  /** Adds `pages` more pages equal to the one of the last call of {@link head}. */
  more(pages: number): void {
    this.#singles += pages
  }

  /** Adds tail pages of the current folio. After pages that are absent, the folio is continued as a new one. */
  tails(pfn: number, pages: number): void {
    if (this.#pages === 0) {
      this.#first = pfn
      this.#singles = 1
    } else if (this.#singles > 1) {
      // The last of the single pages turns out to be the head of a folio.
      this.#append(this.#first, this.#singles - 1, 1)
      this.#first += this.#singles - 1
      this.#singles = 1
    }
    this.#pages += pages
  }

  /** Adds pages [first, end) that have no counts. */
  without(state: 'absent' | 'reserved', first: number, end: number): void {
    this.#close()
    this.#pages = 0
    if (end > first)
      this.#add(first, end - first, { state, count: 0, mapcount: -1, flagsLow: 0, flagsHigh: 0, folio: 1 })
  }

  /**
   * Must be called after the last page.
   * @param isRuleWrong all states but `absent` and `reserved` are replaced by `unknown`
   */
  finish(isRuleWrong: boolean): void {
    this.#close()
    this.#pages = 0
    if (!isRuleWrong) return
    this.kinds.forEach((kind, i) => {
      if (kind.state !== 'absent' && kind.state !== 'reserved') this.kinds[i] = { ...kind, state: 'unknown' }
    })
  }

  #isSame(page: PageView, state: PageState): boolean {
    return (
      page.count === this.#count &&
      page.flagsLow === this.#flagsLow &&
      page.mapcount === this.#mapcount &&
      page.flagsHigh === this.#flagsHigh &&
      state === this.#state
    )
  }

  #close(): void {
    if (this.#pages === 1) this.#append(this.#first, this.#singles, 1)
    else if (this.#pages > 1) this.#append(this.#first, this.#pages, this.#pages)
  }

  /**
   * Adds pages, extending the last run if they are equal to its pages.
   * @param folio number of pages in each folio
   */
  #append(first: number, pages: number, folio: number): void {
    const last = this.length - 1
    const kind = last < 0 ? undefined : this.kinds[this.kind[last]!]!
    if (kind && this.first[last]! + this.pages[last]! === first && this.#isLike(kind, folio)) {
      this.pages[last]! += pages
      return
    }
    this.#add(first, pages, {
      state: this.#state,
      count: this.#count,
      mapcount: this.#mapcount,
      flagsLow: this.#flagsLow,
      flagsHigh: this.#flagsHigh,
      folio,
    })
  }

  #isLike(kind: PageKind, folio: number): boolean {
    return (
      kind.folio === folio &&
      kind.count === this.#count &&
      kind.state === this.#state &&
      kind.mapcount === this.#mapcount &&
      kind.flagsLow === this.#flagsLow &&
      kind.flagsHigh === this.#flagsHigh
    )
  }

  #add(first: number, pages: number, kind: PageKind): void {
    if (this.#room.runs <= 0) {
      this.leftOut += pages
      return
    }
    this.#room.runs--
    const row = this.length++
    if (row >= this.first.length) growColumns(this, lengthFor(row, this.first.length))
    this.first[row] = first
    this.pages[row] = pages
    this.kind[row] = this.#numberOf(kind)
  }

  #numberOf(kind: PageKind): number {
    const { state, count, mapcount, flagsLow, flagsHigh, folio } = kind
    const key = `${state} ${count} ${mapcount} ${flagsLow} ${flagsHigh} ${folio}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.kinds.push(kind) - 1
    this.#numbers.set(key, number)
    return number
  }
}
