// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Interprets an event that no order of the page's events explains: the tracker's count was wrong all along, a change of the count
 * was not recorded, an earlier anomaly has one more consequence, or there is a new anomaly. In each case tracking of the page
 * goes on from the count that the event tells.
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

/** Tells who owns a page, where probes show that. */
export interface Owners {
  /** True if the page was handed to the task of the event before the event, and not given back in between. */
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
   * Interprets an event that is impossible at the page's present count, and takes over the count that it tells.
   *
   * @param later events of the page that came after it and still wait
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

  /** Keeps an event on a free page as a provisional anomaly, in case the order that explains it turns out to be wrong. */
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
   * True if an event read another count than its own operation leaves, and no other task's operation explains the difference.
   * Then a change of the count was not recorded, and the event proves no fault.
   */
  #isUnrecorded(row: number, event: LedgerEvent, later: readonly LedgerEvent[]): boolean {
    const provisional = this.#anomalies.provisional(row)
    if (provisional && provisional.event !== event)
      return this.#readsAnother(row, provisional.event, provisional.count, [event, ...later])
    return this.#readsAnother(row, event, this.#pages.count[row]!, later)
  }

  #readsAnother(row: number, event: LedgerEvent, before: number, later: readonly LedgerEvent[]): boolean {
    if (event.op === Op.SET) return false
    const byResult = isExact(event) && countBefore(event) !== before
    const told = byResult ? countBefore(event) : event.count
    const own = (count: number) => (byResult ? count : resulting(count, event.op, event.val))
    if (told === own(before)) return false
    const earlier = this.#lifetimes.last(row)
    const isNear = (other: OrderedEvent) =>
      !isSameTask(other, event) && Math.abs(other.time - event.time) < this.#order.near
    const near = later.filter(isNear)
    // A set stamped later may have come between the operation and the reading, or before both. Either way its value is known.
    const bases = [before, ...near.filter(({ op }) => op === Op.SET).map(({ val }) => val)]
    const counts = bases.flatMap((count, i) => (i > 0 ? [count, own(count)] : [own(count)]))
    // An operation stamped before the event may have taken effect after the count was read, and the other way round.
    const changes = [
      ...(earlier && isNear(earlier) ? [-earlier.delta] : []),
      ...near.filter(({ op }) => op !== Op.SET).map(({ val }) => val),
    ]
    return !counts.some(count => canMakeUp(told - count, changes))
  }

  /** Takes over the count that an event found: the difference are references held before the lifetime's first event. */
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

  /** Takes over the count that an event read, and marks the lifetime as incomplete, so that nothing is claimed of it. */
  #loseTrack(row: number, event: LedgerEvent): void {
    this.#anomalies.addUnrecorded(row, event.time)
    this.#lifetimes.reach(row)
    this.#lifetimes.correct(row, countBefore(event) - this.#pages.count[row]!)
    this.#pages.set(row, PageBit.lossy)
    this.#firstSight.read(row, event)
    this.#firstSight.doubt(row)
    this.#force(row, event)
  }

  /** Sets the count to what the event tells, whatever the tracker had. */
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
    const anomaly = this.#anomalies.of(row)
    if (anomaly) anomaly.drift += next - resulting(count, event.op, event.val)
    // Applied even if the count stays the same, because the event took or gave back references.
    this.#applier.change(row, next - count, event)
  }

  #addConsequence(row: number, event: LedgerEvent, kind: string, cause: Anomaly): void {
    this.#anomalies.addConsequence(cause, { kind, row, event, count: this.#pages.count[row]! })
    this.#pages.set(row, PageBit.anomalous)
  }

  /**
   * Adds an anomaly. If the page has a provisional one, its explanation has failed: that becomes the anomaly, and this event its
   * consequence.
   */
  #addAnomaly(row: number, event: LedgerEvent, kind: AnomalyKind): void {
    const provisional = this.#anomalies.provisional(row)
    this.#anomalies.dropProvisional(row)
    const isOther = provisional !== undefined && provisional.event !== event
    const anomaly = isOther ? provisional : this.#anomaly(row, event, kind)
    this.#anomalies.add(anomaly)
    this.#pages.set(row, PageBit.anomalous)
    if (!isOther) return
    // The failed explanation was that the page had been handed out.
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
      drift: 0,
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

/** True if all those of the changes that have the sign of a difference make up for it. */
function canMakeUp(off: number, changes: readonly number[]): boolean {
  const most = changes.reduce((sum, change) => (change * off > 0 ? sum + change : sum), 0)
  return Math.abs(most) >= Math.abs(off)
}
