// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sentences about the order in which references are put. The events do not tell which put belongs to which get. The true pairing
 * is between oldest first and latest first, so that numbers that depend on it are ranges. References whose callers a law may
 * leave out, and those of pages whose stamps contradict their results, widen the range.
 */
import { StackTrait, traitsOf } from '../../src/ledger/callsites/symbol-lists.ts'
import { type Check, check } from './check.ts'
import { chainOf, rareCallers, uncountedLifetimes } from './law-checks.ts'
import type { Lifetime, Page, PageEvent, Reading } from './reading.ts'
import {
  accusedOf,
  eventOf,
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

/** A reference that was put. */
interface Returned {
  taken: number
  given: number
  /** The task that took the reference. */
  pid: number
}

/**
 * Pairs gets and puts of a law page by page. `out` has the gets with references that were never put.
 *
 * @param isLatest true if each put drops the latest open reference, not the oldest
 */
function returned(
  reading: Reading,
  law: NamedLaw,
  isLatest: boolean,
): { back: Returned[]; units: number; out: readonly number[] } {
  const back: Returned[] = []
  const gets: number[] = []
  let units = 0
  for (const page of reading.pages.values()) {
    const out: { taken: number; pid: number; units: number }[] = []
    for (const event of page.events) {
      let left = unitsUnder(law, event)
      if (left > 0) out.push({ taken: event.ordinal, pid: event.pid, units: left })
      while (left < 0 && out.length > 0) {
        const get = (isLatest ? out.at(-1) : out[0])!
        const n = Math.min(get.units, -left)
        units += n
        get.units -= n
        left += n
        if (get.units > 0) continue
        // For a get of several references, the last put counts.
        back.push({ taken: get.taken, given: event.ordinal, pid: get.pid })
        out.splice(out.indexOf(get), 1)
      }
    }
    gets.push(...out.map(({ taken }) => taken))
  }
  return { back, units, out: gets }
}

/** The largest number of references that overtook another one: that were taken later and put earlier. */
function mostOvertaken(back: readonly Returned[]): number {
  const sorted = [...back].sort((a, b) => b.taken - a.taken)
  // The references that were taken later, sorted by when they were put.
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

/** Number of references on pages with contradictory stamps that may have been put, in addition to those in order of stamps. */
function unordered(reading: Reading, law: NamedLaw): number {
  let more = 0
  for (const { events, isClean, isReset } of reading.pages.values()) {
    if (isClean && !isReset) continue
    more += events.filter(event => unitsUnder(law, event) > 0).length
  }
  return more
}

/** Number of the law's references that may have been put by call sites without a law, on pages that have such puts. */
function otherWays({ reading, account }: Subject, law: NamedLaw): number {
  const known = account.laws.flatMap(({ puts }) => puts.flatMap(site => (site ? [lawSiteName(site)] : [])))
  let ways = 0
  for (const { events } of reading.pages.values()) {
    const puts = events.filter(event => event.delta < 0 && !isAtAny(event, known))
    ways += Math.min(puts.length, events.filter(event => unitsUnder(law, event) > 0).length)
  }
  return ways
}

/** Number of events for which it is unknown whether the law covers them, in which order they came, or in which lifetime. */
function vagueEvents({ reading, account }: Subject, law: NamedLaw): number {
  const rare = rareCallers(reading, law)
  const spoilt = spoiltPages(account)
  return [...reading.pages.values()].flatMap(({ pfn, events, isClean, isReset }) => {
    const isVague = !isClean || isReset || spoilt.has(pfn)
    return events.filter(event => unitsUnder(law, event) !== 0 && (isVague || rare.has(chainOf(event))))
  }).length
}

/** Bounds for the ordinal at which the reference in question was taken. If several are alike, it may be any of them. */
function takenBetween(subject: Subject): [first: number, last: number] | undefined {
  const accused = accusedOf(subject.finding)
  const get = accused && eventOf(subject.page, accused)
  if (!get) return undefined
  const last = subject.page.events.findLast(event => event.delta > 0)!
  return [get.ordinal, Math.max(get.ordinal, last.ordinal)]
}

/** What the events tell of the order of the finding's law: bounds, since several references may be the one in question. */
function orderOf(subject: Subject) {
  const law = lawOf(subject)
  const between = takenBetween(subject)
  if (!law || !between) return undefined
  const both = [false, true].map(isLatest => returned(subject.reading, law, isLatest))
  const totals = both.flatMap(({ back, units }) => [back.length, units])
  const later = both.flatMap(({ back }) => between.map(from => back.filter(each => each.taken > from).length))
  const overtaken = both.map(({ back }) => mostOvertaken(back))
  const slack = vagueEvents(subject, law)
  const more = unordered(subject.reading, law) + otherWays(subject, law)
  return { totals, later, overtaken, slack, more }
}

function lawOrder(subject: Subject, [, since, all, most = '0']: readonly string[]): Problem | typeof UNCHECKED {
  const order = orderOf(subject)
  if (!order) return UNCHECKED
  const { totals, later, overtaken, slack, more } = order
  return (
    outside('references that came back', Number(all), Math.min(...totals) - slack, Math.max(...totals) + more) ??
    outside('those taken later', Number(since), Math.min(...later) - slack, Math.max(...later) + more) ??
    outside('the most overtaken', Number(most), Math.min(...overtaken) - slack, Math.max(...overtaken) + slack)
  )
}

/** Checks the same numbers from above where some of the references are left out, because their puts may be of others. */
function sureOrder(subject: Subject, [, since, sure, most = '0']: readonly string[]): Problem | typeof UNCHECKED {
  const order = orderOf(subject)
  if (!order) return UNCHECKED
  const { totals, later, overtaken, slack, more } = order
  return (
    outside('references that surely came back so', Number(sure), 1, Math.max(...totals) + more) ??
    outside('those taken later', Number(since), Math.min(...later) - slack, Math.max(...later) + more) ??
    outside('the most overtaken', Number(most), 0, Math.max(...overtaken) + slack)
  )
}

function lifetimeOrder(subject: Subject, [, since, all, most = '0']: readonly string[]): Problem | typeof UNCHECKED {
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
    lifetimes.map(({ events }) => ({ taken: events[0]!.ordinal, given: events.at(-1)!.ordinal, pid: events[0]!.pid }))
  const later = (lifetimes: readonly Lifetime[], from: number) =>
    back(lifetimes).filter(each => each.taken > from).length
  const overtaken = mostOvertaken(back(sure))
  // On a page with contradictory stamps, each put may have ended a lifetime.
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

function isInterrupt({ functions }: PageEvent): boolean {
  return functions.some(name => (traitsOf(name) & StackTrait.INTERRUPT) !== 0)
}

/** Checks that a task put references of the law, and certainly none of those that were taken later. */
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
      // The pid of a put in an interrupt is that of the interrupted task.
      const isTask = subject.reading.task(event.pid) === task && !isInterrupt(event)
      any ||= isTask
      if (isTask && page.isClean && out.length > 0 && out.every(get => get.ordinal > between[1]))
        return `${task} gave one back that was taken later`
      out.shift()
    }
  }
  return any ? undefined : `${task} gives back no reference of the law`
}

