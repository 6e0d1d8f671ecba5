// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Every page as a row, by the million: a row is formatted once for pages that are alike, and copied for the others with the
 * numbers that differ counted up in place.
 */
import { PageView } from '../core/mm/page-layout.ts'
import type { PageFacts } from '../core/page-queries.ts'
import { PAGE_COLUMNS, pageRow } from './core-page.ts'

/** Number of bytes that are written at once. */
const CHUNK = 1 << 18
const DIGITS = new TextEncoder().encode('0123456789abcdef')
/** Value of a digit by its character. */
const VALUES = Uint8Array.from({ length: 128 }, (_, character) => Math.max(0, DIGITS.indexOf(character)))
/** Columns that can differ between pages of one run. */
const COLUMNS = PAGE_COLUMNS.split(' ')
const PFN = COLUMNS.indexOf('pfn')
const PAGE = COLUMNS.indexOf('page')
const HEAD = COLUMNS.indexOf('head')

export class PageList {
  readonly #write: (bytes: Uint8Array) => void
  readonly #encoder = new TextEncoder()
  #bytes = new Uint8Array(CHUNK)
  #length = 0
  /** The row that is repeated, its page, how often, and how often it can be before one of its numbers has a digit more. */
  #row = PAGE_COLUMNS
  readonly #first = new PageView()
  #pagemap: PageFacts['pagemap']
  #state: PageFacts['state'] | undefined
  #rows = 1
  #most = 1

  /** @param write is called with some rows at a time, in order, and may keep the bytes */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write
  }

  /** Adds pages that are alike, from `page` on, whose view is moved behind the last. */
  add(page: PageFacts, pages: number): void {
    for (let left = pages; left > 0; ) {
      if (this.#rows >= this.#most || !this.#continues(page)) this.#begin(page)
      const rows = Math.min(left, this.#most - this.#rows)
      this.#rows += rows
      page.view.skip(rows)
      left -= rows
    }
  }

  /** Writes what is left. */
  end(): void {
    this.#repeat()
    this.#flush()
  }

  /** True of a page that is like those whose rows are repeated, and behind them. */
  #continues({ view, pagemap, state }: PageFacts): boolean {
    const first = this.#first
    return (
      view.pfn === first.pfn + this.#rows &&
      view.count === first.count &&
      view.mapcount === first.mapcount &&
      view.flagsLow === first.flagsLow &&
      view.flagsHigh === first.flagsHigh &&
      view.isTail === first.isTail &&
      (!view.isTail || view.head === first.head) &&
      pagemap === this.#pagemap &&
      state === this.#state
    )
  }

  #begin(page: PageFacts): void {
    this.#repeat()
    const { view } = page
    Object.assign(this.#first, view)
    this.#pagemap = page.pagemap
    this.#state = page.state
    this.#row = pageRow(page)
    const sameLength = Math.min(beforeLonger(BigInt(view.pfn), 1), beforeLonger(page.address, stepOf(view)))
    this.#most = Math.min(sameLength, Math.floor(CHUNK / (this.#row.length + 1)))
  }

  /**
   * Writes the row as often as it is to be: twice as many each time, with what is between them added to the numbers of the copy.
   */
  #repeat(): void {
    const bytes = this.#row.length + 1
    if (this.#length + this.#rows * bytes > CHUNK) this.#flush()
    const all = this.#bytes.subarray(this.#length, this.#length + this.#rows * bytes)
    this.#length += all.length
    this.#encoder.encodeInto(`${this.#row}\n`, all)
    const ends = columnEnds(this.#row)
    const stepBits = Math.log2(stepOf(this.#first))
    for (let bits = 0, done = 1; done < this.#rows; bits++, done *= 2) {
      const end = Math.min(2 * done, this.#rows)
      all.copyWithin(done * bytes, 0, (end - done) * bytes)
      for (let at = done * bytes; at < end * bytes; at += bytes) {
        addBit(all, at + ends[PFN]!, bits)
        addBit(all, at + ends[PAGE]!, bits + stepBits)
        if (!this.#first.isTail) addBit(all, at + ends[HEAD]!, bits)
      }
    }
    this.#rows = 0
  }

  #flush(): void {
    if (this.#length > 0) this.#write(this.#bytes.subarray(0, this.#length))
    this.#bytes = new Uint8Array(CHUNK)
    this.#length = 0
  }
}

/** Bytes of a struct page: a power of two, as they fill frames. */
function stepOf({ layout }: PageView): number {
  return layout?.size ?? 1
}

/** Where each column of a row ends. */
function columnEnds(row: string): number[] {
  const ends: number[] = []
  for (let at = row.indexOf(' '); at >= 0; at = row.indexOf(' ', at + 1)) ends.push(at)
  return [...ends, row.length]
}

/** Returns how many numbers, beginning with `number` and `step` apart, have the same number of digits. */
function beforeLonger(number: bigint, step: number): number {
  const longer = 1n << BigInt(4 * number.toString(16).length)
  const steps = (longer - number + BigInt(step) - 1n) / BigInt(step)
  return Number(steps)
}

/** Adds 2^bit to a number that ends before `end`, of lower-case hexadecimal digits. */
function addBit(bytes: Uint8Array, end: number, bit: number): void {
  let at = end - 1 - (bit >> 2)
  for (let sum = VALUES[bytes[at]!]! + (1 << (bit & 3)); ; sum = VALUES[bytes[at]!]! + 1) {
    bytes[at--] = DIGITS[sum & 15]!
    if (sum < 16) return
  }
}
