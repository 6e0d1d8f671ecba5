// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Stages of an event that the fast path cannot apply: initialisation, first sight of a page or resumption after a gap, sweep of
 * memunmap_pages(), reorder buffer, and then application or contradiction. Each stage returns to this file, which calls the next
 * one; none calls back.
 */
import { Op } from '../../trace/events.ts'
import type { Contradictions } from './contradiction.ts'
import type { EventApplier } from './event-applier.ts'
import type { FirstSight } from './first-sight.ts'
import type { LedgerEvent } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import { MAX_RECENT } from './order-limits.ts'
import { PageBit } from './page-state.ts'
import type { Outcome, ReorderBuffer } from './reorder-buffer.ts'
import type { RestLevels } from './rest-levels.ts'
import type { Tables } from './tables.ts'
import type { UnmapSweep } from './unmap-sweep.ts'

/** The stages, in their order. */
export interface Stages {
  firstSight: FirstSight
  sweep: UnmapSweep
  buffer: ReorderBuffer
  applier: EventApplier
  contradictions: Contradictions
  lifetimes: Lifetimes
  rests: RestLevels
}

/** State bits of a page for which a refused get proves nothing: its count is not known, or is zero for another reason. */
const NOT_REFUSABLE =
  PageBit.lossy | PageBit.countUncertain | PageBit.resyncing | PageBit.frozen | PageBit.waiting | PageBit.anomalous

export class EventPipeline {
  readonly #tables: Tables
  readonly #firstSight: FirstSight
  readonly #sweep: UnmapSweep
  readonly #buffer: ReorderBuffer
  readonly #applier: EventApplier
  readonly #contradictions: Contradictions
  readonly #lifetimes: Lifetimes
  readonly #rests: RestLevels
  /** By row: pages in use whose count a get found to be zero, with the first event of the lifetime and the time of that get. */
  readonly #refused = new Map<number, { lifetime: number; time: number }>()

  constructor(tables: Tables, stages: Stages) {
    this.#tables = tables
    this.#firstSight = stages.firstSight
    this.#sweep = stages.sweep
    this.#buffer = stages.buffer
    this.#applier = stages.applier
    this.#contradictions = stages.contradictions
    this.#lifetimes = stages.lifetimes
    this.#rests = stages.rests
  }

