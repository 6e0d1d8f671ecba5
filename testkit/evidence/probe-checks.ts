// SPDX-License-Identifier: GPL-2.0-or-later
/** Sentences about probes, and about page faults that are retried. */
import { Op } from '../../src/trace/events.ts'
import { type Check, check } from './check.ts'
import type { ReadEvent } from './reading.ts'
import { accusedOf, isSpan, outside, type Problem, type Subject, UNCHECKED } from './subject.ts'

/** Events of the page, probes included. */
function about({ reading, page }: Subject): ReadEvent[] {
  return [...page.events, ...reading.probes.filter(({ pfn, op }) => pfn === page.pfn && op < Op.MEMUNMAP)]
}

/** The time of the event that a finding is about. */
function timeOf({ finding }: Subject): number | undefined {
  return accusedOf(finding)?.time
}

/** Returns a page_free() of the page by the task, `span` before the finding's event. */
function freedBy(subject: Subject, task: string | undefined, span: string): ReadEvent | undefined {
  const time = timeOf(subject)
  return subject.reading.probes.find(
    each =>
      each.op === Op.PAGE_FREE &&
      each.pfn === subject.page.pfn &&
      (task === undefined || subject.reading.task(each.pid) === task) &&
      time !== undefined &&
      isSpan(span, time - each.time),
  )
}

function isFree(subject: Subject, [, task, , span, what]: readonly string[]): Problem {
  const freed = freedBy(subject, task, span!)
  if (!freed) return `no lastput_free of the page by ${task} came ${span} before`
  const time = timeOf(subject)!
  const isBetween = (each: ReadEvent) => each.time > freed.time && each.time < time
  const isHandOut = (each: ReadEvent) =>
    each.op === Op.PAGE_ALLOC || (what !== 'alloc' && each.op === Op.SET && each.val > 0)
  const handOut = about(subject).find(each => isBetween(each) && isHandOut(each))
  // The set by the core itself belongs to the preceding page_free(), and is no allocation.
  return handOut && handOut.pid !== freed.pid ? `the page was handed out at ${handOut.time}` : undefined
}

function sameTaskFreed(subject: Subject, [, span]: readonly string[]): Problem {
  const freed = freedBy(subject, undefined, span!)
  if (!freed) return `no lastput_free of the page came ${span} before`
  return freed.pid === accusedOf(subject.finding)?.pid ? undefined : 'another task gave it back'
}

function handedTo(subject: Subject, [, task, span]: readonly string[]): Problem {
  const time = timeOf(subject)!
  const handed = about(subject).some(
    each =>
      (each.op === Op.PAGE_ALLOC || each.op === Op.SET) &&
      subject.reading.task(each.pid) === task &&
      isSpan(span!, time - each.time),
  )
  return handed ? undefined : `${task} was not handed the page ${span} before`
}

function foundZero({ page }: Subject): Problem {
  return page.events.some(({ count, delta }) => count - delta === 0) ? undefined : 'nobody found the count at 0'
}

function wereHeld(subject: Subject): Problem | typeof UNCHECKED {
  const { page, idle, reading } = subject
  const time = timeOf(subject)!
  const freed = reading.probes.findLast(each => each.op === Op.PAGE_FREE && each.pfn === page.pfn && each.time <= time)
  const last = freed && page.events.findLast(each => each.time <= freed.time)
  if (!last || page.isReset) return UNCHECKED
  return last.after > idle ? undefined : 'the page was idle when it was given back'
}

function basePut(subject: Subject, [, left]: readonly string[]): Problem {
  const time = timeOf(subject)!
  const put =
    subject.page.events.find(each => each.time === time) ?? subject.page.events.findLast(each => each.time <= time)
  return put
    ? outside(
        'the count that the put left',
        Number(left),
        Math.min(put.count, put.after),
        Math.max(put.count, put.after),
      )
    : 'there is no put'
}

function wasMapped({ page }: Subject): Problem {
  return page.events.some(({ mapcount }) => mapcount >= 0) ? undefined : 'no event of the page found it mapped'
}

function lastPutWas({ page, reading }: Subject, [, task]: readonly string[]): Problem {
  return page.events.some(({ pid, delta }) => delta < 0 && reading.task(pid) === task)
    ? undefined
    : `${task} put nothing`
}

// --- memunmap_pages() ---------------------------------------------------------------------------------------------------------

/** Calls of memunmap_pages() for the page's range, from probes. */
function teardowns({ reading, finding }: Subject): { entered: ReadEvent; returned: ReadEvent | undefined }[] {
  return reading.probes
    .filter(({ op, pfn, val }) => op === Op.MEMUNMAP && (val === 0 || (finding.pfn >= pfn && finding.pfn < pfn + val)))
    .map(entered => ({
      entered,
      returned: reading.probes.find(
        ({ op, pid, time }) => op === Op.MEMUNMAP_END && pid === entered.pid && time >= entered.time,
      ),
    }))
}

