// SPDX-License-Identifier: GPL-2.0-or-later
/** Sentences about other open references of a page that is in use at the end, and about later events of it or of its task. */
import { type Check, check } from './check.ts'
import { type PageEvent, TEARDOWN } from './reading.ts'
import {
  accusedOf,
  countsAbout,
  eventOf,
  eventsOf,
  openLifetime,
  outside,
  type Problem,
  type Subject,
  UNCHECKED,
} from './subject.ts'

/** Bounds for the number of references that are held on the page at the end, in addition to `leaked`. */
function othersOut({ page, finding }: Subject, leaked = finding.references): [least: number, most: number] {
  const last = page.events.at(-1)!
  const accused = accusedOf(finding)
  // A finding about a page that is merely held names one holder, some of whose references may have been put.
  const units = accused ? Math.abs(eventOf(page, accused)?.delta ?? 1) : 1
  const [few, many] = finding.kind === 'leak' ? [leaked, leaked] : [1, units]
  const counts = countsAbout(page, last)
  return [Math.min(...counts) - finding.expected - many, Math.max(...counts) - finding.expected - few]
}

function othersBack(subject: Subject, [sentence, tables]: readonly string[]): Problem | typeof UNCHECKED {
  const { page, finding } = subject
  if (page.isReset) return UNCHECKED
  const problem = outside('references that others have out', Number(tables ?? 0), ...othersOut(subject))
  if (problem) return problem
  const lifetime = openLifetime(subject)
  // If the order of stamps contradicts results, lifetimes may begin elsewhere.
  if (!sentence!.endsWith('that of the hand-out, too') || !lifetime || !page.isClean) return undefined
  const accused = accusedOf(finding)
  const own = accused ? eventsOf(page, accused) : []
  const begins = handOuts(subject)
  const isHandOut = (event: PageEvent) => event.delta > 0 && !own.includes(event) && begins.has(siteOf(event))
  return lifetime.events.some(isHandOut) ? undefined : 'it took no other reference where lifetimes of other pages begin'
}

/** Call sites at which lifetimes of other pages begin. */
function handOuts({ reading, page }: Subject): ReadonlySet<string> {
  const others = reading.lifetimes.filter(({ pfn, isComplete }) => isComplete && pfn !== page.pfn)
  return new Set(others.map(({ events }) => siteOf(events[0]!)))
}

function siteOf({ site, op }: PageEvent): string {
  return site[0] ?? `a ${op} without stack`
}

function othersAreOut(subject: Subject, [, n, verb]: readonly string[]): Problem | typeof UNCHECKED {
  const { account, page, finding } = subject
  if (page.isReset) return UNCHECKED
  if ((Number(n) === 1) !== (verb === 'is')) return `"${n} references ${verb}" is no English`
  // References that leaked under other laws have findings of their own.
  const leaks = account.findings.filter(({ kind, pfn }) => kind === 'leak' && pfn === finding.pfn)
  const leaked = leaks.reduce((sum, { references }) => sum + references, 0)
  const problem = outside('references that others have out', Number(n), ...othersOut(subject, leaked))
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

const EVICTION = /^migrate_device_(range|pfns|pfn_lock)$/

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

export const LEAK_CHECKS: readonly Check[] = [
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
