// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Which put of a page was one too many: the law that is short on the page for good, the lifetime in which it became so, and the
 * puts of that law there.
 */

import { type LawBook, NO_LAW } from '../learn/law-book.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { unitKey } from '../track/unit-key.ts'
import { type OddLifetime, type PageHistory, unitsOf } from './page-history.ts'

export interface Shortage {
  /** Number of the law; `NO_LAW` for call sites that no law has. */
  law: number
  /** References by which more was given back than taken. */
  units: number
  /** The lifetime in which the law became short for good, and its place in the page's history. */
  lifetime: OddLifetime
  at: number
  /** The put that found nothing left of its law. */
  put: LifetimeEvent
  /** True if the put is of a call site that no law has, and that is hardly ever seen. */
  isUnique: boolean
  /** References of the law that were out when it came; less than it gave back. */
  out: number
  /** Puts of the law in that lifetime and the one before, one for each call site, the one above first. */
  candidates: LifetimeEvent[]
  /** References taken under the law in that lifetime, and given back. */
  taken: number
  given: number
  /** Puts under other laws in later lifetimes of what was taken before the page was freed early. */
  deferred: LifetimeEvent[]
}

/** What is asked of call sites. */
export interface CallSites {
  /** What two signatures of one call site have in common. */
  site(signature: number): number
  /** Events of that signature in the whole recording. */
  events(signature: number): number
}

/** The lifetime of a page that ended before an event, as far as it is remembered: its events, in order. */
export type LifetimeBefore = (row: number, event: LifetimeEvent) => readonly LifetimeEvent[]

/** Events of a call site without a law up to which it is one that should not be: nothing like it is seen elsewhere. */
const RARE = 2

/** Returns what is short on a page, by when it became so. */
export function shortages(
  history: PageHistory,
  idle: number,
  book: LawBook,
  sites: CallSites,
  before: LifetimeBefore,
): Shortage[] {
  const found: Shortage[] = []
  for (const [law, units] of history.total) {
    if (units >= 0) continue
    const shortage = shortageOf(history, law, -units, idle, book, sites, before)
    if (shortage) found.push(shortage)
  }
  return found.sort((a, b) => a.put.ordinal - b.put.ordinal)
}

function shortageOf(
  history: PageHistory,
  law: number,
  units: number,
  idle: number,
  book: LawBook,
  sites: CallSites,
  lifetimeBefore: LifetimeBefore,
): Shortage | undefined {
  const { lifetimes } = history
  const at = shortSince(lifetimes, law)
  const lifetime = lifetimes[at]!
  const before = lifetimes.slice(0, at).reduce((sum, each) => sum + (each.balance.get(law) ?? 0), 0)
  const isOf = (event: LifetimeEvent) => book.lawOf(unitKey(event.signature, unitsOf(event, idle))) === law
  const isPut = (event: LifetimeEvent) => isOf(event) && unitsOf(event, idle) < 0
  const own = lifetime.events.filter(isOf)
  const puts = own.filter(isPut)
  if (puts.length === 0) return undefined
  const { put, out } =
    law === NO_LAW
      ? { put: rarest(puts, sites), out: 0 }
      : (firstBelow(own, Math.max(0, before), idle) ?? { put: puts.at(-1)!, out: 0 })
  const isAlone = law === NO_LAW && sites.events(put.signature) <= RARE
  // Another put of the law may have freed the page in the lifetime before, and have left its own put to this one.
  const earlier = law === NO_LAW ? [] : lifetimeBefore(history.row, lifetime.events[0]!).filter(isPut)
  const candidates = isAlone ? [put] : onePerSite([put, ...puts, ...earlier], sites)
  const aside = [...lifetime.aside].filter(([key]) => book.lawOf(key) === law).map(([, n]) => n)
  const all = [...own.map(event => unitsOf(event, idle)), ...aside]
  const taken = all.reduce((sum, n) => sum + Math.max(0, n), 0)
  const given = taken - all.reduce((sum, n) => sum + n, 0)
  return {
    law,
    units,
    lifetime,
    at,
    put,
    isUnique: isAlone,
    out,
    candidates,
    taken,
    given,
    deferred: deferredPuts(history, at, law, idle, book),
  }
}

function rarest(puts: readonly LifetimeEvent[], sites: CallSites): LifetimeEvent {
  return puts.reduce((best, put) => (sites.events(put.signature) < sites.events(best.signature) ? put : best))
}

function onePerSite(puts: readonly LifetimeEvent[], sites: CallSites): LifetimeEvent[] {
  const bySite = new Map<number, LifetimeEvent>()
  for (const put of puts) if (!bySite.has(sites.site(put.signature))) bySite.set(sites.site(put.signature), put)
  return [...bySite.values()]
}

/** Index of the lifetime since whose end the law is below zero to the last. */
function shortSince(lifetimes: readonly OddLifetime[], law: number): number {
  let sum = 0
  let since = 0
  lifetimes.forEach(({ balance }, i) => {
    const before = sum
    sum += balance.get(law) ?? 0
    if (before >= 0 && sum < 0) since = i
  })
  return since
}

/** The first event that gives back more than is out. */
function firstBelow(
  events: readonly LifetimeEvent[],
  before: number,
  idle: number,
): { put: LifetimeEvent; out: number } | undefined {
  let out = before
  for (const event of events) {
    const units = unitsOf(event, idle)
    if (units < 0 && out + units < 0) return { put: event, out }
    out += units
  }
  return undefined
}

/** Puts in later lifetimes that give back what other laws had out when the lifetime at that place ended. */
function deferredPuts(
  { lifetimes }: PageHistory,
  at: number,
  law: number,
  idle: number,
  book: LawBook,
): LifetimeEvent[] {
  const out = new Map(
    [...lifetimes[at]!.balance].filter(([other, units]) => other !== law && other !== NO_LAW && units > 0),
  )
  const puts: LifetimeEvent[] = []
  for (const { events, balance } of lifetimes.slice(at + 1)) {
    for (const [other, units] of balance) {
      if (units > 0) {
        out.set(other, (out.get(other) ?? 0) + units)
        continue
      }
      if ((out.get(other) ?? 0) <= 0) continue
      out.set(other, out.get(other)! + units)
      const put = events.find(event => {
        const n = unitsOf(event, idle)
        return n < 0 && book.lawOf(unitKey(event.signature, n)) === other
      })
      if (put) puts.push(put)
    }
  }
  return puts
}
