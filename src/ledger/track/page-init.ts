// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Initialisation of struct pages: memremap_pages() sets the count of every page of a pagemap to 1; most kernels then set it to 0.
 */
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { LedgerEvent } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import { PageBit } from './page-state.ts'
import { INITIALISED } from './page-table.ts'
import type { Tables } from './tables.ts'

export class PageInit {
  readonly #tables: Tables
  readonly #sites: CallSites
  readonly #lifetimes: Lifetimes

  constructor(tables: Tables, lifetimes: Lifetimes) {
    this.#tables = tables
    this.#sites = tables.sites
    this.#lifetimes = lifetimes
  }

  /** True if a set is part of the initialisation of its page. */
  isInitialisation(row: number, event: LedgerEvent): boolean {
    if (this.#sites.isTelling(event.stack)) return (this.#sites.traits(event.stack) & StackTrait.INIT) !== 0
    const { pages, rawMapcount } = this.#tables
    if (pages.has(row, PageBit.countKnown)) {
      // It is the second set if the page still has count 1 and its last event is the first set, by the same task.
      const isFresh = pages.count[row] === 1 && !pages.has(row, PageBit.open)
      return event.val === 0 && isFresh && this.#isSetUpBy(row, event.pid)
    }
    return event.val === 1 && event.mapcount === (rawMapcount ? 0 : 1) && event.flags === 0
  }

  /** Initialises a page, by the first of the two sets or by the second. */
  initialise(row: number, event: LedgerEvent): void {
    const { pages, pagemaps, gaps } = this.#tables
    const isSecond = pages.has(row, PageBit.countKnown) && this.#isSetUpBy(row, event.pid) && event.val === 0
    if (isSecond) {
      pages.count[row] = 0
      pagemaps.zeroInitialised(pages.pagemap[row]!, pages.pfn[row]!)
      pagemaps.decide(pages.pagemap[row]!)
    } else this.#setUp(row, event)
    pages.epoch[row] = gaps.epoch
    pages.lastSignature[row] = INITIALISED
    pages.lastPid[row] = event.pid
    pages.lastMapcount[row] = event.mapcount
  }

  #setUp(row: number, event: LedgerEvent): void {
    const { pages, pagemaps, order, log } = this.#tables
    const pfn = pages.pfn[row]!
    // With a coarse clock, later events of the page may have the same stamp as the initialisation and be sorted before it.
    if (order.isCoarse && pages.has(row, PageBit.countKnown | PageBit.skipped)) log.incomplete.add(row)
    this.#lifetimes.drop(row)
    const isDevice =
      !this.#sites.isTelling(event.stack) || (this.#sites.traits(event.stack) & StackTrait.INIT_DEVICE) !== 0
    const index = pagemaps.initialise(pfn, event.pid, isDevice)
    pagemaps.learnType(index, event.stack, this.#sites)
    if (index !== pages.pagemap[row]) pagemaps.move(pages.pagemap[row]!, index)
    pages.pagemap[row] = index
    pages.count[row] = event.val
    pages.bits[row] = PageBit.countKnown
    // The first set may be missing, because a recording may begin between the two.
    if (event.val === 0) pagemaps.zeroInitialised(index, pfn)
  }

  /** True if this task initialised the page, and there was no event of it since. */
  #isSetUpBy(row: number, pid: number): boolean {
    return this.#tables.pages.lastSignature[row] === INITIALISED && this.#tables.pages.lastPid[row] === pid
  }
}
