// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sentences that say how often a law holds. The ledger may have seen some lifetimes differently: those of pages whose stamps
 * contradict their results, that may have lost events, or that have a finding. These count for the upper bound only.
 */

import type { LawSummary } from '../../src/ledger/account.ts'
import { Op } from '../../src/trace/events.ts'
import { type Check, check } from './check.ts'
import type { PageEvent, Reading } from './reading.ts'
import {
  isAt,
  isAtAny,
  lawOf,
  lawSiteName,
  type NamedLaw,
  outside,
  type Problem,
  pagemapOf,
  type Subject,
  spoiltPages,
  UNCHECKED,
  unitsUnder,
} from './subject.ts'

const names = (side: string) => side.split(' + ')

function lawHolds(subject: Subject, [, gets, puts, held, touched]: readonly string[]): Problem | typeof UNCHECKED {
  const [all, count] = [Number(touched), Number(held ?? touched)]
  const said = { gets: names(gets!), puts: names(puts!) }
  const known = lawOf(subject)
  const isCut = [...said.gets, ...said.puts].some(name => / more$/.test(name))
  if (known) {
    const isShown = (side: readonly string[], of: readonly string[]) =>
      side.every((name, i) => / more$/.test(name) || of[i] === name)
    if (!isShown(said.gets, known.gets) || !isShown(said.puts, known.puts))
      return 'it is not the law that the finding has'
  } else if (isCut) return UNCHECKED
  if (subject.page.isReset) return UNCHECKED
  const { least, most } = lawCounts(subject, known ?? said)
  const uncounted = uncountedLifetimes(subject)
  return (
    outside('lifetimes with it', all, least.touched - uncounted, most.touched) ??
    outside('lifetimes in which it held', count, least.held - uncounted, most.held)
  )
}

/** Number of events of a lifetime from which on the ledger does not keep all of them. */
const LONG = 64

/**
 * Rare callers of a law's call sites. A law that was split by callers may leave out such callers (up to one in ten), and its name
 * does not show that.
 */
export function rareCallers(reading: Reading, law: NamedLaw): ReadonlySet<string> {
  const bySite = new Map<string, Map<string, number>>()
  for (const page of reading.pages.values())
    for (const event of page.events) {
      if (unitsUnder(law, event) === 0) continue
      const chains = bySite.get(event.site[0] ?? '') ?? new Map<string, number>()
      bySite.set(event.site[0] ?? '', chains)
      chains.set(chainOf(event), (chains.get(chainOf(event)) ?? 0) + 1)
    }
  const rare = new Set<string>()
  for (const chains of bySite.values()) {
    const all = [...chains.values()].reduce((sum, n) => sum + n, 0)
    let left = all / 5
    for (const [chain, n] of [...chains].sort((a, b) => a[1] - b[1])) {
      left -= n
      if (left < 0) break
      rare.add(chain)
    }
  }
  return rare
}

export function chainOf({ site }: PageEvent): string {
  return site.slice(0, 4).join(' from ')
}

function lawCounts({ reading, account }: Subject, law: NamedLaw) {
  const rare = rareCallers(reading, law)
  const spoilt = spoiltPages(account)
  const [least, most] = [
    { touched: 0, held: 0 },
    { touched: 0, held: 0 },
  ]
  for (const page of reading.pages.values()) {
    if (!isCounted(account, page.pfn)) continue
    const own = page.events.filter(event => unitsUnder(law, event) !== 0)
    if (own.length === 0) continue
    if (!page.isClean || spoilt.has(page.pfn)) {
      // However the events are divided into lifetimes, each lifetime has at least one event.
      most.touched += own.length
      most.held += own.length
      continue
    }
    for (const lifetime of page.lifetimes) {
      const units = lifetime.events.map(event => unitsUnder(law, event)).filter(n => n !== 0)
      if (!lifetime.isComplete || units.length === 0) continue
      const isEven = units.reduce((sum, n) => sum + n, 0) === 0 ? 1 : 0
      most.touched++
      // If the law leaves a caller out, it may hold for the lifetime nevertheless, or not apply to it.
      const isRare = lifetime.events.some(event => unitsUnder(law, event) !== 0 && rare.has(chainOf(event)))
      // In a long lifetime the ledger removes pairs, after which the law may not apply to it.
      const isVague = isRare || lifetime.events.length >= LONG
      most.held += isVague ? 1 : isEven
      if (!lifetime.isSure || isVague) continue
      least.touched++
      least.held += isEven
    }
  }
  return { least, most }
}

