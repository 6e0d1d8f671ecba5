// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What an event means that no order explains: that the tracker's count was wrong all along, that a change of the count was not
 * recorded, that an anomaly has one more consequence, or that there is an anomaly. After each of these the page goes on from
 * what the event says.
 */
import { Op } from '../../trace/events.ts'
import type { Anomalies, Anomaly, AnomalyKind } from './anomalies.ts'
import type { EventApplier } from './event-applier.ts'
import type { FirstSight } from './first-sight.ts'
import type { LedgerEvent, OrderedEvent } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import { countAfter, countBefore, isExact, resulting } from './op-semantics.ts'
import type { OrderLimits } from './order-limits.ts'
import type { PageRules } from './page-rules.ts'
import { canClaim, PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import type { RestLevels } from './rest-levels.ts'
import { isSameTask } from './same-task.ts'
import type { Tables } from './tables.ts'

/** Tells whose a page is, where probes show that. */
export interface Owners {
  /** True if the page was handed to the task of the event before, and not given back in between. */
  isOwner(row: number, event: LedgerEvent): boolean
}

export class Contradictions {
  readonly #pages: PageTable
  readonly #order: OrderLimits
  readonly #anomalies: Anomalies
  readonly #rules: PageRules
  readonly #lifetimes: Lifetimes
  readonly #applier: EventApplier
  readonly #firstSight: FirstSight
  readonly #owners: Owners
  readonly #rests: RestLevels

  constructor(
    { pages, anomalies, order }: Tables,
    stages: {
      rules: PageRules
      lifetimes: Lifetimes
      applier: EventApplier
      firstSight: FirstSight
      owners: Owners
      rests: RestLevels
    },
  ) {
    this.#pages = pages
    this.#order = order
    this.#anomalies = anomalies
    this.#rules = stages.rules
    this.#lifetimes = stages.lifetimes
    this.#applier = stages.applier
    this.#firstSight = stages.firstSight
    this.#owners = stages.owners
    this.#rests = stages.rests
  }

  /**
   * Draws the conclusion from an event that is impossible at the present count, and goes on from what it says.
   *
   * @param later what came after it at this page and waits
   */
  explain(row: number, event: LedgerEvent, later: readonly LedgerEvent[]): void {
    if (this.#pages.has(row, PageBit.rested) && event.op < Op.FREEZE) {
      this.#rests.explain(row, event)
      return
    }
    this.#applier.vote(row, event)
    const isSure = canClaim(this.#pages.bits[row]!)
    if (!isSure && isExact(event) && event.op !== Op.SET) {
      this.#adopt(row, event)
      return
    }
    if (this.#rules.pagemap(row).rule && isSure) {
      const cause = this.#anomalies.cause(row, this.#pages.pagemap[row]!)
      if (!cause && this.#isUnrecorded(row, event, later)) {
        this.#loseTrack(row, event)
        return
      }
      const kind = this.#kindOf(row, event)
      if (cause) this.#addConsequence(row, event, kind, cause)
      else this.#addAnomaly(row, event, kind)
    }
    this.#force(row, event)
  }

  /** Notes what an event on a free page will be if what explains it later turns out to be no explanation. */
  noteProvisional(row: number, event: LedgerEvent): void {
    if (this.#pages.has(row, PageBit.rested)) return
    const kind = this.#kindOf(row, event)
    if (kind !== 'get-on-free-page' && kind !== 'put-on-free-page') return
    this.#anomalies.addProvisional(this.#anomaly(row, event, kind))
  }

  /** Notes a put on a free page that follows from an anomaly before it. */
  noteSurplusPut(row: number, event: LedgerEvent): void {
    const cause = this.#anomalies.cause(row, this.#pages.pagemap[row]!)
    if (cause) this.#addConsequence(row, event, 'put-on-free-page', cause)
  }

  /**
   * True if an event read another count than its own operation leaves, though nobody else was at the page who would be
   * the reason: then a change of the count was not recorded, and nobody did anything wrong.
   */
  #isUnrecorded(row: number, event: LedgerEvent, later: readonly LedgerEvent[]): boolean {
    const provisional = this.#anomalies.provisional(row)
    if (provisional && provisional.event !== event)
      return this.#readsAnother(row, provisional.event, provisional.count, [event, ...later])
    return this.#readsAnother(row, event, this.#pages.count[row]!, later)
  }

  #readsAnother(row: number, event: LedgerEvent, before: number, later: readonly LedgerEvent[]): boolean {
    if (event.op === Op.SET) return false
    const contradicts = isExact(event) && countBefore(event) !== before
    const off = contradicts ? countBefore(event) - before : event.count - resulting(before, event.op, event.val)
    if (off === 0) return false
    const earlier = this.#lifetimes.last(row)
    const isNear = (other: OrderedEvent) =>
      !isSameTask(other, event) && Math.abs(other.time - event.time) < this.#order.near
    // One that came before by its stamp may have come after the count was read, and the other way round.
    const changes = [
      ...(earlier && isNear(earlier) ? [-earlier.val] : []),
      ...later.filter(isNear).map(other => (other.op === Op.SET ? off : other.val)),
    ]
    const most = changes.reduce((sum, change) => (change * off > 0 ? sum + change : sum), 0)
    return Math.abs(most) < Math.abs(off)
  }

  /** Goes on from what an event says of the count before it: so many references were held before the lifetime's first event. */
  #adopt(row: number, event: LedgerEvent): void {
    if (event.op === Op.FREEZE) {
      this.#force(row, event)
      return
    }
    const off = countBefore(event) - this.#pages.count[row]!
    this.#lifetimes.reach(row)
    this.#pages.clear(row, PageBit.frozen)
    this.#pages.set(row, PageBit.lossy)
    this.#lifetimes.correct(row, off)
    this.#applier.change(row, event.val, event)
  }

  /** Goes on from the count that an event read, and claims nothing of the page's lifetime. */
  #loseTrack(row: number, event: LedgerEvent): void {
    this.#anomalies.addUnrecorded(row, event.time)
    this.#lifetimes.reach(row)
    this.#lifetimes.correct(row, countBefore(event) - this.#pages.count[row]!)
    this.#pages.set(row, PageBit.lossy)
    this.#firstSight.read(row, event)
    this.#firstSight.doubt(row)
    this.#force(row, event)
  }

  /** Takes over what an event says of the count, whatever the tracker had. */
  #force(row: number, event: LedgerEvent): void {
    const pages = this.#pages
    if (event.op === Op.FREEZE) {
      this.#applier.freeze(row, event)
      return
    }
    pages.clear(row, PageBit.frozen)
    const count = pages.count[row]!
    const next = countAfter(count, event)
    if (event.op === Op.SET && pages.has(row, PageBit.anomalous)) pages.set(row, PageBit.handedOutAgain)
    // Even where the count stays, references were taken or given back.
    this.#applier.change(row, next - count, event)
  }

  #addConsequence(row: number, event: LedgerEvent, kind: string, cause: Anomaly): void {
    this.#anomalies.addConsequence(cause, { kind, row, event, count: this.#pages.count[row]! })
    this.#pages.set(row, PageBit.anomalous)
  }

  /** Adds an anomaly. Where one was provisional, its explanation has failed, and the present event follows from it. */
  #addAnomaly(row: number, event: LedgerEvent, kind: AnomalyKind): void {
    const provisional = this.#anomalies.provisional(row)
    this.#anomalies.dropProvisional(row)
    const isOther = provisional !== undefined && provisional.event !== event
    const anomaly = isOther ? provisional : this.#anomaly(row, event, kind)
    this.#anomalies.add(anomaly)
    this.#pages.set(row, PageBit.anomalous)
    if (!isOther) return
    // What explained it so far was that the page had been handed out.
    this.#pages.set(row, PageBit.handedOutAgain)
    this.#addConsequence(row, event, kind, anomaly)
  }

  #anomaly(row: number, event: LedgerEvent, kind: AnomalyKind): Anomaly {
    return {
      kind,
      row,
      event,
      count: this.#pages.count[row]!,
      idle: this.#rules.idleCount(row) ?? 0,
      life: this.#lifetimes.events(row),
      lastLives: this.#lifetimes.lastClosed(row),
      after: [],
      consequences: [],
      moreConsequences: 0,
      isOwners: this.#owners.isOwner(row, event),
      freedTwice: false,
    }
  }

  #kindOf(row: number, event: LedgerEvent): AnomalyKind {
    const count = this.#pages.count[row]!
    const { getFrom, putTo } = this.#rules.limits(row)
    if (event.op === Op.SET || event.op >= Op.FREEZE) return 'count-mismatch'
    if (event.val > 0) return count < getFrom ? 'get-on-free-page' : 'count-mismatch'
    if (count <= (this.#rules.idleCount(row) ?? 0)) return 'put-on-free-page'
    return count + event.val < putTo ? 'surplus-put' : 'count-mismatch'
  }
}
