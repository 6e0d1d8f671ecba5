// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sentences about laws and leaks. What depends on which put gave back which get is a range: from oldest first to latest
 * first. Lifetimes of pages whose stamps contradict their results, that may have lost events, or on which something was found may
 * have been seen otherwise: they count for the upper bound only.
 */
import type { LawSummary } from '../../src/ledger/account.ts'
import { type Check, check } from './check.ts'
import { type Lifetime, type PageEvent, type Reading, TEARDOWN } from './reading.ts'
import {
  accusedOf,
  eventOf,
  eventsOf,
  isAt,
  lawOf,
  lawSiteName,
  type NamedLaw,
  openLifetime,
  outside,
  type Problem,
  pagemapOf,
  type Subject,
  spoiltPages,
  UNCHECKED,
  unitsUnder,
} from './subject.ts'

/** One reference that came back. */
interface Returned {
  taken: number
  given: number
}

const names = (side: string) => side.split(' + ')

// --- how often a law holds ------------------------------------------------------------------------------------------------------

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

/**
 * Callers of a law's call sites that are seldom seen. Where a law was split by callers, it may leave such ones out (one in ten), and
 * its name does not tell.
 */
function rareCallers(reading: Reading, law: NamedLaw): ReadonlySet<string> {
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

function chainOf({ site }: PageEvent): string {
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
      // However its lifetimes are told apart, each has an event of its own.
      most.touched += own.length
      most.held += own.length
      continue
    }
    for (const lifetime of page.lifetimes) {
      const units = lifetime.events.map(event => unitsUnder(law, event)).filter(n => n !== 0)
      if (!lifetime.isComplete || units.length === 0) continue
      const isEven = units.reduce((sum, n) => sum + n, 0) === 0 ? 1 : 0
      most.touched++
      // Without a caller that the law leaves out it may hold after all, or not be touched.
      const isVague = lifetime.events.some(event => unitsUnder(law, event) !== 0 && rare.has(chainOf(event)))
      most.held += isVague ? 1 : isEven
      if (!lifetime.isSure || isVague) continue
      least.touched++
      least.held += isEven
    }
  }
  return { least, most }
}

/** Lifetimes that began before the recording, as far as the ledger can tell, or closed after something odd: they are not complete. */
function uncountedLifetimes({ account: { lives } }: Subject): number {
  return lives.partial + lives.broken
}

function isCounted(account: Subject['account'], pfn: number): boolean {
  const isAnyDevice = account.pagemaps.some(map => map.device)
  return !isAnyDevice || pagemapOf(account, pfn)?.device === true
}

// --- in which order references come back ------------------------------------------------------------------------------------

/** Pairs gets and puts of a law page by page. @param isLatest each put gives back the latest that is out, else the oldest */
function returned(reading: Reading, law: NamedLaw, isLatest: boolean): { back: Returned[]; units: number } {
  const back: Returned[] = []
  let units = 0
  for (const page of reading.pages.values()) {
    const out: { taken: number; units: number; isBack: boolean }[] = []
    for (const event of page.events) {
      let left = unitsUnder(law, event)
      if (left > 0) out.push({ taken: event.ordinal, units: left, isBack: false })
      while (left < 0 && out.length > 0) {
        const get = (isLatest ? out.at(-1) : out[0])!
        const n = Math.min(get.units, -left)
        if (!get.isBack) back.push({ taken: get.taken, given: event.ordinal })
        get.isBack = true
        units += n
        get.units -= n
        left += n
        if (get.units === 0) out.splice(out.indexOf(get), 1)
      }
    }
  }
  return { back, units }
}

/** The most that one of them was overtaken: how many were taken later and came back earlier. */
function mostOvertaken(back: readonly Returned[]): number {
  const sorted = [...back].sort((a, b) => b.taken - a.taken)
  // Those that were taken later, by when they came back.
  const given: number[] = []
  let most = 0
  for (const each of sorted) {
    const at = lowerBound(given, each.given)
    most = Math.max(most, at)
    given.splice(at, 0, each.given)
  }
  return most
}

