// SPDX-License-Identifier: GPL-2.0-or-later
/** Who holds a page at a time, as text and as JSON (schema lastput.who/4). */
import type { LawSummary, PageHolders, PagesHeld } from '../ledger/account.ts'
import type { Holder } from '../ledger/diagnose/open-findings.ts'
import { type Timed, timeNumber, timeText } from '../trace/common/times.ts'
import type { Recording } from '../trace/events.ts'
import { completenessJson, UNKNOWN_CHANGES, whoIncompleteness } from './completeness.ts'
import { type ActorFilter, isBySome, isGiven } from './filter.ts'
import { printable } from './printable.ts'
import { actorJson, clockJson, lawJson } from './trace-json.ts'
import { frameText, grouped, pfnText, plural, siteText, wrap } from './words.ts'

/** Most pages that the text shows. */
const TOP = 20

/** Which holders are shown. */
export interface WhoOptions {
  /** Most pages in use to show. */
  top?: number | undefined
  /** True if a single page was asked for. It is shown even if nobody holds it. */
  isOne?: boolean | undefined
  /** True if only the references of some holders are included. */
  isFiltered?: boolean | undefined
}

/** The same with only the references of those whom the filter wants, and only the pages that these hold. */
export function selectHolders(found: PagesHeld, filter: ActorFilter): PagesHeld {
  const pages = found.pages.map(page => ({
    ...page,
    holders: page.holders.filter(({ actor }) => isBySome(actor ? [actor] : [], filter)),
  }))
  const isFiltered = isGiven(filter.functions) || isGiven(filter.tasks)
  return { ...found, pages: isFiltered ? pages.filter(({ holders }) => holders.length > 0) : pages }
}

/** True if somebody holds the page. */
export const isHeld = ({ count, idleCount, holders }: PageHolders): boolean =>
  count !== (idleCount ?? 0) || holders.length > 0

/** @param at as `EventBatch.time`, Infinity for the end */
export function whoText(
  found: PagesHeld,
  at: number,
  timed: Timed,
  { top = TOP, isOne, isFiltered }: WhoOptions = {},
): string[] {
  const when = Number.isFinite(at) ? `at ${timeText(at, timed)}` : 'at the end of the recording'
  if (isOne) return found.pages.flatMap(page => pageText(page, found, when, timed))
  const held = found.pages.filter(isHeld)
  const idle = found.idle + found.pages.length - held.length
  const shown = held.slice(0, top)
  const more = held.length + found.dropped - shown.length
  const many = plural(held.length + found.dropped, 'page')
  return [
    isFiltered ? `${many} with such references ${when}` : `${many} in use ${when}, ${grouped(idle)} idle`,
    ...shown.flatMap(page => ['', ...pageText(page, found, when, timed)]),
    ...(more > 0 ? ['', `and ${plural(more, 'more page')}: --top shows more`] : []),
  ]
}

function pageText(page: PageHolders, { laws, isOfUnknownChanges }: PagesHeld, when: string, timed: Timed): string[] {
  const idle =
    page.idleCount === undefined
      ? ''
      : ` (${page.idleCount} ${page.isRest ? 'from before the recording' : 'while idle'})`
  const lines = [`page ${pfnText(page.pfn)} ${when}: count ${page.count}${idle}`]
  const why = isOfUnknownChanges ? UNKNOWN_CHANGES : 'events were lost'
  if (page.lossy) lines.push(...wrap(`${why}: holders may be missing, or may be gone`, 'note: ', '  '))
  if (page.holders.length === 0)
    lines.push(isHeld(page) ? 'whose the references are cannot be told' : 'nobody holds it')
  return [...lines, ...page.holders.flatMap((holder, i) => ['', ...holderText(holder, i + 1, laws, timed)])]
}

function holderText(
  { actor, units, law }: Holder,
  number: number,
  laws: readonly LawSummary[],
  timed: Timed,
): string[] {
  if (!actor) return [`${number}. ${plural(units, 'reference')} from before the recording`]
  const task = `${printable(actor.task)}-${actor.pid}`
  const lines = [
    `${number}. ${plural(units, 'reference')} since ${timeText(actor.time, timed)}, taken by ${task} on CPU ${actor.cpu}`,
    ...actor.stack.map(frame => `     ${frameText(frame)}`),
  ]
  if (actor.stack.length === 0) lines.push('     (no stack recorded)')
  if (law !== undefined) lines.push(...wrap(givenBackText(laws[law]!), '   ', '     '))
  return lines
}

/** Returns where a reference comes back, by the law of its call site. */
function givenBackText({ puts, held, lifetimes }: LawSummary): string {
  const sites = puts.map(site => (site ? [site, ...site.callers].map(siteText).join(' from ') : 'a put without stack'))
  const how = held === lifetimes ? `all ${grouped(lifetimes)}` : `${grouped(held)} of ${grouped(lifetimes)}`
  return `given back by ${sites.join(' or ')} in ${how} complete lifetimes with such a reference`
}

export function whoJson(
  found: PagesHeld,
  at: number,
  recording: Pick<Recording, 'timeBase' | 'info' | 'damage'>,
): object {
  const { info } = recording
  return {
    schema: 'lastput.who/4',
    ...completenessJson(whoIncompleteness(found, recording.damage)),
    source: { file: info.file, format: info.format, kernel: info.kernel ?? null, clock: clockJson(info) },
    at: timeNumber(at, recording),
    pages: found.pages.map(page => ({
      pfn: pfnText(page.pfn),
      count: page.count,
      idleCount: page.idleCount ?? null,
      lossy: page.lossy,
      holders: page.holders.map(holder => ({
        references: holder.units,
        taken: holder.actor ? actorJson(holder.actor, recording) : null,
        law: holder.law ?? null,
      })),
    })),
    idle: found.idle,
    dropped: found.dropped,
    laws: found.laws.map(lawJson),
  }
}
