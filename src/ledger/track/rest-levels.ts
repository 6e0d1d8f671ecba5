// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Pages whose counts were watched from a known start. What they had then is their rest level: references held by somebody who
 * took them before, of whom the recording knows nothing. Lifetimes go from rest to rest. A put below that level gives back one
 * of the earlier references, which may be anybody's right; only what follows shows that it was not.
 */
import type { LedgerEvent, RestDrop } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import { countAfter } from './op-semantics.ts'
import { PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import type { Tables } from './tables.ts'

/** Drops that are kept; a watch has few pages. */
const MOST_DROPS = 1 << 12

export class RestLevels {
  readonly #pages: PageTable
  readonly #tables: Tables
  readonly #lifetimes: Lifetimes
  /** Last drop of a page. */
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

  /** Ends the rest level of a page that is handed out anew: from now on it is like any other. */
  end(row: number): void {
    if (this.#pages.has(row, PageBit.open)) this.#pages.set(row, PageBit.lossy)
    this.#pages.clear(row, PageBit.rested)
  }

  /** Goes on from a get or put of a page with a rest level that no order of events explains. */
  explain(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    const count = pages.count[row]!
    const next = countAfter(count, event)
    if (event.val === 0 || next !== count + event.val) this.#lose(row, event, next)
    else if (event.val < 0 && count > 0) this.#drop(row, event, next)
    else this.#use(row, event)
  }

  /** Gives back references of before the recording. */
  #drop(row: number, event: LedgerEvent, left: number): void {
    const pages = this.#pages
    const isRest = !pages.has(row, PageBit.open)
    const life = this.#lifetimes.events(row)
    const rest = pages.rest[row]!
    pages.rest[row] = Math.max(0, left)
    if (isRest) pages.count[row] = Math.max(0, left)
    else {
      // Some of what it gave back was taken since: which of both is not told apart.
      pages.set(row, PageBit.begunEarlier)
      this.#lifetimes.apply(row, event.val, event)
    }
    const { restDrops } = this.#tables
    const drop: RestDrop = { row, event, rest, life, left, usedAfter: undefined }
    this.#last.set(row, drop)
    if (restDrops.length < MOST_DROPS) restDrops.push(drop)
  }

  /** A get or put of a page that is free. */
  #use(row: number, event: LedgerEvent): void {
    const drop = this.#last.get(row)
    if (drop?.left === 0) drop.usedAfter ??= event
    // A put leaves it as free as it was.
    if (event.val > 0) this.#lifetimes.apply(row, event.val, event)
  }

  /** The count had changed without an event. */
  #lose(row: number, event: LedgerEvent, next: number): void {
    const pages = this.#pages
    this.#tables.anomalies.addUnrecorded(row, event.time)
    this.#lifetimes.reach(row)
    this.#lifetimes.correct(row, next - event.val - pages.count[row]!)
    pages.set(row, PageBit.lossy)
    this.#lifetimes.apply(row, event.val, event)
  }
}