/** Checks the number of gets that have references out at the end, and were overtaken by more than any that came back. */
function withOne(subject: Subject, [, gets]: readonly string[]): Problem | typeof UNCHECKED {
  const law = lawOf(subject)
  if (!law) return UNCHECKED
  const { reading } = subject
  const both = [false, true].map(isLatest => returned(reading, law, isLatest))
  const overtaken = both.map(({ back, out }) => {
    const most = mostOvertaken(back)
    return out.filter(from => back.filter(({ taken }) => taken > from).length > most).length
  })
  const slack = vagueEvents(subject, law) + unordered(reading, law) + otherWays(subject, law)
  // Of some that came back it is not known for how long they were out, so that fewer may have overtaken any that did.
  const most = Math.max(...both.map(({ out }) => out.length)) + slack
  return outside('gets that were overtaken', Number(gets), Math.min(...overtaken) - slack, most)
}

/** Checks the number of references of the law that the same task took later and put itself. */
function passedByTask(subject: Subject, [, since, most = '0', pages]: readonly string[]): Problem | typeof UNCHECKED {
  const law = lawOf(subject)
  const between = takenBetween(subject)
  const pid = accusedOf(subject.finding)?.pid
  if (!law || !between) return UNCHECKED
  const both = [false, true].map(isLatest => returned(subject.reading, law, isLatest).back)
  const slack = vagueEvents(subject, law)
  const more = otherWays(subject, law)
  const later = both.flatMap(back =>
    between.map(from => back.filter(each => each.pid === pid && each.taken > from).length),
  )
  const tasks = new Set(both.flatMap(back => back.map(each => each.pid)))
  const overtaken = both.map(back =>
    Math.max(0, ...[...tasks].map(task => mostOvertaken(back.filter(each => each.pid === task)))),
  )
  return (
    outside('those that the task took later', Number(since), Math.min(...later) - slack, Math.max(...later) + more) ??
    outside('the most overtaken', Number(most), Math.min(...overtaken) - slack, Math.max(...overtaken) + slack) ??
    (pages === undefined ? undefined : pagesWithSomeOut(subject, law, Number(pages)))
  )
}

