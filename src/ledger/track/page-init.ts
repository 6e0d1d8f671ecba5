// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Initialisation of struct pages: memremap_pages() sets the count of every page of a pagemap to 1; most kernels then set it to 0.
 */
import type { EventBatch } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import { PAGE_FLAGS } from './lifetime-event.ts'
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
  isInitialisation(row: number, batch: EventBatch, i: number): boolean {
    const stack = batch.stack[i]!
    const val = batch.val[i]!
    if (this.#sites.isTelling(stack)) return (this.#sites.traits(stack) & StackTrait.INIT) !== 0
    const { pages, rawMapcount } = this.#tables
    if (pages.has(row, PageBit.countKnown)) {
      // It is the second set if the page still has count 1 and its last event is the first set, by the same task.
      const isFresh = pages.count[row] === 1 && !pages.has(row, PageBit.open)
      return val === 0 && isFresh && this.#isSetUpBy(row, batch.pid[i]!)
    }
    return val === 1 && batch.mapcount[i] === (rawMapcount ? 0 : 1) && (batch.flagsLow[i]! & PAGE_FLAGS) === 0
  }

  /** Initialises a page, by the first of the two sets or by the second. */
  initialise(row: number, batch: EventBatch, i: number): void {
    const { pages, pagemaps, gaps } = this.#tables
    const pid = batch.pid[i]!
    const val = batch.val[i]!
    if (pages.has(row, PageBit.countKnown) && this.#isSetUpBy(row, pid) && val === 0) {
      pages.count[row] = 0
      if (pagemaps.zeroInitialised(pages.pagemap[row]!, pages.pfn[row]!)) pagemaps.decide(pages.pagemap[row]!)
    } else this.#setUp(row, pid, val, batch.stack[i]!)
    pages.epoch[row] = gaps.epoch
    pages.lastSignature[row] = INITIALISED
    pages.lastPid[row] = pid
    pages.lastMapcount[row] = batch.mapcount[i]!
  }

  #setUp(row: number, pid: number, val: number, stack: number): void {
    const { pages, pagemaps, order, log } = this.#tables
    const pfn = pages.pfn[row]!
    // With a coarse clock, later events of the page may have the same stamp as the initialisation and be sorted before it.
    if (order.isCoarse && pages.has(row, PageBit.countKnown | PageBit.skipped)) log.incomplete.add(row)
    this.#lifetimes.drop(row)
    const isDevice = !this.#sites.isTelling(stack) || (this.#sites.traits(stack) & StackTrait.INIT_DEVICE) !== 0
    const index = pagemaps.initialise(pfn, pid, isDevice)
    pagemaps.learnType(index, stack, this.#sites)
    if (index !== pages.pagemap[row]) pagemaps.move(pages.pagemap[row]!, index)
    pages.pagemap[row] = index
    pages.count[row] = val
    pages.bits[row] = PageBit.countKnown
    // The first set may be missing, because a recording may begin between the two.
    if (val === 0) pagemaps.zeroInitialised(index, pfn)
  }

  /** True if this task initialised the page, and there was no event of it since. */
  #isSetUpBy(row: number, pid: number): boolean {
    return this.#tables.pages.lastSignature[row] === INITIALISED && this.#tables.pages.lastPid[row] === pid
  }
}
