// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sentences about surplus puts and contradictory counts. A page's count is the sum of its events in the order of their stamps. If
 * that order contradicts a result, a count may be off by operations of other CPUs within the time that a stamp can lag, so that
 * it is checked against all counts of that interval.
 */
import { Op } from '../../src/trace/events.ts'
import { type Check, check, type Recompute } from './check.ts'
import { lawCountsIn } from './law-checks.ts'
import type { PageEvent } from './reading.ts'
import {
  accusedOf,
  countsAbout,
  eventsOf,
  isAt,
  isAtAny,
  isSpan,
  lawOf,
  lawSiteName,
  outside,
  type Problem,
  type Subject,
  UNCHECKED,
  unitsUnder,
} from './subject.ts'

/** Checks the event of the culprit or first candidate. Of several events with that stamp, one has to pass. */
function ofAccused(
  recompute: (subject: Subject, match: readonly string[], event: PageEvent) => Problem | typeof UNCHECKED,
): Recompute {
  return (subject, match) => {
    const actor = accusedOf(subject.finding)
    const problems = (actor ? eventsOf(subject.page, actor) : []).map(event => recompute(subject, match, event))
    if (problems.length === 0) return 'the accused event is none of the page'
    return problems.includes(undefined) ? undefined : problems[0]
  }
}

/** Events within the times of the finding's lifetime. */
function lifetimeEvents({ finding: { life }, page }: Subject): PageEvent[] {
  const [from, to] = [life.began ?? -Infinity, life.ended ?? Infinity]
  return page.events.filter(({ time, delta }) => time >= from && time <= to && delta !== 0)
}

/** Returns a problem if the page cannot have had the stated count before the event. */
function countBefore(subject: Subject, event: PageEvent, said: number): Problem {
  const { page } = subject
  if (event.before === said) return undefined
  const possible = countsAbout(page, event)
  if (!page.isClean && said >= Math.min(...possible) && said <= Math.max(...possible)) return undefined
  return outside('the count before it', said, event.before!)
}

// --- a put too many ---------------------------------------------------------------------------------------------------------------

function nothingToGiveBack({ account }: Subject, [, name]: readonly string[]): Problem {
  return account.laws.some(law => lawCountsIn(law, name!)) ? `a law has a put at ${name}` : undefined
}

function nothingTaken(subject: Subject): Problem | typeof UNCHECKED {
  const law = lawOf(subject)
  if (!law || subject.page.isReset) return UNCHECKED
  const taken = lifetimeEvents(subject).filter(event => unitsUnder(law, event) > 0)
  return taken.length > 0 ? `${taken.length} events of the lifetime took something under the law` : undefined
}

function takenAndGiven(subject: Subject, [, taken, verb, given]: readonly string[]): Problem | typeof UNCHECKED {
  const law = lawOf(subject)
  if (!law || subject.page.isReset) return UNCHECKED
  if ((Number(taken) === 1) !== (verb === 'was')) return `"${taken} ${verb} taken" is no English`
  const units = lifetimeEvents(subject).map(event => unitsUnder(law, event))
  const sum = (sign: 1 | -1) => units.reduce((all, n) => all + Math.max(0, n * sign), 0)
  return (
    outside('references taken under the law', Number(taken), sum(1)) ??
    outside('references given back', Number(given), sum(-1))
  )
}

function wereOut(
  subject: Subject,
  [, out, , name, given]: readonly string[],
  put: PageEvent,
): Problem | typeof UNCHECKED {
  const law = lawOf(subject)
  if (!law || !subject.page.isClean) return UNCHECKED
  if (!isAt(put, name!)) return `the put is not at ${name}`
  const before = lifetimeEvents(subject).filter(({ ordinal }) => ordinal < put.ordinal)
  const sum = before.reduce((all, event) => all + unitsUnder(law, event), 0)
  return (
    outside('references of the law that were out', Number(out), sum) ??
    outside('what the put gave back', Number(given), -put.delta)
  )
}

function endedEarly({ finding, page }: Subject, [, name, span]: readonly string[]): Problem {
  const { ended } = finding.life
  if (ended === undefined) return 'the lifetime has no end'
  const later = page.events.filter(event => event.time > ended && event.delta < 0 && isAt(event, name!))
  if (later.length === 0) return `${name} put nothing after the lifetime`
  return later.some(({ time }) => isSpan(span!, time - ended))
    ? undefined
    : `no put of ${name} came ${span} after the lifetime`
}

