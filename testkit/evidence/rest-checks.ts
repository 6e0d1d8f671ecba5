// SPDX-License-Identifier: GPL-2.0-or-later
/** Sentences about references that watched pages had before the recording: who put the last one, and who used the page later. */
import { type Check, check } from './check.ts'
import type { Page, PageEvent } from './reading.ts'
import {
  accusedOf,
  eventOf,
  isAt,
  isSpan,
  lawOf,
  type NamedLaw,
  outside,
  type Problem,
  type Subject,
  UNCHECKED,
  unitsUnder,
} from './subject.ts'

/** Returns the put that left the page without a reference: at the accused event or later, or for a use of the page before it. */
function lastPut({ finding, page }: Subject): PageEvent | undefined {
  const actor = accusedOf(finding)
  const accused = actor && eventOf(page, actor)
  // A finding about the use of a free page accuses the user.
  const isUse = finding.kind !== 'surplus-put'
  const isIt = ({ ordinal }: PageEvent) => accused && (isUse ? ordinal <= accused.ordinal : ordinal >= accused.ordinal)
  return page.events.find(event => event.delta < 0 && event.after === 0 && isIt(event))
}

function freedIt(subject: Subject): Problem {
  return lastPut(subject) ? undefined : 'no put left the page without a reference'
}

function freedAt(subject: Subject, [, site]: readonly string[]): Problem {
  const put = lastPut(subject)
  if (!put) return 'no put left the page without a reference'
  return isAt(put, site!) ? undefined : `it is at ${put.site.join(' < ')}`
}

function usedLater(subject: Subject, [, site, what, span]: readonly string[]): Problem {
  const put = lastPut(subject)
  if (!put) return 'no put left the page without a reference'
  const isUse = ({ ordinal, delta }: PageEvent) => ordinal > put.ordinal && (what === 'put it' ? delta < 0 : delta > 0)
  const uses = subject.page.events.filter(event => isUse(event) && isAt(event, site!))
  if (uses.length === 0) return `nobody did so at ${site} afterwards`
  return uses.some(({ time }) => isSpan(span!, time - put.time)) ? undefined : 'it was at another time'
}

/** Number of uses of a page under a law from which on the law describes how the page is used. */
const USED = 3

/** Returns the first event that left a page with fewer references than at rest. */
function fallOf({ events }: Page): PageEvent | undefined {
  return events.find(({ after }) => after < events[0]!.before!)
}

/** Number of intervals between counts at rest in which references of the law were taken. */
function usesOf(events: readonly PageEvent[], rest: number, law: NamedLaw): number {
  let uses = 0
  let isUnder = false
  for (const event of events) {
    isUnder ||= unitsUnder(law, event) > 0
    if (event.after !== rest) continue
    if (isUnder) uses++
    isUnder = false
  }
  return uses
}

function fellThen(subject: Subject, [, rest, left, others, same]: readonly string[]): Problem {
  const { page, reading } = subject
  const [law, fall] = [lawOf(subject), fallOf(page)]
  if (!law || !fall) return 'its count did not fall below that at rest'
  const lowest = Math.min(...page.events.map(({ after }) => after))
  const used = [...reading.pages.values()].filter(
    ({ pfn, events }) => pfn !== page.pfn && usesOf(events, events[0]!.before!, law) > 0,
  )
  const steady = used.filter(({ events }) => events[0]!.before === Number(rest) && !fallOf({ events } as Page))
  if (steady.length < used.length || same !== rest) return 'other pages do not keep that count'
  return (
    outside('its count at rest', Number(rest), page.events[0]!.before!) ??
    outside('what is left', Number(left), lowest) ??
    outside('pages', Number(others), steady.filter(({ events }) => usesOf(events, Number(rest), law) >= USED).length)
  )
}

