// SPDX-License-Identifier: GPL-2.0-or-later
import type { LedgerEvent, LifeEvent } from './life.ts'

/** What the rules rule out, as it was met while reading. */
export type IncidentKind = 'get-on-free-page' | 'put-on-free-page' | 'surplus-put' | 'count-mismatch'

export interface Incident {
  kind: IncidentKind
  row: number
  event: LedgerEvent
  /** Count before the event, as the ledger had it, and that of the page while idle. */
  count: number
  idle: number
  /** Events of the page's open life before this one, oldest first. */
  life: LifeEvent[]
  /** Those of the lives before that, the latest life first. */
  lastLives: LifeEvent[][]
  /** What happened to the page afterwards, until it was handed out anew or as far as it is kept. */
  after: LifeEvent[]
  consequences: Consequence[]
  /** Consequences beyond those that are kept. */
  moreConsequences: number
  /** Its task had been handed the page, by a probe. */
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

/** Incidents kept, and consequences kept of each. */
const MAX_INCIDENTS = 10_000
const MAX_CONSEQUENCES = 16
const MAX_AFTER = 32

/** One incident per page: what comes after on the same page, or through a driver's damaged free list, follows from it. */
export class Incidents {
  readonly list: Incident[] = []
  /** Times at which a count was found changed without an event, and the first of them. */
  unrecorded = 0
  firstUnrecorded: { row: number; time: number } | undefined
  /** Incidents that found no room. */
  dropped = 0
  readonly #byRow = new Map<number, Incident>()
  /** Per pagemap, the incident that damaged its driver's free list. */
  readonly #damaged = new Map<number, Incident>()

  /** The incident that whatever goes wrong on this page follows from. */
  cause(row: number, pagemap: number): Incident | undefined {
    return this.#byRow.get(row) ?? this.#damaged.get(pagemap)
  }

  /** The incident found on that page itself. */
  of(row: number): Incident | undefined {
    return this.#byRow.get(row)
  }

  add(incident: Incident): void {
    if (this.list.length >= MAX_INCIDENTS) {
      this.dropped++
      return
    }
    this.list.push(incident)
    this.#byRow.set(incident.row, incident)
  }

  addConsequence(cause: Incident, consequence: Consequence): void {
    if (cause.consequences.length < MAX_CONSEQUENCES) cause.consequences.push(consequence)
    else cause.moreConsequences++
  }

  addUnrecorded(row: number, time: number): void {
    this.unrecorded++
    this.firstUnrecorded ??= { row, time }
  }

  addAfter(incident: Incident, event: LifeEvent): void {
    if (incident.after.length < MAX_AFTER) incident.after.push(event)
  }

  /** Its page is filed as free twice, so the free list of its driver hands out pages that are in use. */
  markFreedTwice(incident: Incident, pagemap: number): void {
    incident.freedTwice = true
    if (!this.#damaged.has(pagemap)) this.#damaged.set(pagemap, incident)
  }

  /** Takes back what was found after a time; returns the rows it was found on. */
  withdrawSince(time: number): number[] {
    const withdrawn = this.list.filter(incident => incident.event.time >= time)
    for (const incident of withdrawn) this.#byRow.delete(incident.row)
    for (const [pagemap, incident] of this.#damaged) if (incident.event.time >= time) this.#damaged.delete(pagemap)
    const kept = this.list.filter(incident => incident.event.time < time)
    this.list.length = 0
    this.list.push(...kept)
    return withdrawn.map(incident => incident.row)
  }
}