function withoutHandOut(subject: Subject): Problem {
  const [first] = lifetimeEvents(subject)
  return first?.op === Op.SET ? 'the lifetime began with a set of the count' : undefined
}

function neverHandedOut(
  { account, page }: Subject,
  [, name, span]: readonly string[],
  { time: from, ordinal }: PageEvent,
): Problem {
  const law = account.laws.find(each => lawCountsIn(each, name!))
  if (!law) return `no law has a put at ${name}`
  const isIt = (event: PageEvent) => event.delta < 0 && isAt(event, name!) && isSpan(span!, event.time - from)
  const put = page.events.find(event => event.ordinal > ordinal && isIt(event))
  if (!put) return `no put of ${name} came ${span} later`
  const gets = law.gets.map(site => site && lawSiteName(site)).filter(site => site !== undefined)
  const isBetween = (event: PageEvent) => event.ordinal > ordinal && event.ordinal < put.ordinal
  return page.events.some(event => isBetween(event) && isAtAny(event, gets))
    ? 'the page was handed out in between'
    : undefined
}

// --- what contradicted ------------------------------------------------------------------------------------------------------------

function cameLater(subject: Subject, [, name, span, count]: readonly string[]): Problem {
  const { finding, page } = subject
  const since = accusedOf(finding)!.time
  const met = page.events.filter(event => isAt(event, name!) && isSpan(span!, event.time - since))
  if (met.length === 0) return `no event of the page at ${name} came ${span} later`
  const problems = met.map(event => countBefore(subject, event, Number(count)))
  return problems.includes(undefined) ? undefined : problems[0]
}

function countOfPut(subject: Subject, [, count, idle]: readonly string[], put: PageEvent): Problem {
  if (put.delta >= 0) return 'the accused event is no put of the page'
  return countBefore(subject, put, Number(count)) ?? outside('the count of an idle page', Number(idle), subject.idle)
}

function countOfGet(subject: Subject, [, count, sets]: readonly string[], get: PageEvent): Problem {
  const { account, finding, idle, reading } = subject
  if (get.delta <= 0) return 'the accused event took nothing'
  const problem = countBefore(subject, get, Number(count)) ?? outside('the count of an idle page', Number(count), idle)
  if (problem || sets === undefined) return problem
  const pagemap = account.pagemaps.find(map => finding.pfn >= map.firstPfn && finding.pfn <= map.lastPfn)
  const all = [...reading.pages.values()].filter(
    ({ pfn }) => pagemap && pfn >= pagemap.firstPfn && pfn <= pagemap.lastPfn,
  )
  const handOuts = (page: (typeof all)[number]) =>
    page.events.filter(event => event.op === Op.SET && event.val > 0 && event.before === idle).length
  const sure = all.filter(({ isClean }) => isClean).reduce((sum, page) => sum + handOuts(page), 0)
  const most = all.reduce((sum, page) => sum + page.events.filter(({ op }) => op === Op.SET).length, 0)
  // For pages that were set up during the recording, the first set is part of the set-up and not counted.
  return outside(
    'sets that hand out',
    Number(sets),
    Math.min(sure, Number(sets) === sure ? sure : sure - all.length),
    most,
  )
}

function handedOutHeld(subject: Subject, [, count, out]: readonly string[], set: PageEvent): Problem {
  if (set.op !== Op.SET) return 'the accused event is no set'
  return (
    countBefore(subject, set, Number(count)) ??
    outside('references that were out', Number(out), Number(count) - subject.idle)
  )
}

function setAgain(_: Subject, __: readonly string[], { op, delta, val, before }: PageEvent): Problem {
  return op === Op.SET && delta === 0 ? undefined : `the accused event sets ${val} where the count was ${before}`
}

function setWhileHeld(subject: Subject, [, val, count, out]: readonly string[], set: PageEvent): Problem {
  if (set.val !== Number(val)) return `the event sets ${set.val}`
  return handedOutHeld(subject, ['', count!, out!], set)
}