function hasNotReturned(subject: Subject, [, task, span]: readonly string[]): Problem {
  const { reading } = subject
  const met = teardowns(subject).find(
    ({ entered }) => reading.task(entered.pid) === task && isSpan(span!, reading.endTime - entered.time),
  )
  if (!met) return `${task} did not enter memunmap_pages() ${span} before the end`
  return met.returned ? 'it has returned' : undefined
}

function hadEntered(subject: Subject, [, task, span]: readonly string[]): Problem {
  const time = timeOf(subject)!
  const met = teardowns(subject).some(
    ({ entered }) => subject.reading.task(entered.pid) === task && isSpan(span!, time - entered.time),
  )
  return met ? undefined : `${task} had not entered memunmap_pages() ${span} before`
}

function hadReturned(subject: Subject, [, span]: readonly string[]): Problem {
  const time = timeOf(subject)!
  const met = teardowns(subject).some(({ returned }) => returned && isSpan(span!, time - returned.time))
  return met ? undefined : `memunmap_pages() had not returned ${span} before`
}

/** Events on pages of the range after a call of memunmap_pages() was entered or, with `isReturn`, after it returned. */
function eventsSince(subject: Subject, isReturn: boolean, isOf: (event: ReadEvent) => boolean): number[] {
  return teardowns(subject).map(({ entered, returned }) => {
    const from = isReturn ? returned?.time : entered.time
    const isIn = ({ pfn }: ReadEvent) => entered.val === 0 || (pfn >= entered.pfn && pfn < entered.pfn + entered.val)
    return subject.reading.events.filter(event => from !== undefined && event.time > from && isIn(event) && isOf(event))
      .length
  })
}

function handedOutSince(subject: Subject, [, n]: readonly string[]): Problem {
  const counts = eventsSince(subject, false, ({ op, val }) => op === Op.PAGE_ALLOC || (op === Op.SET && val > 0))
  return outside('hand-outs since then', Number(n), 0, Math.max(0, ...counts))
}

function lateEvents(subject: Subject, [, n]: readonly string[]): Problem {
  const counts = eventsSince(subject, true, ({ op }) => op < Op.MEMUNMAP)
  return outside('events since then', Number(n), 0, Math.max(0, ...counts))
}

function nextEvent(subject: Subject, [, span]: readonly string[]): Problem {
  const met = teardowns(subject).some(
    ({ returned }) => returned && about(subject).some(({ time }) => isSpan(span!, time - returned.time)),
  )
  return met ? undefined : `no event of the page came ${span} after memunmap_pages() had returned`
}

function nothingSince(subject: Subject, [, span]: readonly string[]): Problem {
  const { reading } = subject
  const met = teardowns(subject).find(({ returned }) => returned && isSpan(span!, reading.endTime - returned.time))
  if (!met) return `memunmap_pages() did not return ${span} before the end`
  const later = subject.page.events.filter(({ time }) => time > met.returned!.time)
  return later.length > 0 ? `${later.length} events of the page came since` : undefined
}

function inUse(_: Subject, [, pages, references]: readonly string[]): Problem {
  return Number(pages) > 0 && Number(references) >= Number(pages) ? undefined : 'fewer references than pages'
}

function stillHanded(subject: Subject, [, task, , span, mapped]: readonly string[]): Problem {
  const { page, reading } = subject
  const met = teardowns(subject).some(
    ({ returned }) =>
      returned &&
      about(subject).some(
        each =>
          (each.op === Op.PAGE_ALLOC || each.op === Op.SET) &&
          reading.task(each.pid) === task &&
          isSpan(span!, returned.time - each.time),
      ),
  )
  if (!met) return `${task} was not handed the page ${span} before memunmap_pages() returned`
  return mapped !== undefined && !page.events.some(({ mapcount }) => mapcount >= 0)
    ? 'no event found the page mapped'
    : undefined
}

function holder(subject: Subject, [, , name, task, span]: readonly string[]): Problem {
  const met = teardowns(subject).some(
    ({ returned }) =>
      returned &&
      subject.page.events.some(
        each =>
          each.delta > 0 &&
          isFunction(each, name!) &&
          subject.reading.task(each.pid) === task &&
          isSpan(span!, returned.time - each.time),
      ),
  )
  return met ? undefined : `${name} took nothing in ${task} ${span} before memunmap_pages() returned`
}

function isFunction({ site }: ReadEvent, name: string): boolean {
  return name === 'a site without stack' ? site.length === 0 : site[0]?.replace(/\+0x[0-9a-f]+$/, '') === name
}

function noReturn({ reading }: Subject): Problem {
  return reading.probes.some(({ op }) => op === Op.MEMUNMAP_END) ? 'a lastput_memunmap_end was recorded' : undefined
}

