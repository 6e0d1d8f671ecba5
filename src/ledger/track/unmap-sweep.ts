// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Recognises the puts of memunmap_pages(). Where idle pages have a base reference, it puts that of every page of a pagemap. With
 * stacks these puts are recognised by the function; without, by one task putting page after page, nearly all of them to zero.
 */
import { Op } from '../../trace/events.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { Contradictions } from './contradiction.ts'
import type { LedgerEvent } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import { countBefore, hitsZero, isExact } from './op-semantics.ts'
import { canClaim, PageBit } from './page-state.ts'
import type { Tables } from './tables.ts'

/** Number of neighbouring pages put one after the other from which on it is a sweep. */
const SWEEP = 8

/** Whether a put is one of memunmap_pages(), and the pages whose earlier puts turn out to be such puts, too. */
export interface Recognised {
  isBasePut: boolean
  earlier: readonly number[]
}

const NO_BASE_PUT: Recognised = { isBasePut: false, earlier: [] }
const BASE_PUT: Recognised = { isBasePut: true, earlier: [] }

export class UnmapSweep {
  readonly #tables: Tables
  readonly #lifetimes: Lifetimes
  readonly #contradictions: Contradictions
  /** The possible sweep: the last page that was put, the task, and the pages put so far, one after the other. */
  #sweep = { pfn: -2, pid: -1, rows: [] as number[], begun: false }

  constructor(tables: Tables, lifetimes: Lifetimes, contradictions: Contradictions) {
    this.#tables = tables
    this.#lifetimes = lifetimes
    this.#contradictions = contradictions
  }

  /** The page that was put last in a possible sweep, and the task. */
  get last(): { readonly pfn: number; readonly pid: number } {
    return this.#sweep
  }

  /** True if a put of one reference, of a page that is idle at 1, may be that of memunmap_pages(). */
  mayBeBasePut(row: number, stack: number, pid: number): boolean {
    const { sites, pages } = this.#tables
    if (sites.isTelling(stack)) return (sites.traits(stack) & StackTrait.TEARDOWN) !== 0
    return this.#sweep.pid === pid && this.#sweep.pfn + 1 === pages.pfn[row]
  }

  /** Takes in the next event of a page, and tells whether it is a put by memunmap_pages(). */
  recognise(row: number, event: LedgerEvent): Recognised {
    const { pages, pagemaps, sites } = this.#tables
    if (event.val !== -1 || event.op === Op.SET || event.op >= Op.FREEZE) return NO_BASE_PUT
    const { rule } = pagemaps.list[pages.pagemap[row]!]!
    if (rule?.idle !== 1 || rule.coreResets || pages.has(row, PageBit.basePut)) return NO_BASE_PUT
    if (!sites.isTelling(event.stack)) return this.#sweepOver(row, event)
    return this.mayBeBasePut(row, event.stack, event.pid) ? BASE_PUT : NO_BASE_PUT
  }

  #sweepOver(row: number, event: LedgerEvent): Recognised {
    const pfn = this.#tables.pages.pfn[row]!
    const isZero = hitsZero(event)
    if (!this.mayBeBasePut(row, event.stack, event.pid)) {
      this.#sweep = { pfn: isZero ? pfn : -2, pid: event.pid, rows: [row], begun: false }
      return NO_BASE_PUT
    }
    const sweep = this.#sweep
    sweep.pfn = pfn
    if (sweep.begun) return BASE_PUT
    if (!isZero) return NO_BASE_PUT
    sweep.rows.push(row)
    if (sweep.rows.length < SWEEP) return NO_BASE_PUT
    sweep.begun = true
    return { isBasePut: true, earlier: sweep.rows.splice(0).filter(earlier => earlier !== row) }
  }

  /** Applies the put of a page's base reference. */
  apply(row: number, event: LedgerEvent): void {
    const { pages, pagemaps } = this.#tables
    const { votes } = pagemaps.list[pages.pagemap[row]!]!
    if (votes.teardown++ === 0) pagemaps.decide(pages.pagemap[row]!)
    if (isExact(event) && countBefore(event) !== pages.count[row] && !pages.has(row, PageBit.anomalous))
      this.#takeOver(row, event)
    pages.set(row, PageBit.basePut)
    pages.lastMapcount[row] = event.mapcount
    if (pages.has(row, PageBit.open)) {
      // The base reference does not belong to the lifetime.
      this.#lifetimes.correct(row, -1)
      if (pages.count[row] === 0) this.#lifetimes.close(row)
      return
    }
    if (pages.has(row, PageBit.anomalous) && pages.count[row]! < 1) this.#contradictions.noteSurplusPut(row, event)
    pages.count[row]!--
  }

  /** Takes over the count that the put found, where the tracker had another. */
  #takeOver(row: number, event: LedgerEvent): void {
    const { pages, anomalies } = this.#tables
    if (canClaim(pages.bits[row]!)) anomalies.addUnrecorded(row, event.time)
    if (pages.has(row, PageBit.open)) pages.set(row, PageBit.lossy)
    pages.count[row] = countBefore(event)
  }
}