/** Checks the number of pages on which references of a law are out at the end. */
function pagesWithSomeOut({ reading }: Subject, law: NamedLaw, said: number): Problem {
  const pages = [...reading.pages.values()]
  const takes = (event: PageEvent) => unitsUnder(law, event) > 0
  const isOut = ({ isClean, isReset, lifetimes }: Page) => {
    const last = lifetimes.at(-1)
    if (!isClean || isReset || !last || last.isComplete) return false
    return last.events.reduce((sum, event) => sum + unitsUnder(law, event), 0) > 0
  }
  return outside('pages', said, pages.filter(isOut).length, pages.filter(({ events }) => events.some(takes)).length)
}

/** Checks the number of pages that a driver at rest still holds. */
function leftOver(subject: Subject, [, pages, since, peak]: readonly string[]): Problem | typeof UNCHECKED {
  const { account, reading, finding, page } = subject
  const law = lawOf(subject)
  const between = takenBetween(subject)
  const pagemap = pagemapOf(account, finding.pfn)
  if (!law || !between || !pagemap || page.isReset) return UNCHECKED
  const all = [...reading.pages.values()].filter(({ pfn }) => pfn >= pagemap.firstPfn && pfn <= pagemap.lastPfn)
  const isInUse = (counts: readonly number[]) => counts.every(count => count > subject.idle)
  const open = (isSure: boolean) =>
    all.filter(({ events, isClean }) => {
      const last = events.at(-1)!
      return isInUse(isClean ? [last.after] : isSure ? [last.after, last.count] : [Math.max(last.after, last.count)])
    }).length
  const both = [false, true].map(isLatest => returned(reading, law, isLatest).back)
  const later = both.flatMap(back => between.map(from => back.filter(each => each.taken > from).length))
  const slack = vagueEvents(subject, law)
  const more = otherWays(subject, law)
  const peaks = both.map(mostOut)
  return (
    outside('pages in use at the end', Number(pages ?? 1), open(true), open(false)) ??
    outside('those taken later', Number(since), Math.min(...later) - slack, Math.max(...later) + more) ??
    outside('the most that were out at once', Number(peak), Math.min(...peaks) - slack, Math.max(...peaks) + slack + 1)
  )
}

/** The largest number of references that were held at once, among those that were put. */
function mostOut(back: readonly Returned[]): number {
  const steps = back.flatMap(({ taken, given }) => [
    { at: taken, by: 1 },
    { at: given, by: -1 },
  ])
  steps.sort((a, b) => a.at - b.at)
  let [out, most] = [0, 0]
  for (const { by } of steps) {
    out += by
    most = Math.max(most, out)
  }
  return most
}

export const ORDER_CHECKS: readonly Check[] = [
  check(
    /^(\d+) references of that law were taken later and have come back; of the (\d+) that came back none was overtaken(?: by more than (\d+))?$/,
    lawOrder,
  ),
  check(
    /^(\d+) references of that law were taken later and have come back; of the (\d+) that came back by puts that can be of no other none was overtaken(?: by more than (\d+))?$/,
    sureOrder,
  ),
  check(
    /^its task took (\d+) others of that law later and gave them back; a task gives back what it took, and never kept one while it gave back (?:any|more than (\d+)) that it took later(?:, but for those that are out on (\d+) pages)?$/,
    passedByTask,
  ),
  check(
    /^(?:this is the only page|these are the only (\d+) pages) in use at the end; all (\d+) references of that law that were taken later have come back, and up to (\d+) were out at once before$/,
    leftOver,
  ),
  check(
    /^(\d+) gets of that law were overtaken by more than any whose references came back: one holder who stopped may have what they took, and give it back yet$/,
    withOne,
  ),
  check(
    /^(\d+) gets of that law were overtaken by more than any whose references came back: a fault that strikes again and again looks like that, and so does a table that keeps what it takes$/,
    withOne,
  ),
  // "Pages" in the sentence means lifetimes: a page that was allocated twice counts twice.
  check(
    /^(\d+) pages were handed out later and are free again; of (\d+) lifetimes none was overtaken(?: by more than (\d+))?$/,
    lifetimeOrder,
  ),
  check(
    /^(.+), which gives back such references, has given back none that was taken later: it may still work on this one$/,
    maybeWith,
  ),
]
