// SPDX-License-Identifier: GPL-2.0-or-later
/** Narrows the gets that may have taken a reference which is out, by what its law shows of tasks and of visits. */
import type { LawBook } from '../learn/law-book.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { isSameTask, taskOf } from '../track/same-task.ts'
import { unitKey } from '../track/unit-key.ts'
import type { LawTraffic } from './law-traffic.ts'
import { ENOUGH } from './leak.ts'
import type { OpenReference } from './references.ts'

/** The events of a lifetime and, per event, the place of its partner, as for `References`. */
export interface PairedEvents {
  events: readonly LifetimeEvent[]
  partners: readonly (number | undefined)[]
}

/** Tells the number of an event's call site. */
type SiteOf = (event: LifetimeEvent) => number

/**
 * Returns the gets of the law that may have taken the reference as well, oldest first. Where references of the law always come back by
 * the task that took them, these are its task's since none of them was out. A get that a visit made is none, because the put of the
 * same visit gave it back.
 */
export function narrowed(
  { law, event, alternatives }: OpenReference,
  lifetime: PairedEvents,
  traffic: LawTraffic,
  book: LawBook,
  siteOf: SiteOf,
): LifetimeEvent[] {
  if (!event || alternatives.length < 2) return alternatives
  const isOwn = traffic.all.returned >= ENOUGH && traffic.bySameTask === traffic.all.returned
  const visits = visitGets(lifetime.events, law, traffic, book, siteOf)
  const gets = isOwn ? ofTask(event, law, lifetime, book) : alternatives
  const left = gets.filter(get => !visits.has(get.ordinal))
  return left.includes(event) ? left : alternatives
}

/** Returns the gets of the law by the event's task since none that it took was out. */
function ofTask(event: LifetimeEvent, law: number, { events, partners }: PairedEvents, book: LawBook): LifetimeEvent[] {
  const isOfLaw = ({ signature, delta }: LifetimeEvent) => book.lawOf(unitKey(signature, delta)) === law
  let gets: LifetimeEvent[] = []
  let out = 0
  events.forEach((each, i) => {
    const partner = partners[i] === undefined ? undefined : events[partners[i]!]
    // A put without a law that gave back a reference of this one is a rare way of the same task.
    const counts = isOfLaw(each) || (each.delta < 0 && partner !== undefined && isOfLaw(partner))
    if (each.delta === 0 || !counts || !isSameTask(each, event)) return
    out = Math.max(0, out + each.delta)
    if (each.delta > 0) gets.push(each)
    if (out === 0) gets = []
  })
  return gets
}

/** Returns the ordinals of the gets of visits, which their task followed with the put. */
function visitGets(
  events: readonly LifetimeEvent[],
  law: number,
  { visits }: LawTraffic,
  book: LawBook,
  siteOf: SiteOf,
): Set<number> {
  const gets = new Set<number>()
  if (visits.size === 0) return gets
  const latest = new Map<number, LifetimeEvent>()
  for (const event of events) {
    if (event.delta === 0 || book.lawOf(unitKey(event.signature, event.delta)) !== law) continue
    const before = latest.get(taskOf(event))
    const isVisit = before && visits.has(siteOf(event)) && isRightBefore(before, event)
    if (isVisit && before.delta === -event.delta) gets.add(before.ordinal)
    latest.set(taskOf(event), event)
  }
  return gets
}

/** Returns those of some puts that did not give back what their task had taken right before. */
export function withoutVisits(puts: readonly LifetimeEvent[], { events, partners }: PairedEvents): LifetimeEvent[] {
  const visits = new Set<LifetimeEvent>()
  events.forEach((put, i) => {
    const get = partners[i] === undefined ? undefined : events[partners[i]!]
    if (get && isRightBefore(get, put)) visits.add(put)
  })
  return puts.filter(put => !visits.has(put))
}

/** True if the first event is a get and the second the put that its task did next. */
export function isRightBefore(get: LifetimeEvent, put: LifetimeEvent): boolean {
  return get.delta > 0 && put.delta < 0 && isSameTask(get, put) && put.taskSeq === get.taskSeq + 1
}