/** Number of incomplete lifetimes: those that began before the recording, or closed after an anomaly, according to the ledger. */
export function uncountedLifetimes({ account: { lives } }: Subject): number {
  return lives.partial + lives.broken
}

function isCounted(account: Subject['account'], pfn: number): boolean {
  const isAnyDevice = account.pagemaps.some(map => map.device)
  return !isAnyDevice || pagemapOf(account, pfn)?.device === true
}

/** True if the law has a put at the call site. */
export function lawCountsIn({ puts }: LawSummary, name: string): boolean {
  return puts.some(site => site && lawSiteName(site) === name)
}

function withoutLaw({ account, page }: Subject, [, name]: readonly string[]): Problem {
  // The set of an allocation takes a reference, whatever the count before it.
  const takes = ({ op, val, delta }: PageEvent) => delta > 0 || (op === Op.SET && val > 0)
  if (!page.events.some(event => takes(event) && isAt(event, name!))) return `${name} took no reference to the page`
  const other = account.laws.find(law => law.gets.some(site => site && lawSiteName(site) === name))
  return other ? `a law says what gives back a reference that ${name} took` : undefined
}

/** Not checked for pages with resets or contradictory stamps, which the ledger may have seen differently. */
function givenBackMore(subject: Subject, [, units]: readonly string[]): Problem | typeof UNCHECKED {
  const law = lawOf(subject)
  if (subject.finding.law === undefined) return 'the finding has no law'
  if (!law || subject.page.isReset || !subject.page.isClean) return UNCHECKED
  const { idle } = subject
  // A set gives the page to one owner, whatever the count before it.
  const unitsOf = (event: PageEvent) =>
    event.op === Op.SET && event.val > idle && isAtAny(event, law.gets) ? event.val - idle : unitsUnder(law, event)
  const sum = subject.page.events.reduce((total, event) => total + unitsOf(event), 0)
  return sum < 0 ? undefined : `the page's events under the law sum to ${sum}, said is -${units}`
}

/** Checks that a put of the page gave back so many, and in all other lifetimes that have its call site, that gave back so many others. */
function gaveBackMore(subject: Subject, [, name, here, usual, n]: readonly string[]): Problem {
  const { reading, account, page } = subject
  const unitsIn = (events: readonly PageEvent[]) =>
    events.filter(event => event.delta < 0 && isAt(event, name!)).reduce((sum, { delta }) => sum - delta, 0)
  if (!page.events.some(event => isAt(event, name!) && event.delta === -Number(here)))
    return `no put of ${here} at ${name}`
  const spoilt = spoiltPages(account)
  const having = reading.lifetimes.filter(({ isComplete, events }) => isComplete && unitsIn(events) > 0)
  const sure = having.filter(({ pfn, isSure }) => isSure && !spoilt.has(pfn))
  const other = sure.find(({ events }) => unitsIn(events) !== Number(usual))
  if (other) return `in a lifetime of page ${other.pfn} ${unitsIn(other.events)} were given back at ${name}`
  return outside('lifetimes', Number(n), sure.length - uncountedLifetimes(subject), having.length)
}

export const LAW_CHECKS: readonly Check[] = [
  check(
    /^what (.+) takes?, (.+) gives? back: as many references in (?:all|(\d+) of) (\d+) complete lifetimes$/,
    lawHolds,
  ),
  check(/^on this page (\d+) references? more (?:was|were) given back under that law than taken$/, givenBackMore),
  check(/^(.+) gave back (\d+) here, and (\d+) in each of (\d+) other lifetimes$/, gaveBackMore),
  check(/^no law of the recording says what gives back a reference that (.+) took$/, withoutLaw),
]
