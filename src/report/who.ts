// SPDX-License-Identifier: GPL-2.0-or-later
/** Who holds a page at a time, as text and as JSON (schema lastput.who/1). */
import type { PageHolders } from '../ledger/account.ts'
import type { Holder } from '../ledger/open-findings.ts'
import type { Recording } from '../trace/events.ts'
import { type Timed, timeNumber, timeText } from '../trace/times.ts'
import { printable } from './printable.ts'
import { actorJson, clockJson } from './trace-json.ts'
import { frameText, marginText, pfnText, plural, wrap } from './words.ts'

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
    lines.push('', ...holderText(holder, i + 1, timed))
  })
  return lines
}

function holderText(holder: Holder, number: number, timed: Timed): string[] {
  const { actor, units } = holder
  if (!actor) return [`${number}. ${plural(units, 'reference')} from before the recording`]
  const task = `${printable(actor.task)}-${actor.pid}`
  const lines = [
    `${number}. ${plural(units, 'reference')} since ${timeText(actor.time, timed)}, taken by ${task} on CPU ${actor.cpu}`,
    ...actor.stack.map(frame => `     ${frameText(frame)}`),
  ]
  if (actor.stack.length === 0) lines.push('     (no stack recorded)')
  if (holder.counterpart?.frame) {
    lines.push(
      ...wrap(
        `usually given back by ${frameText(holder.counterpart.frame)} (${plural(holder.counterpart.lives, 'time')})`,
        '   ',
        '     ',
      ),
    )
  }
  if (holder.margin !== undefined) lines.push(...wrap(marginText(holder.margin), '   ', '     '))
  return lines
}

export function whoJson(found: PageHolders, at: number, recording: Pick<Recording, 'timeBase' | 'info'>): object {
  const { info } = recording
  return {
    schema: 'lastput.who/1',
    source: { file: info.file, format: info.format, kernel: info.kernel ?? null, clock: clockJson(info) },
    pfn: pfnText(found.pfn),
    at: timeNumber(at, recording),
    count: found.count,
    idleCount: found.idleCount ?? null,
    lossy: found.lossy,
    holders: found.holders.map(holder => ({
      references: holder.units,
      margin: holder.margin ?? null,
      taken: holder.actor ? actorJson(holder.actor, recording) : null,
      usuallyPutBy: holder.counterpart?.frame
        ? { function: holder.counterpart.frame.name, lives: holder.counterpart.lives }
        : null,
    })),
  }
}