/** Counts the references that were taken and put under a law, and the most that overtook one. @param pid of one task, or all */
function orderOf(events: readonly PageEvent[], law: NamedLaw, pid: number | undefined) {
  const taken: { pfn: number; overtaken: number }[] = []
  let [returned, most] = [0, 0]
  for (const event of events) {
    const units = pid === undefined || event.pid === pid ? unitsUnder(law, event) : 0
    if (units > 0) taken.push({ pfn: event.pfn, overtaken: 0 })
    if (units >= 0) continue
    const at = taken.findIndex(({ pfn }) => pfn === event.pfn)
    if (at < 0) continue
    most = Math.max(most, taken[at]!.overtaken)
    returned++
    for (const earlier of taken.slice(0, at)) earlier.overtaken++
    taken.splice(at, 1)
  }
  return { returned, most }
}

function wouldBeOvertaken(subject: Subject, [, since, whose, most]: readonly string[]): Problem | typeof UNCHECKED {
  const actor = accusedOf(subject.finding)
  const [law, put] = [lawOf(subject), actor && eventOf(subject.page, actor)]
  if (!law || !put) return UNCHECKED
  const others = [...subject.reading.pages.values()].filter(page => page !== subject.page)
  const events = others.flatMap(page => page.events).sort((a, b) => a.ordinal - b.ordinal)
  const pid = whose === 'its task' ? put.pid : undefined
  const before = orderOf(
    events.filter(({ ordinal }) => ordinal < put.ordinal),
    law,
    pid,
  )
  // References that were open at the time of the put may or may not be counted.
  const wrong = outside('later references', Number(since), before.returned - 2, before.returned + 2)
  if (wrong !== undefined || pid === undefined) return wrong
  const pids = new Set(events.map(event => event.pid))
  return outside('the most', Number(most), Math.max(...[...pids].map(each => orderOf(events, law, each).most)))
}

function usedOn(subject: Subject, [, lifetimes]: readonly string[]): Problem {
  const [law, fall] = [lawOf(subject), fallOf(subject.page)]
  if (!law || !fall) return 'its count did not fall below that at rest'
  const later = subject.page.events.filter(({ ordinal }) => ordinal > fall.ordinal)
  // The put that lowered the count may be one event off, if two CPUs used the page.
  const uses = usesOf(later, fall.after, law)
  return outside('later lifetimes', Number(lifetimes), uses - 1, uses + 1)
}

/** Checks that the task had taken a reference under the law before, and had not put it. */
function gaveBackItsOwn({ page }: Subject, [, site]: readonly string[]): Problem {
  const fall = fallOf(page)
  if (!fall || !isAt(fall, site!)) return `the count did not fall by ${site}`
  const own = page.events.filter(({ ordinal, pid }) => ordinal < fall.ordinal && pid === fall.pid)
  return own.reduce((sum, { delta }) => sum + delta, 0) > 0 ? undefined : 'its task had taken nothing'
}

function wasRead({ page }: Subject, [, count]: readonly string[]): Problem {
  return outside('its count after the fall', Number(count), fallOf(page)?.after ?? -1)
}

export const REST_CHECKS: readonly Check[] = [
  check(/^it put the last reference, which was held since before the recording, and the page was freed$/, freedIt),
  check(/^so that (.+) put the last reference, and the page was freed$/, freedAt),
  check(/^(.+) put the last reference, which was held since before the recording$/, freedAt),
  check(
    /^(.+) (took a reference to it|put it) (-?[\d.]+ \w+) later, and nothing had handed it out to that use$/,
    usedLater,
  ),
  check(
    /^at rest its count was (\d+) before, and is (\d+) since, while the (\d+) other pages that are used under this law have (\d+) all the time$/,
    fellThen,
  ),
  check(
    /^a reference that was out when the recording began would have been overtaken by (\d+) that (its task|others) took later on other pages, where none that came back was by more than (\d+)$/,
    wouldBeOvertaken,
  ),
  check(/^the page was used on: it has (\d+) later lifetimes under this law$/, usedOn),
  check(/^(.+) only gave back, later, what it had taken$/, gaveBackItsOwn),
  check(/^its count was read after the recording, too: it was (-?\d+)$/, wasRead),
]
