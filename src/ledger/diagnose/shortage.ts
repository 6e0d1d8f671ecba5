// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the surplus put of a page: the law that stays short on the page, the lifetime in which it became short, and the puts of
 * that law in it.
 */

import { type LawBook, NO_LAW } from '../learn/law-book.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { unitKey } from '../track/unit-key.ts'
import { type OddLifetime, type PageHistory, unitsOf } from './page-history.ts'

export interface Shortage {
  /** Number of the law; `NO_LAW` for call sites that no law has. */
  law: number
  /** Number of references by which more was given back than taken. */
  units: number
  /** The lifetime from which on the law stays short, and its index in the page's history. */
  lifetime: OddLifetime
  at: number
  /** The put that found nothing left of its law. */
  put: LifetimeEvent
  /** True if the put's call site has no law, and hardly ever occurs or mostly frees pages early. */
  isUnique: boolean
  /** Number of references of the law that were out when the put came; less than it gave back. */
  out: number
  /** Puts of the law in that lifetime and the one before, one for each call site, `put` first. */
  candidates: LifetimeEvent[]
  /** Numbers of references that were taken (`taken`) and given back (`given`) under the law in that lifetime. */
  taken: number
  given: number
  /** Puts under other laws in later lifetimes of what was taken before the page was freed early. */
  deferred: LifetimeEvent[]
}

/** Queries about call sites. */
export interface CallSites {
  /** Returns a number that is equal for signatures of one call site. */
  site(signature: number): number
  /** Returns the number of events with that signature in the whole recording. */
  events(signature: number): number
  /** By how much stamps of several CPUs may be in the wrong order, as times of events. */
  slack: number
}

/** The latest lifetime of a page that ended before an event and has one of a kind, as far as it is remembered: its events, in order. */
export type LifetimeBefore = (
  row: number,
  event: LifetimeEvent,
  isSought: (event: LifetimeEvent) => boolean,
) => readonly LifetimeEvent[]

/** A call site without a law that has at most this many events is suspicious: it is not part of any regular traffic. */
const RARE = 2

/** Returns the shortages of a page, in the order in which they began. */
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
  const spoilt = law === NO_LAW ? spoiltAt(lifetimes, book) : -1
  const at = spoilt >= 0 ? spoilt : shortSince(lifetimes, law)
  const lifetime = lifetimes[at]!
  const before = lifetimes.slice(0, at).reduce((sum, each) => sum + (each.balance.get(law) ?? 0), 0)
  const isOf = (event: LifetimeEvent) => book.lawOf(unitKey(event.signature, unitsOf(event, idle))) === law
  const isPut = (event: LifetimeEvent) => isOf(event) && unitsOf(event, idle) < 0
  const own = lifetime.events.filter(isOf)
  const puts = own.filter(isPut)
  if (puts.length === 0) return undefined
  const { put, out } =
    law === NO_LAW
      ? { put: puts.find(each => book.isSpoiler(unitKey(each.signature, -1))) ?? rarest(puts, sites), out: 0 }
      : (firstBelow(own, Math.max(0, before), idle) ?? { put: puts.at(-1)!, out: 0 })
  const isAlone = law === NO_LAW && (sites.events(put.signature) <= RARE || book.isSpoiler(unitKey(put.signature, -1)))
  // What came after the first put that found nothing left is no reason for that. What follows a broken lifetime is in it, too.
  const until = puts.filter(({ ordinal, time }) => ordinal <= put.ordinal || time <= put.time + sites.slack)
  const aside = [...lifetime.aside].filter(([key]) => book.lawOf(key) === law).map(([, n]) => n)
  const all = [...own.map(event => unitsOf(event, idle)), ...aside]
  const taken = all.reduce((sum, n) => sum + Math.max(0, n), 0)
  const given = taken - all.reduce((sum, n) => sum + n, 0)
  // Another put of the law may have freed the page before, so that its rightful put falls into this lifetime: in the lifetime right
  // before this one or, if this one took nothing that could be given back, in the latest one that did.
  const eventsBefore = (isSought: (event: LifetimeEvent) => boolean) =>
    law === NO_LAW ? [] : lifetimeBefore(history.row, lifetime.events[0]!, isSought)
  const candidatesOf = () => {
    if (isAlone) return [put]
    const source = taken === 0 ? eventsBefore(event => isOf(event) && unitsOf(event, idle) > 0) : []
    const earlier = [...eventsBefore(() => true), ...source].filter(isPut)
    return onePerSite([put, ...until, ...earlier], sites)
  }
  let candidates: LifetimeEvent[] | undefined
  let deferred: LifetimeEvent[] | undefined
  // Most shortages are nobody's fault, and of those nobody asks further.
  return {
    law,
    units,
    lifetime,
    at,
    put,
    isUnique: isAlone,
    out,
    taken,
    given,
    get candidates() {
      candidates ??= candidatesOf()
      return candidates
    },
    get deferred() {
      deferred ??= deferredPuts(history, at, law, idle, book)
      return deferred
    },
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

/**
 * Returns the index of the lifetime with a put of a call site whose puts mostly free pages early: the last one before something
 * impossible happened, since that is what they are known by. -1 if there is none.
 */
function spoiltAt(lifetimes: readonly OddLifetime[], book: LawBook): number {
  const isSpoilt = ({ events }: OddLifetime) =>
    events.some(({ signature, delta }) => delta < 0 && book.isSpoiler(unitKey(signature, delta)))
  const before = lifetimes.findLastIndex(each => !each.isBroken && isSpoilt(each))
  return before >= 0 ? before : lifetimes.findIndex(isSpoilt)
}

/** Returns the index of the lifetime from whose end on the law's balance stays below zero. */
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

/** Returns the first event that gives back more than is out. */
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

/** Returns the puts of later lifetimes that give back references of other laws which were out when the given lifetime ended. */
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
