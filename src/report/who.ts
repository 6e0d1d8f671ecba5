// SPDX-License-Identifier: GPL-2.0-or-later
/** Who holds a page at a time, as text and as JSON (schema lastput.who/3). */
import type { LawSummary, PageHolders } from '../ledger/account.ts'
import type { Holder } from '../ledger/diagnose/open-findings.ts'
import { type Timed, timeNumber, timeText } from '../trace/common/times.ts'
import type { Recording } from '../trace/events.ts'
import { completenessJson, whoIncompleteness } from './completeness.ts'
import { printable } from './printable.ts'
import { actorJson, clockJson, lawJson } from './trace-json.ts'
import { frameText, grouped, pfnText, plural, siteText, wrap } from './words.ts'

/** @param at as `EventBatch.time`, Infinity for the end */
export function whoText(found: PageHolders, at: number, timed: Timed): string[] {
  const when = Number.isFinite(at) ? `at ${timeText(at, timed)}` : 'at the end of the recording'
  const idle = found.idleCount === undefined ? '' : ` (${found.idleCount} while idle)`
  const lines = [`page ${pfnText(found.pfn)} ${when}: count ${found.count}${idle}`]
  if (found.lossy) lines.push(...wrap('events were lost: holders may be missing, or may be gone', 'note: ', '  '))
  if (found.holders.length === 0) {
    lines.push(found.count === (found.idleCount ?? 0) ? 'nobody holds it' : 'whose the references are cannot be told')
  }
  found.holders.forEach((holder, i) => {
    lines.push('', ...holderText(holder, i + 1, found.laws, timed))
  })
  return lines
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

/** Where such a reference comes back, by the law that its call site obeys. */
function givenBackText({ puts, held, lifetimes }: LawSummary): string {
  const sites = puts.map(site => (site ? [site, ...site.callers].map(siteText).join(' from ') : 'a put without stack'))
  const how = held === lifetimes ? `all ${grouped(lifetimes)}` : `${grouped(held)} of ${grouped(lifetimes)}`
  return `given back by ${sites.join(' or ')} in ${how} complete lifetimes with such a reference`
}

export function whoJson(
  found: PageHolders,
  at: number,
  recording: Pick<Recording, 'timeBase' | 'info' | 'damage'>,
): object {
  const { info } = recording
  return {
    schema: 'lastput.who/3',
    ...completenessJson(whoIncompleteness(found, recording.damage)),
    source: { file: info.file, format: info.format, kernel: info.kernel ?? null, clock: clockJson(info) },
    pfn: pfnText(found.pfn),
    at: timeNumber(at, recording),
    count: found.count,
    idleCount: found.idleCount ?? null,
    lossy: found.lossy,
    holders: found.holders.map(holder => ({
      references: holder.units,
      taken: holder.actor ? actorJson(holder.actor, recording) : null,
      law: holder.law ?? null,
    })),
    laws: found.laws.map(lawJson),
  }
}