function resultDiffers(subject: Subject, [, count, val, what]: readonly string[], event: PageEvent): Problem {
  if (event.val !== Number(val)) return `the event's value is ${event.val}`
  const result =
    event.op === Op.MOD_AND_RETURN ? `returned ${event.ret}` : event.ret !== 0 ? 'hit zero' : 'did not hit zero'
  if (result !== what) return `the event ${result}`
  // If the order of stamps gives no other count, the count before the event is the one that its own result implies.
  return event.before === Number(count) || !subject.page.isClean
    ? undefined
    : outside('the count before it', Number(count), event.before!)
}

function lastPut(subject: Subject, [, span, name]: readonly string[], accused: PageEvent): Problem {
  const { page, idle } = subject
  const before = page.events.filter(({ ordinal, delta }) => ordinal < accused.ordinal && delta < 0)
  const met = before.filter(event => isAt(event, name!) && isSpan(span!, accused.time - event.time))
  if (met.length === 0) return `no put of the page at ${name} came ${span} before`
  const isLast = !page.isClean || met.some(({ after }) => after === idle)
  return isLast ? undefined : `the put left ${met.map(({ after }) => after).join(' or ')}`
}

function onlyOne(subject: Subject, _: readonly string[], accused: PageEvent): Problem {
  const site = accused.site.slice(0, 4).join(' from ')
  const all = subject.reading.events.filter(
    event => event.site.slice(0, 4).join(' from ') === site && event.op === accused.op,
  )
  return all.length > 1 ? `${all.length} events of the recording are of this call site` : undefined
}

function freedTwice(subject: Subject): Problem {
  const { page, idle } = subject
  let ends = 0
  for (const { op, after, delta, val } of page.events) {
    if (op === Op.SET && val > idle) ends = 0
    else if (delta < 0 && after === idle) ends++
    if (ends >= 2) return undefined
  }
  return page.isClean ? 'between any two times at which it became free it was handed out' : undefined
}

export const COUNT_CHECKS: readonly Check[] = [
  check(/^no law of the recording says what was taken that (.+) gives back$/, nothingToGiveBack),
  check(/^in this lifetime(?: and those after it)? nothing was taken under that law$/, nothingTaken),
  check(
    /^in this lifetime(?: and those after it)? (\d+) references? (was|were) taken under that law, and (\d+) given back$/,
    takenAndGiven,
  ),
  check(/^(\d+) references? of it (was|were) out when (.+) gave back (\d+)$/, ofAccused(wereOut)),
  check(
    /^that ended the lifetime early: (.+) gave back (\S+ \w+) after its end what had been taken in it$/,
    endedEarly,
  ),
  check(/^nothing had handed the page out: it was taken into use without its initialisation$/, withoutHandOut),
  check(
    /^(.+) gave the page back (\S+ \w+) later, which nothing had handed out under that law: it may be in use without .+$/,
    ofAccused(neverHandedOut),
  ),
  check(/^(.+), which came (\S+ \w+) later, found the count at (-?\d+), as if nobody held the page$/, cameLater),
  check(/^the count was (-?\d+) when this put came; a page that nobody holds stands at (\d+)$/, ofAccused(countOfPut)),
  check(
    /^the count was (-?\d+), that of an idle page, and only (?:a set of the count \((\d+) in this pagemap\)|the core) takes such a page into use$/,
    ofAccused(countOfGet),
  ),
  check(
    /^the page was handed out while its count was (-?\d+), so (\d+) references? to it (?:was|were) out$/,
    ofAccused(handedOutHeld),
  ),
  check(/^this set left the count as it was, so that two owners share one reference$/, ofAccused(setAgain)),
  check(
    /^the count was set to (\d+) while it was (-?\d+), so (\d+) references? to it (?:was|were) out$/,
    ofAccused(setWhileHeld),
  ),
  check(
    /^by all recorded events the count was (-?\d+) before this one \((-?\d+)\), yet it (.+): the count was changed without an event$/,
    ofAccused(resultDiffers),
  ),
  check(/^its last reference had been put (\S+ \w+) before by (.+)$/, ofAccused(lastPut)),
  check(/^no other reference in the recording was taken here$/, ofAccused(onlyOne)),
  check(/^its count became that of a free page twice, and nothing had handed it out in between$/, freedTwice),
]
