// SPDX-License-Identifier: GPL-2.0-or-later
/** Applies events that are possible at the present count of their page: what each operation does to the page's state. */
import { Op } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { Anomalies } from './anomalies.ts'
import { isBelowPowerOfTwo } from './checkpoints.ts'
import type { LedgerEvent } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import { PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import type { PagemapTable } from './pagemap-table.ts'
import type { Tables } from './tables.ts'

export class EventApplier {
  readonly #pages: PageTable
  readonly #pagemaps: PagemapTable
  readonly #sites: CallSites
  readonly #anomalies: Anomalies
  readonly #lifetimes: Lifetimes

  constructor({ pages, pagemaps, sites, anomalies }: Tables, lifetimes: Lifetimes) {
    this.#pages = pages
    this.#pagemaps = pagemaps
    this.#sites = sites
    this.#anomalies = anomalies
    this.#lifetimes = lifetimes
  }

  /** Applies an event that is possible at the present count. */
  accept(row: number, event: LedgerEvent): void {
    switch (event.op) {
      case Op.SET:
        this.#set(row, event)
        return
      case Op.FREEZE:
        this.freeze(row, event)
        return
      case Op.UNFREEZE:
        this.#unfreeze(row, event)
        return
      default:
        this.vote(row, event)
        this.change(row, event.val, event)
    }
  }

  /** Changes the count of a page by `delta`, whatever the event itself says. */
  change(row: number, delta: number, event: LedgerEvent): void {
    if (this.#pages.has(row, PageBit.anomalous)) this.#noteAfter(row, event)
    this.#lifetimes.apply(row, delta, event)
  }

  /** Counts a get or put as evidence for the rule that its page follows. */
  vote(row: number, event: LedgerEvent): void {
    const index = this.#pages.pagemap[row]!
    const { votes, rule } = this.#pagemaps.list[index]!
    let telling = false
    if (event.op === Op.MOD_AND_RETURN && event.ret === 1) telling = votes.returnedOne++ === 0
    if (event.val > 0 && this.#pages.count[row] === 0) {
      telling = isBelowPowerOfTwo(votes.getAtZero++)
      if (this.#sites.traits(event.stack) & StackTrait.DAX_FAULT) telling = votes.daxFault++ === 0 || telling
    }
    if (telling || (!rule && event.val < 0)) this.#pagemaps.decide(index)
  }

  /** Applies a page_ref_freeze() that succeeded: it takes all references of the page, and sets the count to 0. */
  freeze(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    this.#pagemaps.list[pages.pagemap[row]!]!.votes.frozen++
    pages.set(row, PageBit.frozen)
    pages.frozen[row] = event.val
    pages.count[row] = 0
    pages.lastSignature[row] = event.signature
  }

  /** Gives a frozen page its references back. */
  #unfreeze(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    if (!pages.has(row, PageBit.frozen)) {
      this.change(row, event.val, event)
      return
    }
    this.#thaw(row)
    if (event.val !== pages.count[row]) this.change(row, event.val - pages.count[row]!, event)
  }

  /** Adds the references that freezing took back to the count. */
  #thaw(row: number): void {
    const pages = this.#pages
    pages.clear(row, PageBit.frozen)
    pages.count[row] = pages.frozen[row]!
  }

  /** Applies a set: a reset by the core, a hand-out, or a hand-out that is undone. */
  #set(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    if (pages.has(row, PageBit.frozen)) this.#freedWhileFrozen(row, event)
    const count = pages.count[row]!
    const index = pages.pagemap[row]!
    const { votes, initialCount, rule } = this.#pagemaps.list[index]!
    const isReset = initialCount === 1 || this.#isOwnReset(row, event)
    if (count === 0 && event.val === 1 && isReset && this.#pagemaps.mayReset(index)) {
      // The core resets the count to 1: the page belongs to its driver again.
      if (votes.coreReset++ === 0) this.#pagemaps.decide(index)
      this.#lifetimes.closeByReset(row)
      return
    }
    if (count === 0 && event.val > 0 && isBelowPowerOfTwo(votes.setAtZero++)) {
      this.#pagemaps.learnType(index, event.stack, this.#sites)
      this.#pagemaps.decide(index)
    }
    if (rule && pages.has(row, PageBit.anomalous)) pages.set(row, PageBit.handedOutAgain)
    // A set that finds the count it sets is still a hand-out. A fault has happened to the page, or will show later.
    if (event.val !== count || pages.has(row, PageBit.anomalous) || rule?.handOut === 'set')
      this.change(row, event.val - count, event)
  }

  /** True if the set comes from the same function as the put of the last reference: it is part of freeing the page. */
  #isOwnReset(row: number, event: LedgerEvent): boolean {
    return (
      event.stack !== 0 &&
      this.#pages.lastPid[row] === event.pid &&
      this.#sites.site(this.#pages.lastSignature[row]!) === this.#sites.site(event.signature)
    )
  }

  /** Closes the lifetime of a frozen page that is handed out again: the task that froze it has freed it. */
  #freedWhileFrozen(row: number, event: LedgerEvent): void {
    const signature = this.#pages.lastSignature[row]!
    this.#thaw(row)
    const stack = this.#sites.exampleStack(signature)
    this.change(row, -this.#pages.frozen[row]!, { ...event, op: Op.FREEZE, signature, stack })
  }

  /** Keeps an event that came after an anomaly of its page and may explain it, until the page is handed out anew. */
  #noteAfter(row: number, event: LedgerEvent): void {
    const anomaly = this.#anomalies.of(row)
    if (!anomaly || anomaly.event === event || this.#pages.has(row, PageBit.handedOutAgain)) return
    if (event.op === Op.SET || event.op >= Op.FREEZE) return
    this.#anomalies.addAfter(anomaly, { ...event, delta: event.val, mapped: false, taskSeq: 0 })
  }
}
