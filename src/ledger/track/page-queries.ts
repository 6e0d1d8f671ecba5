// SPDX-License-Identifier: GPL-2.0-or-later
import { INITIALISED } from './hot-layout.ts'
import type { LedgerEvent, LifetimeEvent, PageState } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import type { PageRules } from './page-rules.ts'
import { PageBit } from './page-state.ts'
import type { ReorderBuffer } from './reorder-buffer.ts'
import type { Tables } from './tables.ts'

/** Number of pages that must have become idle with a map count before it stands for an unmapped page. */
const MAPCOUNTS_SEEN = 3

/** Queries about a page. None has side effects, and the caller may change what they return. */
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

  /**
   * True if a page table maps the page, by the map count of its last event. False where the mapcount field is not the raw one,
   * which does not tell for sure.
   */
  isMapped(row: number): boolean {
    const { pages, rawMapcount } = this.#tables
    return rawMapcount && pages.lastSignature[row] !== INITIALISED && pages.lastMapcount[row]! >= 0
  }

  /**
   * True if no page table maps the page, by the map count of its last event: most pages of its pagemap had the same when they became
   * idle. What the field counts from differs between kernels, and a large folio may be mapped without a change of it.
   */
  isUnmapped(row: number): boolean {
    const { idleMapcounts } = this.#rules.pagemap(row)
    const seen = idleMapcounts.get(this.#tables.pages.lastMapcount[row]!) ?? 0
    return seen >= MAPCOUNTS_SEEN && [...idleMapcounts.values()].every(times => times <= seen)
  }

  /** Returns the page's events in the reorder buffer: they wait for others that explain them. */
  waiting(row: number): readonly LedgerEvent[] {
    return this.#buffer.waiting(row)
  }

  /**
   * Returns the events of the open lifetime, oldest first. Where the core resets counts to 1, the reference of the reset comes
   * first.
   */
  lifeEvents(row: number): LifetimeEvent[] {
    return this.#lifetimes.events(row)
  }

  /** Returns the events of the page's last closed lifetimes, the latest lifetime first. */
  lastLives(row: number): LifetimeEvent[][] {
    return this.#lifetimes.lastClosed(row)
  }
}