function nobodyInUse(subject: Subject): Problem {
  const { account, reading } = subject
  const [call] = teardowns(subject)
  if (!call) return 'memunmap_pages() was not entered'
  const { entered } = call
  const held = [...reading.pages.values()].filter(({ pfn, events, isReset }) => {
    const idle = account.pagemaps.find(map => pfn >= map.firstPfn && pfn <= map.lastPfn)?.idleCount ?? 0
    const last = events.at(-1)!
    return !isReset && pfn >= entered.pfn && pfn < entered.pfn + entered.val && last.after > idle
  })
  return held.length > 0 ? `${held.length} pages of the range stand above the count of an idle one` : undefined
}

// --- faults that are tried again ----------------------------------------------------------------------------------------------

function tried({ page, reading }: Subject, [, task, times, span]: readonly string[]): Problem {
  const own = page.events.filter(
    ({ pid, delta, functions }) =>
      reading.task(pid) === task && delta > 0 && functions.some(name => name.startsWith('do_swap_page')),
  )
  const sites = new Set(own.map(siteText))
  const isMet = [...sites].some(site => {
    const all = own.filter(event => siteText(event) === site)
    const last = all.slice(-Number(times))
    return last.length === Number(times) && isSpan(span!, last.at(-1)!.time - last[0]!.time)
  })
  if (!isMet) return `${task} did not try ${times} times within ${span}: ${own.length} gets of its faults`
  return undefined
}

const siteText = ({ site }: ReadEvent) => site.slice(0, 4).join(' from ')

function outFrom({ page, reading }: Subject, [, , name, task]: readonly string[]): Problem {
  const taken = page.events.some(each => each.delta > 0 && isFunction(each, name!) && reading.task(each.pid) === task)
  return taken ? undefined : `${name} took nothing in ${task}`
}

const heldEarlier = ({ page, idle }: Subject): Problem =>
  page.events[0]!.before! > idle ? undefined : 'the page was idle when the recording began'

const isTrue = (): Problem => undefined

export const PROBE_CHECKS: readonly Check[] = [
  check(
    /^(.+) \((.+)\) had given the page back (\S+ \w+) before, and no lastput_(alloc) has come for it since$/,
    isFree,
  ),
  check(/^(.+) \((.+)\) had given the page back (\S+ \w+) before, and nothing has handed it out since$/, isFree),
  check(/^references to the page were out when it was given back$/, wereHeld),
  check(/^the same task had given the page back (\S+ \w+) before, by .+$/, sameTaskFreed),
  check(/^(.+) had been handed the page (\S+ \w+) before$/, handedTo),
  check(/^the new owner found the count at 0, so that this set, which was stamped later, came later$/, foundZero),
  check(
    /^memunmap_pages\(\) put the page's base reference, and that left (-?\d+): a user's, so that the page is not free$/,
    basePut,
  ),
  check(/^the put before found the page mapped by a page table, which must have a reference of its own$/, wasMapped),
  check(
    /^(.+) put the last reference that was counted; the page had been handed to another by then, who took a reference before page_free\(\) was called$/,
    lastPutWas,
  ),
  check(/^(.+) entered memunmap_pages\(\) (\S+ \w+) before the recording ends, and has not returned$/, hasNotReturned),
  check(/^(.+) had entered memunmap_pages\(\) (\S+ \w+) before$/, hadEntered),
  check(/^(\d+) pages of the range were handed out since then$/, handedOutSince),
  check(/^memunmap_pages\(\) had returned (\S+ \w+) before$/, hadReturned),
  check(/^(\d+) events of pages of the range came since then$/, lateEvents),
  check(/^the page's next event came (\S+ \w+) after memunmap_pages\(\) had returned$/, nextEvent),
  check(/^(\S+ \w+) after memunmap_pages\(\) returned nothing has come back$/, nothingSince),
  check(/^(\d+) pages of the range were in use, with (\d+) references$/, inUse),
  check(
    /^(.+) \((.+)\) was handed the page (\S+ \w+) before memunmap_pages\(\) returned, and it has not been given back(: a page table maps it)?$/,
    stillHanded,
  ),
  check(/^(a reference|\d+ references) taken by (.+) in (.+), (\S+ \w+) before memunmap_pages\(\) returned$/, holder),
  check(/^(?:a reference|\d+ references) from before the recording$/, heldEarlier),
  check(/^that is too short to say that it waits for anything$/, isTrue),
  check(
    /^no page of the range is in use by its count: what it waits for is .+, which no page_ref event shows$/,
    nobodyInUse,
  ),
  check(
    /^no lastput_memunmap_end was recorded at all; that its task did nothing since is how this is known$/,
    noReturn,
  ),
  check(
    /^(.+) tried (\d+) times within (\S+ \w+), each time took its reference and gave it back, and the page stays where it is$/,
    tried,
  ),
  check(/^a migration fails while others hold references to the page:$/, isTrue),
  check(/^(one reference is|\d+ references are) out that (.+) took in (.+)$/, outFrom),
  check(/^(?:one reference is|\d+ references are) out from before the recording$/, heldEarlier),
  check(/^(\d+) tasks do this at once: the reference that one takes makes the other's migration fail$/, isTrue),
  check(/^nobody else keeps a reference: whoever makes the migration fail gives it back each time$/, isTrue),
]
