// SPDX-License-Identifier: GPL-2.0-or-later
/** Sentences about lifetimes known from probes only: allocations and frees of a page, which are paired here again. */
import { Op } from '../../src/trace/events.ts'
import { type Check, check } from './check.ts'
import type { ReadEvent } from './reading.ts'
import { accusedOf, outside, type Problem, type Subject } from './subject.ts'

/** Number of frames, from the acting one outwards, by which calls are compared. */
const SAME = 4

interface Lifetime {
  taken: ReadEvent
  given: ReadEvent | undefined
}

function lifetimesOf({ reading }: Subject): Lifetime[] {
  const open = new Map<number, Lifetime>()
  const all: Lifetime[] = []
  for (const event of reading.probes) {
    if (event.op === Op.PAGE_ALLOC) {
      const lifetime = { taken: event, given: undefined }
      open.set(event.pfn, lifetime)
      all.push(lifetime)
    } else if (event.op === Op.PAGE_FREE) {
      const lifetime = open.get(event.pfn)
      if (lifetime) lifetime.given = event
      open.delete(event.pfn)
    }
  }
  return all
}

const callsOf = ({ site }: ReadEvent) => site.slice(0, SAME).join()

/** Returns the open lifetime of the finding's page, and the closed ones of pages that were allocated by the same calls. */
function alike(subject: Subject): { own: Lifetime; closed: Lifetime[] } | undefined {
  const all = lifetimesOf(subject)
  const own = all.findLast(({ taken, given }) => taken.pfn === subject.finding.pfn && !given)
  if (!own) return undefined
  return { own, closed: all.filter(({ taken, given }) => given && callsOf(taken) === callsOf(own.taken)) }
}

/** Returns a problem if a number differs from the counted one. If events were lost, the ledger knows less than is paired here. */
function differs({ reading }: Subject, what: string, said: string | undefined, counted: number): Problem {
  return outside(what, Number(said), reading.lost.length > 0 ? 0 : counted, counted)
}

/** The largest number of later lifetimes that ended before an earlier one did. */
function mostOvertaken(closed: readonly Lifetime[]): number {
  const overtaken = closed.map(
    ({ taken, given }) =>
      closed.filter(other => other.taken.ordinal > taken.ordinal && other.given!.ordinal < given!.ordinal).length,
  )
  return Math.max(0, ...overtaken)
}

function overtakenBy(subject: Subject, [, since, returned, most = '0']: readonly string[]): Problem {
  const known = alike(subject)
  if (!known) return 'the page is not out'
  const { own, closed } = known
  const later = closed.filter(({ taken }) => taken.ordinal > own.taken.ordinal).length
  return (
    differs(subject, 'lifetimes that began later and ended', since, later) ??
    differs(subject, 'lifetimes that ended', returned, closed.length) ??
    differs(subject, 'the most that one was overtaken', most, mostOvertaken(closed))
  )
}

function byItsTask(subject: Subject, [, since, most = '0']: readonly string[]): Problem {
  const known = alike(subject)
  if (!known) return 'the page is not out'
  const { own, closed } = known
  if (closed.some(({ taken, given }) => taken.pid !== given!.pid)) return 'a page was given back by another task'
  const tasks = groupedByTask(closed)
  const later = (tasks.get(own.taken.pid) ?? []).filter(({ taken }) => taken.ordinal > own.taken.ordinal).length
  return (
    differs(subject, 'pages that the task got later', since, later) ??
    differs(subject, 'the most that a task passed over', most, Math.max(0, ...[...tasks.values()].map(mostOvertaken)))
  )
}

function groupedByTask(lifetimes: readonly Lifetime[]): Map<number, Lifetime[]> {
  const tasks = new Map<number, Lifetime[]>()
  for (const each of lifetimes) tasks.set(each.taken.pid, [...(tasks.get(each.taken.pid) ?? []), each])
  return tasks
}

