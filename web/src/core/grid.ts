// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Rows of 64 pages that begin at multiples of 64, pagemap by pagemap, like the rows of a hex dump. Adjacent rows whose pages all
 * have one colour are folded into one row.
 */
import { growColumns, lengthFor } from '../../../src/util/growable.ts'
import { lowerBound } from '../../../src/util/lower-bound.ts'
import type { CorePagemap } from './document.ts'
import type { Segments } from './segments.ts'

/** Pages of a row. */
export const COLUMNS = 64

/** Least number of equal rows that are folded. */
const LEAST_FOLDED = 3

export class Grid {
  length = 0
  /** The page of the first column; -1 for the heading of a pagemap. */
  base = new Float64Array(64)
  /** The pages [from, end) of the row that belong to the pagemap. */
  from = new Float64Array(64)
  end = new Float64Array(64)
  /** Index into the list of pagemaps, by row. */
  pagemap = new Uint32Array(64)

  constructor(pagemaps: readonly CorePagemap[], segments: readonly Segments[]) {
    pagemaps.forEach(({ ranges }, i) => {
      this.#add(-1, 0, 0, i)
      let done = 0
      for (const { first, end } of [...ranges].sort((a, b) => a.first - b.first)) {
        this.#range(Math.max(first, done), end, segments[i]!, i)
        done = Math.max(done, end)
      }
    })
  }

  /** True for a row that stands for several. */
  isFolded(row: number): boolean {
    return this.end[row]! - this.base[row]! > COLUMNS
  }

  /** Returns the row of a page in a pagemap, or -1. */
  rowOf(pfn: number, pagemap: number): number {
    // The heading of a pagemap comes first, then its rows in order of pages.
    const before = (row: number) => this.pagemap[row]! < pagemap
    const below = (row: number) => this.base[row]! < 0 || this.end[row]! <= pfn
    const row = lowerBound(this.length, at => before(at) || (this.pagemap[at] === pagemap && below(at)))
    return row < this.length && this.pagemap[row] === pagemap && this.from[row]! <= pfn ? row : -1
  }

  #range(first: number, end: number, segments: Segments, pagemap: number): void {
    let segment = segments.at(first)
    for (let at = first; at < end; ) {
      while (segment < segments.length && segments.end[segment]! <= at) segment++
      const base = Math.floor(at / COLUMNS) * COLUMNS
      const behind = Math.min(end, segment < segments.length ? segments.end[segment]! : end)
      const alike = at === base ? Math.floor((behind - base) / COLUMNS) : 0
      const to = Math.min(end, base + COLUMNS * (alike >= LEAST_FOLDED ? alike : 1))
      this.#add(base, at, to, pagemap)
      at = to
    }
  }

  #add(base: number, from: number, end: number, pagemap: number): void {
    const row = this.length++
    if (row >= this.base.length) growColumns(this, lengthFor(row, this.base.length))
    this.base[row] = base
    this.from[row] = from
    this.end[row] = end
    this.pagemap[row] = pagemap
  }
}
