// SPDX-License-Identifier: GPL-2.0-or-later
import type { LedgerEvent, LifetimeEvent } from './lifetime-event.ts'

/** What the rules rule out, as it was met while reading. */
export type AnomalyKind = 'get-on-free-page' | 'put-on-free-page' | 'surplus-put' | 'count-mismatch'

export interface Anomaly {
  kind: AnomalyKind
  row: number
  event: LedgerEvent
  /** Count before the event, as the tracker had it, and that of the page while idle. */
  count: number
  idle: number
  /** Events of the page's open lifetime before this one, oldest first. */
  life: LifetimeEvent[]
  /** Those of the lifetimes before that, the latest lifetime first. */
  lastLives: LifetimeEvent[][]
  /** What happened to the page afterwards, until it was handed out anew or as far as it is kept. */
  after: LifetimeEvent[]
  consequences: Consequence[]
  /** Consequences beyond those that are kept. */
  moreConsequences: number
  /** The task of the event had been handed the page, by a probe. */
  isOwners: boolean
  /** Its count became that of a free page twice with no hand-out between: most drivers then have it on their list twice. */
  freedTwice: boolean
}

export interface Consequence {
  kind: string
  row: number
  event: LedgerEvent
  count: number
}

/** Anomalies kept, and consequences and later events kept of each. */
const MAX_ANOMALIES = 10_000
const MAX_CONSEQUENCES = 16
const MAX_AFTER = 32

/** Lifetimes that have to end well for a provisional anomaly to be dropped. */
const CONFIRMING_LIFETIMES = 2

/** One anomaly per page: what comes after on the same page, or through a driver's damaged free list, follows from it. */
export class Anomalies {
  readonly list: Anomaly[] = []
  /** Times at which a count was found changed without an event, and the first of them. */
  unrecorded = 0
  firstUnrecorded: { row: number; time: number } | undefined
  /** Anomalies that found no room. */
  dropped = 0
  readonly #byRow = new Map<number, Anomaly>()
  /** Per pagemap, the anomaly that damaged its driver's free list. */
  readonly #damaged = new Map<number, Anomaly>()
  /**
   * An event on a free page may be explained by a later stamp that came before it in truth, and wrongly so. Per page, such
   * an event and the number of lifetimes that have ended since: it is kept for as long as the explanation can fail.
   */
  readonly #provisional = new Map<number, { anomaly: Anomaly; lifetimes: number }>()

  /** Returns the anomaly that whatever goes wrong on this page follows from. */
  cause(row: number, pagemap: number): Anomaly | undefined {
    return this.#byRow.get(row) ?? this.#damaged.get(pagemap)
  }

  /** Returns the anomaly found on that page itself. */
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

  /** Adds what follows from an anomaly. */
  addConsequence(cause: Anomaly, consequence: Consequence): void {
    if (cause.consequences.length < MAX_CONSEQUENCES) cause.consequences.push(consequence)
    else cause.moreConsequences++
  }

  /** Counts a change of the count that was not recorded. */
  addUnrecorded(row: number, time: number): void {
    this.unrecorded++
    this.firstUnrecorded ??= { row, time }
  }

  /** Adds an event of the page that came after the anomaly. */
  addAfter(anomaly: Anomaly, event: LifetimeEvent): void {
    if (anomaly.after.length < MAX_AFTER) anomaly.after.push(event)
  }

  /** Notes that a page is filed as free twice, so that the free list of its driver hands out pages that are in use. */
  markFreedTwice(anomaly: Anomaly, pagemap: number): void {
    anomaly.freedTwice = true
    if (!this.#damaged.has(pagemap)) this.#damaged.set(pagemap, anomaly)
  }

  /** Takes back what was found after a time; returns the rows it was found on. */
  withdrawSince(time: number): number[] {
    const withdrawn = this.list.filter(anomaly => anomaly.event.time >= time)
    for (const anomaly of withdrawn) this.#byRow.delete(anomaly.row)
    for (const [pagemap, anomaly] of this.#damaged) if (anomaly.event.time >= time) this.#damaged.delete(pagemap)
    const kept = this.list.filter(anomaly => anomaly.event.time < time)
    this.list.length = 0
    this.list.push(...kept)
    return withdrawn.map(anomaly => anomaly.row)
  }

  /** Keeps what an event that waits for an explanation will be if the explanation fails. */
  addProvisional(anomaly: Anomaly): void {
    this.#provisional.set(anomaly.row, { anomaly, lifetimes: 0 })
  }

  /** Returns the provisional anomaly of a page. */
  provisional(row: number): Anomaly | undefined {
    return this.#provisional.get(row)?.anomaly
  }

  /** Drops the provisional anomaly of a page. */
  dropProvisional(row: number): void {
    this.#provisional.delete(row)
  }

  /** Notes that a lifetime of the page has ended: several that end well confirm the explanation before them. */
  lifetimeEnded(row: number): void {
    if (this.#provisional.size === 0) return
    const entry = this.#provisional.get(row)
    if (entry && ++entry.lifetimes > CONFIRMING_LIFETIMES) this.#provisional.delete(row)
  }
}
