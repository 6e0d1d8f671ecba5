// SPDX-License-Identifier: GPL-2.0-or-later
import { type Arena, plainArena } from './arena.ts'
import { NO_LIFETIME, NO_PAIR } from './hot-layout.ts'
import { PageBit } from './page-state.ts'
import { PfnIndex } from './pfn-index.ts'

/** Rows for which there is room at first, and those that a long recording needs. */
const FIRST_ROWS = 1024
const USUAL_ROWS = 1 << 18

/** Pages by pfn, as columns. Rows are numbered in order of first appearance and never move. */
export class PageTable {
  length = 0
  pfn: Float64Array
  count: Int32Array
  /** State of the page, see `PageBit`. */
  bits: Uint16Array
  /** Time of the event from which the count was last taken instead of followed. */
  resyncedAt: Float64Array
  /** Index of the page's pagemap. */
  pagemap: Int32Array
  /** Value of `Gaps.epoch` at the page's last event; another value now means that events may have been lost since. */
  epoch: Int32Array
  /** First and last node of the open lifetime, and the number of its events. */
  head: Int32Array
  tail: Int32Array
  events: Int32Array
  /** Count that page_ref_freeze() took, and that comes back when the page is unfrozen. */
  frozen: Int32Array
  /** Count before the open lifetime's first event. */
  before: Int32Array
  /** Of a page with `PageBit.rested`: its count while none of the references taken since is out. */
  rest: Int32Array
  /** Call-site key (or INITIALISED), task and map count of the page's last event. */
  lastSignature: Int32Array
  lastPid: Int32Array
  lastMapcount: Int32Array
  /** Map count of the open lifetime's last event. */
  tailMapcount: Int32Array
  /** Number of events in a row that confirmed an uncertain count. */
  confirmed: Int32Array
  /** Entry of the page's last closed lifetime in the log, `NO_LIFETIME` for none. */
  lastClosed: Int32Array
  /** Number of the last pair that was set aside of the page's lifetimes, `NO_PAIR` for none. */
  aside: Int32Array
  /** Hash of the open lifetime's units, see `LifetimeKinds`. */
  hashLow: Int32Array
  hashHigh: Int32Array

  readonly index: PfnIndex
  readonly #arena: Arena

  constructor(arena: Arena = plainArena()) {
    this.#arena = arena
    this.index = new PfnIndex(arena)
    const rows = arena.lengthFor(FIRST_ROWS, USUAL_ROWS)
    this.pfn = arena.column(Float64Array, rows)
    this.count = arena.column(Int32Array, rows)
    this.bits = arena.column(Uint16Array, rows)
    this.resyncedAt = arena.column(Float64Array, rows)
    this.pagemap = arena.column(Int32Array, rows)
    this.epoch = arena.column(Int32Array, rows)
    this.head = arena.column(Int32Array, rows)
    this.tail = arena.column(Int32Array, rows)
    this.events = arena.column(Int32Array, rows)
    this.frozen = arena.column(Int32Array, rows)
    this.before = arena.column(Int32Array, rows)
    this.rest = arena.column(Int32Array, rows)
    this.lastSignature = arena.column(Int32Array, rows)
    this.lastPid = arena.column(Int32Array, rows)
    this.lastMapcount = arena.column(Int32Array, rows)
    this.tailMapcount = arena.column(Int32Array, rows)
    this.confirmed = arena.column(Int32Array, rows)
    this.lastClosed = arena.column(Int32Array, rows)
    this.aside = arena.column(Int32Array, rows)
    this.hashLow = arena.column(Int32Array, rows)
    this.hashHigh = arena.column(Int32Array, rows)
  }

  /** Returns the row of a pfn, -1 if it was never added. */
  find(pfn: number): number {
    return this.index.find(pfn)
  }

  /** Adds a pfn that `find` does not know, and returns its row. */
  add(pfn: number, pagemap: number, epoch: number): number {
    if (this.length === this.pfn.length) this.#arena.growColumns(this, this.length * 2)
    const row = this.length++
    this.index.set(pfn, row)
    this.pfn[row] = pfn
    this.pagemap[row] = pagemap
    this.epoch[row] = epoch
    this.head[row] = this.tail[row] = -1
    this.lastClosed[row] = NO_LIFETIME
    this.aside[row] = NO_PAIR
    return row
  }

  /** Returns the rows of the pages in use. */
  inUse(): number[] {
    const { bits, length } = this
    const rows: number[] = []
    for (let row = 0; row < length; row++) if ((bits[row]! & PageBit.open) !== 0) rows.push(row)
    return rows
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
}
