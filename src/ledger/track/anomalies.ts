// SPDX-License-Identifier: GPL-2.0-or-later
import type { LedgerEvent, LifetimeEvent } from './lifetime-event.ts'

/** Kinds of events that the rule of their page does not allow. */
export type AnomalyKind = 'get-on-free-page' | 'put-on-free-page' | 'surplus-put' | 'count-mismatch'

export interface Anomaly {
  kind: AnomalyKind
  row: number
  event: LedgerEvent
  /** Count before the event, as the tracker had it, and the count that the page has while idle. */
  count: number
  idle: number
  /** Events of the page's open lifetime before this one, oldest first. */
  life: LifetimeEvent[]
  /** Events of the lifetimes before that, the latest lifetime first. */
  lastLives: LifetimeEvent[][]
  /** Later events of the page, until it is handed out again, or as many as are kept. */
  after: LifetimeEvent[]
  consequences: Consequence[]
  /** Number of consequences beyond those that are kept. */
  moreConsequences: number
  /** True if a probe shows that the page had been handed to the task of the event. */
  isOwners: boolean
  /**
   * True if the page's count became that of a free page twice with no hand-out in between. Most drivers then have the page on
   * their free list twice.
   */
  freedTwice: boolean
  /** By how much the results of this event and of later impossible ones differ from the tracked count, all together. */
  drift: number
}

export interface Consequence {
  kind: string
  row: number
  event: LedgerEvent
  count: number
}

/** Most anomalies kept, and most consequences and later events kept of each. */
const MAX_ANOMALIES = 10_000
const MAX_CONSEQUENCES = 16
const MAX_AFTER = 32

/** Number of lifetimes that have to end without a fault before a provisional anomaly is dropped. */
const CONFIRMING_LIFETIMES = 2

/**
 * Keeps one anomaly per page. Later faults of the page, or those that a damaged free list of its driver makes, are its
 * consequences.
 */
export class Anomalies {
  readonly list: Anomaly[] = []
  /** How often a count had changed without a recorded event, and the time at which that was first found. */
  unrecorded = 0
  firstUnrecorded: { row: number; time: number } | undefined
  /** Number of anomalies that were not kept, because there was no room. */
  dropped = 0
  readonly #byRow = new Map<number, Anomaly>()
  /** Per pagemap, the anomaly that damaged its driver's free list. */
  readonly #damaged = new Map<number, Anomaly>()
  /**
   * By row: an event on a free page that waits for an explanation, or has found one that is not yet confirmed, and the number of
   * lifetimes that have ended since. A late stamp may seem to explain such an event although its operation really came later.
   */
  readonly #provisional = new Map<number, { anomaly: Anomaly; lifetimes: number }>()

  /** Returns the anomaly that causes any further fault of this page; undefined if there is none. */
  cause(row: number, pagemap: number): Anomaly | undefined {
    return this.#byRow.get(row) ?? this.#damaged.get(pagemap)
  }

  /** Returns the anomaly that was found on the page itself. */
  of(row: number): Anomaly | undefined {
    return this.#byRow.get(row)
  }

  /** Keeps an anomaly, if there is room. */
  add(anomaly: Anomaly): void {
    if (this.list.length >= MAX_ANOMALIES) {
      this.dropped++
      return
    }
    this.list.push(anomaly)
    this.#byRow.set(anomaly.row, anomaly)
  }

  /** Adds a consequence to an anomaly. */
  addConsequence(cause: Anomaly, consequence: Consequence): void {
    if (cause.consequences.length < MAX_CONSEQUENCES) cause.consequences.push(consequence)
    else cause.moreConsequences++
  }

  /** Counts a change of a page's count for which there is no event. */
  addUnrecorded(row: number, time: number): void {
    this.unrecorded++
    this.firstUnrecorded ??= { row, time }
  }

  /** Adds an event of the page that came after the anomaly. */
  addAfter(anomaly: Anomaly, event: LifetimeEvent): void {
    if (anomaly.after.length < MAX_AFTER) anomaly.after.push(event)
  }

  /** Notes that a page was freed twice, so that its driver's free list may hand out pages that are in use. */
  markFreedTwice(anomaly: Anomaly, pagemap: number): void {
    anomaly.freedTwice = true
    if (!this.#damaged.has(pagemap)) this.#damaged.set(pagemap, anomaly)
  }

  /** Removes the anomalies that were found after a time. Returns the rows of their pages. */
  withdrawSince(time: number): number[] {
    const withdrawn = this.list.filter(anomaly => anomaly.event.time >= time)
    for (const anomaly of withdrawn) this.#byRow.delete(anomaly.row)
    for (const [pagemap, anomaly] of this.#damaged) if (anomaly.event.time >= time) this.#damaged.delete(pagemap)
    const kept = this.list.filter(anomaly => anomaly.event.time < time)
    this.list.length = 0
    this.list.push(...kept)
    return withdrawn.map(anomaly => anomaly.row)
  }

  /** Keeps the anomaly that an event will turn out to be if its explanation fails. */
  addProvisional(anomaly: Anomaly): void {
    this.#provisional.set(anomaly.row, { anomaly, lifetimes: 0 })
  }

  /** Returns the provisional anomaly of a page. */
  provisional(row: number): Anomaly | undefined {
    return this.#provisional.get(row)?.anomaly
  }

  /** Number of provisional anomalies. */
  get provisionals(): number {
    return this.#provisional.size
  }

  /** Drops the provisional anomaly of a page. */
  dropProvisional(row: number): void {
    this.#provisional.delete(row)
  }

  /** Notes that a lifetime of the page has ended. Several that end without a fault confirm an earlier explanation. */
  lifetimeEnded(row: number): void {
    const entry = this.#provisional.get(row)
    if (entry && ++entry.lifetimes > CONFIRMING_LIFETIMES) this.#provisional.delete(row)
  }
}
