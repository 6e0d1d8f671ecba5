// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Tracks pages whose counts were watched from a known value on. That value is the page's rest level: the references that were
 * taken before the recording began, by holders unknown to it. A lifetime begins and ends at the rest level. A put below it gives
 * back one of these earlier references. That may be rightful; only later events can show that it was not.
 */
import type { LedgerEvent, RestDrop } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import { countAfter } from './op-semantics.ts'
import { PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import type { Tables } from './tables.ts'

/** Most drops kept: puts below the rest level. A watch has few pages. */
const MOST_DROPS = 1 << 12

export class RestLevels {
  readonly #pages: PageTable
  readonly #tables: Tables
  readonly #lifetimes: Lifetimes
  /** By row: the last put below the page's rest level. */
  readonly #last = new Map<number, RestDrop>()

  constructor(tables: Tables, lifetimes: Lifetimes) {
    this.#pages = tables.pages
    this.#tables = tables
    this.#lifetimes = lifetimes
  }

  /** Notes the count of a page at the start of the recording. */
  begin(row: number, count: number): void {
    const pages = this.#pages
    pages.set(row, PageBit.countKnown | PageBit.rested)
    pages.count[row] = pages.rest[row] = count
  }

  /** Removes the rest level of a page that is handed out again: from now on it is tracked like any other. */
  end(row: number): void {
    if (this.#pages.has(row, PageBit.open)) this.#pages.set(row, PageBit.lossy)
    this.#pages.clear(row, PageBit.rested)
  }

  /** Interprets an event of a page with a rest level that no order of events explains, and applies it. */
  explain(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    const count = pages.count[row]!
    const next = countAfter(count, event)
    if (event.val === 0 || next !== count + event.val) this.#lose(row, event, next)
    else if (event.val < 0 && count > 0) this.#drop(row, event, next)
    else this.#use(row, event)
  }

  /** Applies a put of references that were taken before the recording, and lowers the rest level. */
  #drop(row: number, event: LedgerEvent, left: number): void {
    const pages = this.#pages
    const isRest = !pages.has(row, PageBit.open)
    const life = this.#lifetimes.events(row)
    const rest = pages.rest[row]!
    pages.rest[row] = Math.max(0, left)
    if (isRest) pages.count[row] = Math.max(0, left)
    else {
      // Whether the put gave back earlier references or those taken since cannot be told apart.
      pages.set(row, PageBit.begunEarlier)
      this.#lifetimes.apply(row, event.val, event)
    }
    const { restDrops } = this.#tables
    const drop: RestDrop = { row, event, rest, life, left, usedAfter: undefined }
    this.#last.set(row, drop)
    if (restDrops.length < MOST_DROPS) restDrops.push(drop)
  }

  /** Applies a get or put of a page that is free. */
  #use(row: number, event: LedgerEvent): void {
    const drop = this.#last.get(row)
    if (drop?.left === 0) drop.usedAfter ??= event
    // A put of a free page changes nothing.
    if (event.val > 0) this.#lifetimes.apply(row, event.val, event)
  }

  /** Takes over the count from an event before which the count had changed without a recorded event. */
  #lose(row: number, event: LedgerEvent, next: number): void {
    const pages = this.#pages
    this.#tables.anomalies.addUnrecorded(row, event.time)
    this.#lifetimes.reach(row)
    this.#lifetimes.correct(row, next - event.val - pages.count[row]!)
    pages.set(row, PageBit.lossy)
    this.#lifetimes.apply(row, event.val, event)
  }
}
