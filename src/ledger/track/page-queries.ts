// SPDX-License-Identifier: GPL-2.0-or-later
import type { LedgerEvent, LifetimeEvent, PageState } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import type { PageRules } from './page-rules.ts'
import { PageBit } from './page-state.ts'
import { INITIALISED } from './page-table.ts'
import type { ReorderBuffer } from './reorder-buffer.ts'
import type { Tables } from './tables.ts'

/** Questions about a page. None of them changes anything, and what they return is the caller's own. */
export class PageQueries {
  readonly #tables: Tables
  readonly #rules: PageRules
  readonly #lifetimes: Lifetimes
  readonly #buffer: ReorderBuffer

  constructor(tables: Tables, rules: PageRules, lifetimes: Lifetimes, buffer: ReorderBuffer) {
    this.#tables = tables
    this.#rules = rules
    this.#lifetimes = lifetimes
    this.#buffer = buffer
  }

  /** Returns the state of a page now. */
  stateOf(row: number): PageState {
    const { pages, gaps } = this.#tables
    const isHeldEarlier = pages.has(row, PageBit.begunEarlier)
    const isBehindGap = pages.has(row, PageBit.open) && pages.epoch[row] !== gaps.epoch
    return {
      row,
      count: pages.count[row]!,
      idle: this.#rules.idleCount(row),
      events: this.#lifetimes.events(row),
      heldBefore: isHeldEarlier ? Math.max(0, pages.before[row]! - this.#rules.keptBack(row)) : 0,
      lossy: pages.has(row, PageBit.lossy) || isBehindGap,
    }
  }

  /** Returns the count of that page while idle; undefined where the rule is not known. */
  idleCount(row: number): number | undefined {
    return this.#rules.idleCount(row)
  }

  /** True if the page belongs to the account: it is device memory, or all pages are asked for. */
  isCounted(row: number): boolean {
    return this.#rules.isCounted(row)
  }

  /** True if a page table maps that page, by its last event, where the map count says so plainly. */
  isMapped(row: number): boolean {
    const { pages, rawMapcount } = this.#tables
    return rawMapcount && pages.lastSignature[row] !== INITIALISED && pages.lastMapcount[row]! >= 0
  }

  /** Returns the events of a page that wait for others which explain them. */
  waiting(row: number): readonly LedgerEvent[] {
    return this.#buffer.waiting(row)
  }

  /** Returns the events of the open lifetime, oldest first. Where the core counts idle pages, its reference comes first. */
  lifeEvents(row: number): LifetimeEvent[] {
    return this.#lifetimes.events(row)
  }

  /** Returns the lifetimes of a page that ended last, the latest first. */
  lastLives(row: number): LifetimeEvent[][] {
    return this.#lifetimes.lastClosed(row)
  }
}