function lowerBound(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Ordinals between which the reference in question was taken: where several are alike, it may be any of them. */
function takenBetween(subject: Subject): [first: number, last: number] | undefined {
  const accused = accusedOf(subject.finding)
  const get = accused && eventOf(subject.page, accused)
  if (!get) return undefined
  const last = subject.page.events.findLast(event => event.delta > 0)!
  return [get.ordinal, Math.max(get.ordinal, last.ordinal)]
}

function lawOrder(subject: Subject, [, since, all, most]: readonly string[]): Problem | typeof UNCHECKED {
  const law = lawOf(subject)
  const between = takenBetween(subject)
  if (!law || !between) return UNCHECKED
  const both = [false, true].map(isLatest => returned(subject.reading, law, isLatest))
  const rare = rareCallers(subject.reading, law)
  const slack = [...subject.reading.pages.values()].flatMap(page =>
    page.events.filter(
      event => unitsUnder(law, event) !== 0 && (!page.isClean || page.isReset || rare.has(chainOf(event))),
    ),
  ).length
  const totals = both.flatMap(({ back, units }) => [back.length, units])
  const later = both.flatMap(({ back }) => between.map(from => back.filter(each => each.taken > from).length))
  const overtaken = both.map(({ back }) => mostOvertaken(back))
  return (
    outside('references that came back', Number(all), Math.min(...totals) - slack, Math.max(...totals)) ??
    outside('those taken later', Number(since), Math.min(...later) - slack, Math.max(...later)) ??
    outside('the most overtaken', Number(most), Math.min(...overtaken) - slack, Math.max(...overtaken) + slack)
  )
}

function lifetimeOrder(subject: Subject, [, since, all, most]: readonly string[]): Problem | typeof UNCHECKED {
  const between = takenBetween(subject)
  const { account, reading, finding, page } = subject
  const pagemap = pagemapOf(account, finding.pfn)
  if (!between || !pagemap || page.isReset) return UNCHECKED
  const spoilt = spoiltPages(account)
  const complete = reading.lifetimes.filter(
    ({ pfn, isComplete }) => isComplete && pfn >= pagemap.firstPfn && pfn <= pagemap.lastPfn,
  )
  const sure = complete.filter(({ pfn, isSure }) => isSure && !spoilt.has(pfn))
  const back = (lifetimes: readonly Lifetime[]) =>
    lifetimes.map(({ events }) => ({ taken: events[0]!.ordinal, given: events.at(-1)!.ordinal }))
  const later = (lifetimes: readonly Lifetime[], from: number) =>
    back(lifetimes).filter(each => each.taken > from).length
  const overtaken = mostOvertaken(back(sure))
  // On a page whose stamps contradict its results, each put may have ended one.
  const unclean = [...reading.pages.values()].filter(
    ({ pfn, isClean }) => (!isClean || spoilt.has(pfn)) && pfn >= pagemap.firstPfn && pfn <= pagemap.lastPfn,
  )
  const hidden = (from: number) =>
    unclean.flatMap(({ events }) => events.filter(({ delta, ordinal }) => delta < 0 && ordinal > from)).length
  const doubtful = complete.length - sure.length + unclean.length
  return (
    outside('lifetimes', Number(all), sure.length - uncountedLifetimes(subject), complete.length + hidden(-1)) ??
    outside(
      'lifetimes that began later',
      Number(since),
      later(sure, between[1]) - uncountedLifetimes(subject),
      later(complete, between[0]) + hidden(between[0]),
    ) ??
    outside('the most overtaken', Number(most), overtaken - doubtful, overtaken + doubtful)
  )
}

/** A task that gave back references of the law, and surely none of those that were taken later. */
function maybeWith(subject: Subject, [, task]: readonly string[]): Problem | typeof UNCHECKED {
  const law = lawOf(subject)
  const between = takenBetween(subject)
  if (!law || !between) return UNCHECKED
  let any = false
  for (const page of subject.reading.pages.values()) {
    const out: PageEvent[] = []
    for (const event of page.events) {
      const units = unitsUnder(law, event)
      if (units > 0) out.push(event)
      if (units >= 0) continue
      const isTask = subject.reading.task(event.pid) === task
      any ||= isTask
      if (isTask && page.isClean && out.length > 0 && out.every(get => get.ordinal > between[1]))
        return `${task} gave one back that was taken later`
      out.shift()
    }
  }
  return any ? undefined : `${task} gives back no reference of the law`
}

// --- what else is out -----------------------------------------------------------------------------------------------------------

/** References of the page that are out at the end, beyond those that the finding is about: at least and at most. */
function othersOut({ page, finding }: Subject): [least: number, most: number] {
  const last = page.events.at(-1)!
  const accused = accusedOf(finding)
  // A page that is merely held is told of by one of its holders, of whose references some may have come back.
  const units = accused ? Math.abs(eventOf(page, accused)?.delta ?? 1) : 1
  const [few, many] = finding.kind === 'leak' ? [finding.references, finding.references] : [1, units]
  const counts = page.isClean ? [last.after] : [last.after, last.count]
  return [Math.min(...counts) - finding.expected - many, Math.max(...counts) - finding.expected - few]
}

function othersBack(subject: Subject, [sentence, tables]: readonly string[]): Problem | typeof UNCHECKED {
  const { page, finding } = subject
  if (page.isReset) return UNCHECKED
  const problem = outside('references that others have out', Number(tables ?? 0), ...othersOut(subject))
  if (problem) return problem
  const lifetime = openLifetime(subject)
  if (!sentence!.endsWith('that of the hand-out, too') || !lifetime) return undefined
  const [first] = lifetime.events
  const accused = accusedOf(finding)
  const isFirst = accused && eventsOf(page, accused).every(event => event === first)
  return isFirst ? 'it is the first reference of the lifetime itself that is out' : undefined
}

function othersAreOut(subject: Subject, [, n, verb]: readonly string[]): Problem | typeof UNCHECKED {
  const { page, finding } = subject
  if (page.isReset) return UNCHECKED
  if ((Number(n) === 1) !== (verb === 'is')) return `"${n} references ${verb}" is no English`
  const problem = outside('references that others have out', Number(n), ...othersOut(subject))
  const lifetime = openLifetime(subject)
  if (problem || !lifetime) return problem
  const accused = finding.culprit ? [finding.culprit] : finding.candidates.map(({ actor }) => actor)
  const sites = new Set(accused.flatMap(actor => eventOf(page, actor)?.site[0] ?? []))
  const elsewhere = lifetime.events.filter(({ delta, site }) => delta > 0 && !sites.has(site[0] ?? ''))
  const taken = elsewhere.reduce((sum, { delta }) => sum + delta, 0)
  return taken < Number(n)
    ? `other call sites took ${taken} in this lifetime, said is that ${n} of theirs are out`
    : undefined
}

// --- what happened to a page or its task ------------------------------------------------------------------------------------

const EVICTION = /^migrate_device_(range|pfns|pfn_lock)$/

/** True if a law has a put at that call site. */
export function lawCountsIn({ puts }: LawSummary, name: string): boolean {
  return puts.some(site => site && lawSiteName(site) === name)
}

function withoutLaw({ account, page }: Subject, [, name]: readonly string[]): Problem {
  if (!page.events.some(event => event.delta > 0 && isAt(event, name!))) return `${name} took no reference to the page`
  const other = account.laws.find(law => law.gets.some(site => site && lawSiteName(site) === name))
  return other ? `a law says what gives back a reference that ${name} took` : undefined
}

function exited({ reading }: Subject, [, task]: readonly string[]): Problem {
  const last = reading.events.findLast(({ pid }) => reading.task(pid) === task)
  const isExit = last?.functions.some(name => /^do_(group_)?exit$/.test(name))
  return isExit ? undefined : `the last event of ${task} is not at its exit`
}

function wasEvicted(subject: Subject): Problem {
  const accused = accusedOf(subject.finding)!
  const { page } = subject
  const isLater = page.events.some(
    ({ time, delta, functions }) => time >= accused.time && delta > 0 && functions.some(name => EVICTION.test(name)),
  )
  if (!isLater) return 'no later event of the page is of an eviction'
  return page.events.at(-1)!.after > subject.finding.expected ? undefined : 'the page is free'
}

function teardownWaits({ page, reading }: Subject): Problem | typeof UNCHECKED {
  if (page.events.some(({ delta, functions }) => delta < 0 && functions.some(name => TEARDOWN.test(name))))
    return undefined
  return reading.events.some(({ site }) => site.length > 0)
    ? 'memunmap_pages() put no reference to the page'
    : UNCHECKED
}

function heldBefore({ page, idle }: Subject): Problem | typeof UNCHECKED {
  if (page.isReset) return UNCHECKED
  const [first] = page.events
  return first && first.before! <= idle ? `the page's first event found its count at ${first.before}` : undefined
}

function isLong(subject: Subject, [, n]: readonly string[]): Problem | typeof UNCHECKED {
  const { page, idle } = subject
  if (page.isReset) return UNCHECKED
  const at = page.events.findLastIndex(({ after }) => after === idle)
  return outside('events since the page was idle', Number(n), page.events.length - 1 - at)
}

export const LAW_CHECKS: readonly Check[] = [
  check(/^what (.+) take, (.+) give back: as many references in (?:all|(\d+) of) (\d+) complete lifetimes$/, lawHolds),
  check(/^no law of the recording says what gives back a reference that (.+) took$/, withoutLaw),
  check(
    /^(\d+) references of that law were taken later and have come back; of the (\d+) that came back none was overtaken by more than (\d+)$/,
    lawOrder,
  ),
  // "Pages" stands for lifetimes: a page that was handed out twice counts twice.
  check(
    /^(\d+) pages were handed out later and are free again; of (\d+) lifetimes none was overtaken by more than (\d+)$/,
    lifetimeOrder,
  ),
  check(
    /^(.+), which gives back such references, has given back none that was taken later: it may still work on this one$/,
    maybeWith,
  ),
  check(/^all other references of this lifetime came back(?:, that of the hand-out, too)?$/, othersBack),
  check(
    /^all other references of this lifetime came back, but for (\d+) of page tables that map the page$/,
    othersBack,
  ),
  check(/^(\d+) references? of other call sites (is|are) out, too, which may be by right$/, othersAreOut),
  check(/^its task (.+) exited$/, exited),
  check(/^an attempt to evict the page came later and could not free it$/, wasEvicted),
  check(/^memunmap_pages\(\) has put the base reference and waits for this page$/, teardownWaits),
  check(/^held since before the recording began$/, heldBefore),
  check(/^its lifetime has (\d+) events without an idle moment: too many to tell whose reference stayed$/, isLong),
]
