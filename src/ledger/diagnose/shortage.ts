// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Which put of a page was one too many: the law that is short on the page for good, the lifetime in which it became so, and the
 * puts of that law there.
 */
import { unitKey } from '../learn/call-site-laws.ts'
import type { LawBook } from '../learn/law-book.ts'
import type { LifeEvent as LifetimeEvent } from '../life.ts'
import { type OddLifetime, type PageHistory, unitsOf } from './page-history.ts'

export interface Shortage {
  /** Number of the law, or the negative number of a call site without one. */
  account: number
  /** References by which more was given back than taken. */
  units: number
  /** The lifetime in which the law became short for good, and its place in the page's history. */
  lifetime: OddLifetime
  at: number
  /** The put that found nothing left of its law. */
  put: LifetimeEvent
  /** References of the law that were out when it came; less than it gave back. */
  out: number
  /** Puts of the law in that lifetime, one for each call site, the one above first. */
  candidates: LifetimeEvent[]
  /** References taken under the law in that lifetime. */
  taken: number
  /** Puts by other laws in later lifetimes of what was taken before the page was freed early. */
  deferred: LifetimeEvent[]
}

/** Returns what is short on a page, by when it became so. @param siteOf what two puts of one call site have in common */
export function shortages(
  history: PageHistory,
  idle: number,
  book: LawBook,
  siteOf: (signature: number) => number,
): Shortage[] {
  const found: Shortage[] = []
  for (const [account, units] of history.total) {
    if (units >= 0) continue
    const shortage = shortageOf(history, account, -units, idle, book, siteOf)
    if (shortage) found.push(shortage)
  }
  return found.sort((a, b) => a.put.ordinal - b.put.ordinal)
}

function shortageOf(
  history: PageHistory,
  account: number,
  units: number,
  idle: number,
  book: LawBook,
  siteOf: (signature: number) => number,
): Shortage | undefined {
  const { lifetimes } = history
  const at = shortSince(lifetimes, account)
  const lifetime = lifetimes[at]!
  const before = lifetimes.slice(0, at).reduce((sum, each) => sum + (each.balance.get(account) ?? 0), 0)
  const isOf = (event: LifetimeEvent) => book.accountOf(unitKey(event.signature, unitsOf(event, idle))) === account
  const own = lifetime.events.filter(isOf)
  const puts = own.filter(event => unitsOf(event, idle) < 0)
  if (puts.length === 0) return undefined
  const { put, out } = firstBelow(own, Math.max(0, before), idle) ?? { put: puts.at(-1)!, out: 0 }
  const others = puts.filter(event => siteOf(event.signature) !== siteOf(put.signature))
  const candidates = [put, ...others.filter((event, i) => others.findIndex(each => siteOf(each.signature) === siteOf(event.signature)) === i)]
  const taken = own.reduce((sum, event) => sum + Math.max(0, unitsOf(event, idle)), 0)
  return { account, units, lifetime, at, put, out, candidates, taken, deferred: deferredPuts(history, at, account, idle, book) }
}

/** Index of the lifetime since whose end the account is below zero to the last. */
function shortSince(lifetimes: readonly OddLifetime[], account: number): number {
  let sum = 0
  let since = 0
  lifetimes.forEach(({ balance }, i) => {
    const before = sum
    sum += balance.get(account) ?? 0
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
  account: number,
  idle: number,
  book: LawBook,
): LifetimeEvent[] {
  const out = new Map([...lifetimes[at]!.balance].filter(([other, units]) => other !== account && units > 0))
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
        return n < 0 && book.accountOf(unitKey(event.signature, n)) === other
      })
      if (put) puts.push(put)
    }
  }
  return puts
}
