// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Initialisation of struct pages: memremap_pages() sets the count of every page of a pagemap to 1; most kernels then set it to 0.
 */
import type { EventBatch } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import { INITIALISED, PAGE_FLAGS } from './hot-layout.ts'
import type { Lifetimes } from './lifetimes.ts'
import { PageBit } from './page-state.ts'
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

  /** True if a set is part of the initialisation of its page. @param row -1 for a page that was never seen */
  isInitialisation(row: number, batch: EventBatch, i: number): boolean {
    const stack = batch.stack[i]!
    const val = batch.val[i]!
    if (this.#sites.isTelling(stack)) return (this.#sites.traits(stack) & StackTrait.INIT) !== 0
    const { pages, rawMapcount } = this.#tables
    if (row >= 0 && pages.has(row, PageBit.countKnown)) {
      // It is the second set if the page still has count 1 and its last event is the first set, by the same task.
      const isFresh = pages.count[row] === 1 && !pages.has(row, PageBit.open)
      return val === 0 && isFresh && this.#isSetUpBy(row, batch.pid[i]!)
    }
    return val === 1 && batch.mapcount[i] === (rawMapcount ? 0 : 1) && (batch.flagsLow[i]! & PAGE_FLAGS) === 0
  }

  /**
   * Initialises a page, by the first of the two sets or by the second.
   *
   * @param known row of the page, -1 if it was never seen
   */
  initialise(known: number, batch: EventBatch, i: number): void {
    const { pages, gaps } = this.#tables
    const pid = batch.pid[i]!
    const isSecond = known >= 0 && batch.val[i] === 0 && this.#isSetUpBy(known, pid)
    const row = isSecond ? this.#setToZero(known) : this.#setUp(known, batch, i)
    pages.epoch[row] = gaps.epoch
    pages.lastSignature[row] = INITIALISED
    pages.lastPid[row] = pid
    pages.lastMapcount[row] = batch.mapcount[i]!
  }

  #setToZero(row: number): number {
    const { pages, pagemaps } = this.#tables
    const index = pages.pagemap[row]!
    pages.count[row] = 0
    if (pagemaps.zeroInitialised(index, pages.pfn[row]!)) pagemaps.decide(index)
    return row
  }

  /** Sets a page up, and returns its row. */
  #setUp(known: number, batch: EventBatch, i: number): number {
    const { pages, pagemaps, gaps } = this.#tables
    const pfn = batch.pfn[i]!
    const val = batch.val[i]!
    const stack = batch.stack[i]!
    const isDevice = !this.#sites.isTelling(stack) || (this.#sites.traits(stack) & StackTrait.INIT_DEVICE) !== 0
    if (known >= 0) this.#forget(known)
    const index = pagemaps.initialise(pfn, batch.pid[i]!, isDevice)
    pagemaps.learnType(index, stack, this.#sites)
    pagemaps.list[index]!.pages++
    const row = known >= 0 ? known : pages.add(pfn, index, gaps.epoch)
    pages.pagemap[row] = index
    pages.count[row] = val
    pages.bits[row] = PageBit.countKnown
    // The first set may be missing, because a recording may begin between the two.
    if (val === 0) pagemaps.zeroInitialised(index, pfn)
    return row
  }

  /** Takes a page off its former pagemap, with its open lifetime. */
  #forget(row: number): void {
    const { pages, pagemaps, order, log } = this.#tables
    // With a coarse clock, later events of the page may have the same stamp as the initialisation and be sorted before it.
    if (order.isCoarse && pages.has(row, PageBit.countKnown | PageBit.skipped)) log.incomplete.add(row)
    this.#lifetimes.drop(row)
    pagemaps.list[pages.pagemap[row]!]!.pages--
  }

  /** True if this task initialised the page, and there was no event of it since. */
  #isSetUpBy(row: number, pid: number): boolean {
    const { pages } = this.#tables
    return pages.has(row, PageBit.countKnown) && pages.lastSignature[row] === INITIALISED && pages.lastPid[row] === pid
  }
}