function leftOver(subject: Subject, [, pages, since, peak]: readonly string[]): Problem {
  const known = alike(subject)
  if (!known) return 'the page is not out'
  const { own, closed } = known
  const out = lifetimesOf(subject).filter(({ given }) => !given)
  const later = closed.filter(({ taken }) => taken.ordinal > own.taken.ordinal).length
  const mostOut = Math.max(
    ...closed.map(
      ({ taken }) =>
        closed.filter(other => other.taken.ordinal <= taken.ordinal && other.given!.ordinal > taken.ordinal).length,
    ),
  )
  return (
    outside('pages that are out', Number(pages ?? 1), new Set(out.map(({ taken }) => taken.pfn)).size) ??
    differs(subject, 'lifetimes that began later and ended', since, later) ??
    differs(subject, 'pages that were out at once', peak, mostOut)
  )
}

function atExit(subject: Subject, [, pages]: readonly string[]): Problem {
  const known = alike(subject)
  if (!known) return 'the page is not out'
  const { own, closed } = known
  const given = closed.filter(
    ({ taken, given }) =>
      taken.pid === own.taken.pid && given!.pid === taken.pid && given!.functions.includes('do_exit'),
  )
  const isBetween =
    given.some(({ taken }) => taken.ordinal < own.taken.ordinal) &&
    given.some(({ taken }) => taken.ordinal > own.taken.ordinal)
  return isBetween
    ? outside('pages given back at the exit', Number(pages), given.length)
    : 'the exit passed nothing over'
}

function cameBack(subject: Subject, [, closed, out]: readonly string[]): Problem {
  const all = lifetimesOf(subject)
  const time = accusedOf(subject.finding)!.time
  const open = new Set(all.filter(({ given }) => !given).map(({ taken }) => taken.pfn)).size
  return (
    outside('lifetimes that ended', Number(closed), 1, all.filter(({ given }) => given).length) ??
    (out === undefined ? undefined : outside('pages that are out', Number(out), 1, open)) ??
    (all.some(({ taken }) => taken.time === time) ? undefined : 'the page was not handed out then')
  )
}

/** Checks that no page of the range of the waiting call was seen to be allocated and not freed. */
function nobodyOut(subject: Subject): Problem {
  const { reading } = subject
  const call = reading.probes.findLast(({ op }) => op === Op.MEMUNMAP)
  if (!call) return 'memunmap_pages() was not entered'
  const isIn = (pfn: number) => pfn >= call.pfn && pfn < call.pfn + call.val
  return lifetimesOf(subject).some(({ taken, given }) => !given && isIn(taken.pfn)) ? 'a page is out' : undefined
}

const hasNoCounts = ({ reading, finding }: Subject): Problem =>
  reading.pages.has(finding.pfn) ? 'the page has page_ref events' : undefined

export const LIFETIME_CHECKS: readonly Check[] = [
  check(
    /^(\d+) pages that the same calls handed out later have come back; of the (\d+) that came back none was overtaken(?: by more than (\d+))?$/,
    overtakenBy,
  ),
  check(
    /^its task was handed (\d+) pages by the same calls later and gave them back; no task kept one while it gave back (?:any|more than (\d+)) that it was handed later$/,
    byItsTask,
  ),
  check(
    /^(?:this is the only page|these are the only (\d+) pages) out at the end; all (\d+) pages that the same calls handed out later have come back, and up to (\d+) (?:was|were) out at once before$/,
    leftOver,
  ),
  check(
    /^its task exited, which gave back (\d+) pages that it had been handed by the same calls, some before this one and some after it$/,
    atExit,
  ),
  check(/^(\d+) pages came back before, and (?:none but this one is|(\d+) are) out$/, cameBack),
  check(/^no count was recorded: that the page is out is known, not whose reference keeps it, .+$/, hasNoCounts),
  check(
    /^no page of the range is known to be out: it waits for one that was handed out before the recording, or .+$/,
    nobodyOut,
  ),
]
