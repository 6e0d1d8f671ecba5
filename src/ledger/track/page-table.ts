// SPDX-License-Identifier: GPL-2.0-or-later
import { growColumns, grown } from '../../util/growable.ts'
import { NO_LIFETIME } from './lifetime-log.ts'
import { NO_PAIR } from './set-aside.ts'

const CHUNK = 1024

/** In place of a last call-site key: the page was set up and nothing has happened since. */
export const INITIALISED = -2

/** Pages by pfn, as columns. Rows are numbered in order of first appearance and never move. */
export class PageTable {
  length = 0
  pfn = new Float64Array(CHUNK)
  count = new Int32Array(CHUNK)
  /** State of the page, see `PageBit`. */
  bits = new Uint16Array(CHUNK)
  /** Time of the event from which the count was last taken instead of followed. */
  resyncedAt = new Float64Array(CHUNK)
  /** Index of the page's pagemap. */
  pagemap = new Int32Array(CHUNK)
  /** Value of `Gaps.epoch` at the page's last event; another value now means that events may have been lost since. */
  epoch = new Int32Array(CHUNK)
  /** First and last node of the open lifetime, and the number of its events. */
  head = new Int32Array(CHUNK)
  tail = new Int32Array(CHUNK)
  events = new Int32Array(CHUNK)
  /** Count that page_ref_freeze() took, and that comes back when the page is unfrozen. */
  frozen = new Int32Array(CHUNK)
  /** Count before the open lifetime's first event. */
  before = new Int32Array(CHUNK)
  /** Of a page with `PageBit.rested`: its count while none of the references taken since is out. */
  rest = new Int32Array(CHUNK)
  /** Call-site key (or INITIALISED), task and map count of the page's last event. */
  lastSignature = new Int32Array(CHUNK)
  lastPid = new Int32Array(CHUNK)
  lastMapcount = new Int32Array(CHUNK)
  /** Map count of the open lifetime's last event. */
  tailMapcount = new Int32Array(CHUNK)
  /** Number of events in a row that confirmed an uncertain count. */
  confirmed = new Int32Array(CHUNK)
  /** Entry of the page's last closed lifetime in the log, `NO_LIFETIME` for none. */
  lastClosed = new Int32Array(CHUNK)
  /** Number of the last pair that was set aside of the page's lifetimes, `NO_PAIR` for none. */
  aside = new Int32Array(CHUNK)
  /** Hash of the open lifetime's units, see `LifetimeKinds`. */
  hashLow = new Int32Array(CHUNK)
  hashHigh = new Int32Array(CHUNK)

  readonly #chunks = new Map<number, number>()
  /** Row of pfn by place in its chunk, -1 for none. */
  #rows = new Int32Array(CHUNK * 16).fill(-1)
  #used = 0
  #lastChunk = -1
  #lastBase = 0

  /** Returns the row of a pfn, -1 if it was never added. */
  find(pfn: number): number {
    const chunk = Math.floor(pfn / CHUNK)
    if (chunk !== this.#lastChunk) {
      const base = this.#chunks.get(chunk)
      if (base === undefined) return -1
      this.#lastChunk = chunk
      this.#lastBase = base
    }
    return this.#rows[this.#lastBase + (pfn - chunk * CHUNK)]!
  }

  /** Adds a pfn that `find` does not know, and returns its row. */
  add(pfn: number, pagemap: number, epoch: number): number {
    if (this.length === this.pfn.length) growColumns(this, this.length * 2)
    const row = this.length++
    const place = this.#place(pfn)
    this.#rows[place] = row
    this.pfn[row] = pfn
    this.pagemap[row] = pagemap
    this.epoch[row] = epoch
    this.head[row] = this.tail[row] = -1
    this.lastClosed[row] = NO_LIFETIME
    this.aside[row] = NO_PAIR
    return row
  }

  /** Sets some state bits of a page. */
  set(row: number, bits: number): void {
    this.bits[row]! |= bits
  }

  /** Clears some state bits of a page. */
  clear(row: number, bits: number): void {
    this.bits[row]! &= ~bits
  }

  /** True if the page has any of these state bits. */
  has(row: number, bits: number): boolean {
    return (this.bits[row]! & bits) !== 0
  }

  #place(pfn: number): number {
    const chunk = Math.floor(pfn / CHUNK)
    let base = this.#chunks.get(chunk)
    if (base === undefined) {
      if (this.#used + CHUNK > this.#rows.length) this.#rows = grown(this.#rows, this.#rows.length * 2, -1)
      base = this.#used
      this.#used += CHUNK
      this.#chunks.set(chunk, base)
    }
    return base + (pfn - chunk * CHUNK)
  }
}
