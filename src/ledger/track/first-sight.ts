// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Takes a page's count from an event instead of following it: for a page that is seen for the first time, and for one whose
 * events may have been lost. Such a count may include later operations of other tasks, so it is uncertain until further events
 * confirm it.
 */
import type { LedgerEvent } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import type { Gaps } from './lost-events.ts'
import { countBefore, isExact } from './op-semantics.ts'
import type { OrderLimits } from './order-limits.ts'
import type { PageRules } from './page-rules.ts'
import { PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import type { RestLevels } from './rest-levels.ts'
import type { Tables } from './tables.ts'

/** Events in a row that must read the expected count before an uncertain one is trusted. */
const CONFIRMATIONS = 4

export class FirstSight {
  readonly #pages: PageTable
  readonly #order: OrderLimits
  readonly #gaps: Gaps
  readonly #rules: PageRules
  readonly #lifetimes: Lifetimes
  readonly #rests: RestLevels | undefined

  /** @param rests given if the first event of each page tells the count that the page had at the start of the recording */
  constructor({ pages, gaps, order }: Tables, rules: PageRules, lifetimes: Lifetimes, rests: RestLevels | undefined) {
    this.#pages = pages
    this.#order = order
    this.#gaps = gaps
    this.#rules = rules
    this.#lifetimes = lifetimes
    this.#rests = rests
  }

  /** True if events of the page may be lost since its last one, or just now. */
  isBehindGap(row: number): boolean {
    return this.#pages.epoch[row] !== this.#gaps.epoch || this.#gaps.open > 0
  }

  /**
   * Deduces the count of a page that existed before the recording. A count that was read after the operation may include
   * operations of others, so nothing is claimed of the page's first lifetime.
   */
  first(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    const count = countBefore(event)
    if (this.#rests && count > 0 && this.#gaps.epoch === 0) {
      this.#rests.begin(row, count)
      return
    }
    pages.set(row, PageBit.countKnown)
    pages.count[row] = count
    this.read(row, event)
    if (pages.count[row] === this.#rules.closesAt(row) && isExact(event)) return
    this.#lifetimes.open(row)
    pages.set(row, PageBit.begunEarlier)
  }

  /** Resumes tracking a page after a gap in the recording. */
  resume(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    const lifetimes = this.#lifetimes
    pages.clear(row, PageBit.frozen)
    const count = countBefore(event)
    const isIdle = count === this.#rules.closesAt(row)
    this.read(row, event)
    if (pages.has(row, PageBit.open)) {
      lifetimes.correct(row, count - pages.count[row]!)
      pages.set(row, PageBit.lossy)
      if (isIdle) lifetimes.close(row)
      return
    }
    pages.count[row] = count
    if (isIdle && isExact(event) && this.#gaps.open === 0) return
    this.#openLossy(row)
  }

  /** Notes that the count was taken from this event. */
  read(row: number, event: LedgerEvent): void {
    this.#pages.resyncedAt[row] = event.time
    this.#pages.set(row, PageBit.resyncing)
    if (!isExact(event) || this.#gaps.open > 0) this.doubt(row)
  }

  /**
   * Marks a count that was taken from an event as uncertain, if a later event's operation may have come before the count was
   * read.
   */
  resync(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    const age = event.time - pages.resyncedAt[row]!
    if (age > this.#order.window) pages.clear(row, PageBit.resyncing)
    else if (age > 0 && event.since - this.#order.slack < pages.resyncedAt[row]!) this.doubt(row)
  }

  /** Makes the count of a page uncertain. */
  doubt(row: number): void {
    this.#pages.set(row, PageBit.countUncertain)
    this.#pages.confirmed[row] = 0
  }

  /**
   * Trusts an uncertain count once an event tells it exactly, or several in a row read the expected count; otherwise corrects it.
   */
  confirm(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    if (this.#gaps.open > 0 || pages.has(row, PageBit.waiting)) return
    const off = event.count - pages.count[row]!
    if (off === 0) {
      pages.confirmed[row]!++
      if (isExact(event) || pages.confirmed[row]! >= CONFIRMATIONS) pages.clear(row, PageBit.countUncertain)
      return
    }
    pages.confirmed[row] = 0
    if (!pages.has(row, PageBit.open)) this.#openLossy(row)
    this.#lifetimes.correct(row, off)
    if (pages.count[row] === this.#rules.closesAt(row)) this.#lifetimes.close(row)
  }

  #openLossy(row: number): void {
    this.#lifetimes.open(row)
    this.#pages.set(row, PageBit.lossy)
  }
}
