// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Formats every page as a row, by the million: a row is formatted once for pages that are alike, and copied for the others, in
 * which the last digits of the numbers are then written anew.
 */
import { PageView } from '../core/mm/page-layout.ts'
import type { PageFacts } from '../core/page-queries.ts'
import { PAGE_COLUMNS, pageRow } from './core-page.ts'

/** Number of bytes that are written at once. */
const CHUNK = 1 << 18
/** The two hexadecimal digits of each byte, as a little-endian number. */
const PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => {
  const digits = byte.toString(16).padStart(2, '0')
  return digits.charCodeAt(0) | (digits.charCodeAt(1) << 8)
})
/** Numbers are counted up in their last four digits. A copied row must have the same digits before these. */
const COUNTED = 1 << 16
const LEAST_COUNTED = 1 << 12
/** Columns that can differ between pages of one run. */
const COLUMNS = PAGE_COLUMNS.split(' ')
const PFN = COLUMNS.indexOf('pfn')
const PAGE = COLUMNS.indexOf('page')
const HEAD = COLUMNS.indexOf('head')

export class PageList {
  readonly #write: (bytes: Uint8Array) => void
  readonly #encoder = new TextEncoder()
  readonly #bytes = new Uint8Array(CHUNK)
  readonly #view = new DataView(this.#bytes.buffer)
  #length = 0
  /** The row that is repeated, its page and that one's address, how often, and the limit of that. */
  #row = PAGE_COLUMNS
  readonly #first = new PageView()
  #address = 0n
  #pagemap: PageFacts['pagemap']
  #state: PageFacts['state'] | undefined
  #rows = 1
  #most = 1

  /** @param write is called with some rows at a time, in order. The bytes are only valid until it returns */
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
    const { view, address } = page
    Object.assign(this.#first, view)
    this.#address = address
    this.#pagemap = page.pagemap
    this.#state = page.state
    this.#row = pageRow(page)
    const counted = Math.min(countable(BigInt(view.pfn), 1), countable(address, stepOf(view)))
    this.#most = Math.min(counted, Math.floor(CHUNK / (this.#row.length + 1)))
  }

  /** Writes the row as often as it is to be repeated. */
  #repeat(): void {
    const bytes = this.#row.length + 1
    if (this.#length + this.#rows * bytes > CHUNK) this.#flush()
    const start = this.#length
    const end = start + this.#rows * bytes
    this.#length = end
    this.#encoder.encodeInto(`${this.#row}\n`, this.#bytes.subarray(start, end))
    // Copies twice as many rows each time.
    for (let done = bytes; start + done < end; done *= 2) {
      this.#bytes.copyWithin(start + done, start, Math.min(start + done, end - done))
    }
    if (this.#rows > 1) this.#countUp(start, end, bytes)
    this.#rows = 0
  }

  #countUp(start: number, end: number, bytes: number): void {
    const ends = columnEnds(this.#row)
    const rows = { view: this.#view, end, bytes }
    const pfn = this.#first.pfn % COUNTED
    countUp(rows, start + ends[PFN]!, pfn, 1)
    countUp(rows, start + ends[PAGE]!, lastDigits(this.#address), stepOf(this.#first))
    if (!this.#first.isTail) countUp(rows, start + ends[HEAD]!, pfn, 1)
  }

  #flush(): void {
    if (this.#length > 0) this.#write(this.#bytes.subarray(0, this.#length))
    this.#length = 0
  }
}

/** Bytes of a struct page. */
function stepOf({ layout }: PageView): number {
  return layout?.size ?? 1
}

/** Where each column of a row ends. */
function columnEnds(row: string): number[] {
  const ends: number[] = []
  for (let at = row.indexOf(' '); at >= 0; at = row.indexOf(' ', at + 1)) ends.push(at)
  return [...ends, row.length]
}

function lastDigits(number: bigint): number {
  return Number(number & BigInt(COUNTED - 1))
}

/** Returns how many numbers, beginning with `number` and `step` apart, differ in their last four digits only. */
function countable(number: bigint, step: number): number {
  return number < LEAST_COUNTED ? 1 : Math.ceil((COUNTED - lastDigits(number)) / step)
}

/**
 * Writes the last four digits of a number into the same column of consecutive rows.
 * @param at where the column of the first row ends
 */
function countUp(rows: { view: DataView; end: number; bytes: number }, at: number, first: number, step: number): void {
  const { view, end, bytes } = rows
  for (let digitsEnd = at, number = first; digitsEnd < end; digitsEnd += bytes, number += step) {
    view.setUint16(digitsEnd - 4, PAIRS[number >> 8]!, true)
    view.setUint16(digitsEnd - 2, PAIRS[number & 255]!, true)
  }
}