  /** Takes in the next event of a page. It is no initialisation. */
  take(row: number, event: LedgerEvent): void {
    const { pages, gaps } = this.#tables
    if (!pages.has(row, PageBit.countKnown)) this.#firstSight.first(row, event)
    else if (this.#firstSight.isBehindGap(row)) this.#resume(row, event)
    pages.epoch[row] = gaps.epoch
    if (pages.has(row, PageBit.resyncing)) this.#firstSight.resync(row, event)
    // A freeze that failed changed nothing.
    if (event.op === Op.FREEZE && event.ret === 0) return
    if (event.op === Op.SET && pages.has(row, PageBit.rested)) {
      this.giveUp(row)
      this.#rests.end(row)
    }
    const { isBasePut, earlier } = this.#sweep.recognise(row, event)
    for (const other of earlier) this.#sweepEarlier(other)
    if (isBasePut) {
      this.giveUp(row)
      this.#sweep.apply(row, event)
    } else this.#place(row, event)
  }

  /**
   * Takes in a get_page_unless_zero() that was refused: the page's count was zero, though by what was recorded the page is in
   * use. Either puts are still to come whose stamps are late, or they are missing.
   *
   * @param since the operation came after this
   */
  refused(row: number, since: number, time: number): void {
    const { pages, gaps, nodes, order } = this.#tables
    // In a watch, a refused get is a compare-and-exchange that failed because the count had changed; it need not have been zero.
    if (order.isImmediate) return
    const head = pages.head[row]!
    if (!pages.has(row, PageBit.open) || pages.has(row, NOT_REFUSABLE) || head < 0) return
    // Only the first refusal of a lifetime is kept.
    if (pages.epoch[row] !== gaps.epoch || this.#refused.get(row)?.lifetime === nodes.ordinal(head)) return
    // The refused get may have come before the page was handed out.
    if (nodes.time(head) + order.slack >= since) return
    this.#refused.set(row, { lifetime: nodes.ordinal(head), time })
  }

  /**
   * Decides about all refusals that no put has explained in time. At the end of the recording none will: the page was free, and
   * its put is either missing or stamped later than the recording goes.
   */
  finishRefused(end: number, isLast = false): void {
    const { pages, nodes, order, anomalies } = this.#tables
    for (const [row, { lifetime, time }] of this.#refused) {
      const head = pages.head[row]!
      if (!pages.has(row, PageBit.open) || head < 0 || nodes.ordinal(head) !== lifetime) this.#refused.delete(row)
      else if (isLast || end - time > order.window) {
        this.#refused.delete(row)
        pages.set(row, PageBit.lossy)
        if (end - time > order.window) anomalies.addUnrecorded(row, time)
      }
    }
  }

  /** Compares an uncertain count with the one that an event read, after the event was applied. */
  confirm(row: number, event: LedgerEvent): void {
    if (this.#tables.pages.has(row, PageBit.countUncertain)) this.#firstSight.confirm(row, event)
  }

  /** Processes the waiting events of a page in the best order that is known, without waiting for more. */
  giveUp(row: number): void {
    while (this.#buffer.holds(row)) this.#carryOut(row, this.#buffer.giveUp(row))
  }

  /** Does the same for all pages with an event that has waited since before that time. */
  giveUpBefore(time: number): void {
    for (const row of this.#buffer.overdue(time)) this.giveUp(row)
    if (this.#refused.size > 0 && Number.isFinite(time)) this.finishRefused(time + this.#tables.order.window)
  }

  /** Resumes tracking a page after a gap. Its waiting events and its provisional anomaly are dropped. */
  #resume(row: number, event: LedgerEvent): void {
    this.#buffer.drop(row)
    this.#tables.anomalies.dropProvisional(row)
    this.#firstSight.resume(row, event)
  }

  /** Applies a put of an idle page that was held back and turned out to be part of a sweep by memunmap_pages(). */
  #sweepEarlier(row: number): void {
    const put = this.#buffer.takeOnly(row)
    if (!put) return
    this.#tables.anomalies.dropProvisional(row)
    this.#sweep.apply(row, put)
  }

  /** Puts an event through the reorder buffer. */
  #place(row: number, event: LedgerEvent): void {
    const outcome = this.#buffer.push(row, event)
    if (outcome.kind === 'overdue') this.giveUp(row)
    else if (outcome.kind === 'waiting') {
      if (outcome.isFirst) this.#contradictions.noteProvisional(row, event)
    } else this.#carryOut(row, outcome)
  }

  /** Carries out what the reorder buffer returned. */
  #carryOut(row: number, outcome: Outcome): void {
    switch (outcome.kind) {
      case 'settled':
        this.#lifetimes.undo(row, outcome.undone)
        for (const event of outcome.order) this.#applier.accept(row, event)
        break
      case 'released':
        this.#applier.accept(row, outcome.set)
        for (const event of outcome.later) this.#place(row, event)
        break
      case 'contradiction':
        this.#contradict(row, outcome.order)
    }
  }

  /**
   * Applies events of which at least one is impossible. After a contradiction, an order is looked for among the events that are
   * left: if they are few, always, otherwise once they have halved since the last search, so that all searches together cost
   * little more than the first. With a coarse clock, many events have an order that means nothing.
   */
  #contradict(row: number, order: readonly LedgerEvent[]): void {
    let searched = Infinity
    for (const [done, event] of order.entries()) {
      if (this.#buffer.isPossible(row, event)) {
        this.#applier.accept(row, event)
        continue
      }
      const rest = order.slice(done + 1)
      this.#contradictions.explain(row, event, rest)
      const isDue = rest.length < MAX_RECENT || (rest.length * 2 <= searched && !this.#tables.order.isCoarse)
      if (rest.length === 0 || !isDue) continue
      searched = rest.length
      const settled = this.#buffer.order(row, rest)
      if (settled) {
        this.#carryOut(row, settled)
        return
      }
    }
  }
}
