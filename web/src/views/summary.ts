// SPDX-License-Identifier: GPL-2.0-or-later
import { printable } from '../../../src/report/printable.ts'
import { plural } from '../../../src/report/words.ts'
import type { TraceJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import { Times, unmapText } from '../words.ts'

/** Largest number of calls of memunmap_pages() that are listed individually. */
const SHOWN_UNMAPS = 8

/** Summary of a recording: its source and pagemaps, and what limits the validity of its findings (lost events, damage). */
export function summary(trace: TraceJson): HTMLElement {
  const { source, lifetimes, notes, pagemaps, unmaps = [] } = trace
  const times = new Times(trace)
  const kernel = source.kernel === null ? '' : `, Linux ${printable(source.kernel)}`
  const warnings = [...(source.gaps > 0 ? [lostText(source)] : []), ...damageText(source.damage)]
  return h(
    'section',
    { class: 'summary', 'aria-label': 'Recording' },
    h('h1', {}, name(source.file)),
    h(
      'p',
      {},
      `${source.format}${kernel}${source.cpus > 0 ? `, ${plural(source.cpus, 'CPU')}` : ''}. ${plural(source.events, 'page_ref event')}`,
      source.probes > 0 && ` and ${plural(source.probes, 'probe')}`,
      ` from ${times.text(source.firstTime)} to ${times.text(source.lastTime)} ${times.unit}`,
      endText(source, times),
      source.skipped > 0 && `, ${plural(source.skipped, 'event')} of ordinary pages left out`,
      source.gaps === 0 && ', none lost',
      '.',
    ),
    ...pagemaps.map(map =>
      h(
        'p',
        {},
        h('b', {}, `${map.firstPfn}-${map.lastPfn}`),
        `: ${plural(map.pages, 'page')}${map.type === undefined ? '' : `, ${map.type}`}, protocol ${map.protocol} `,
        h('span', { class: 'muted' }, `(${printable(map.recognisedBy)})`),
      ),
    ),
    h('p', {}, lifetimesText(lifetimes)),
    ...unmaps.slice(0, SHOWN_UNMAPS).map(call => h('p', {}, `${unmapText(call, trace, times)}.`)),
    unmaps.length > SHOWN_UNMAPS &&
      h('p', {}, `And ${plural(unmaps.length - SHOWN_UNMAPS, 'more call')} of memunmap_pages().`),
    warnings.length > 0 && h('ul', { class: 'warnings' }, ...warnings.map(each => h('li', {}, each))),
    ...notes.map(note => h('p', { class: 'muted' }, `note: ${printable(note)}`)),
  )
}

/** States when the recording ended, if that is later than its last event. */
function endText({ lastTime, endTime }: TraceJson['source'], times: Times): string {
  return endTime !== null && times.text(endTime) !== times.text(lastTime)
    ? `, recorded until ${times.text(endTime)}`
    : ''
}

/** Summarises damage in one line: the amount, and the first instance. */
function damageText([first, ...more]: TraceJson['source']['damage']): string[] {
  if (!first) return []
  const one = `damaged at offset ${first.offset}: ${printable(first.expected)}`
  return [more.length === 0 ? one : `${one}, and in ${plural(more.length, 'further place')}`]
}

function lostText({ gaps, lost }: TraceJson['source']): string {
  const many = lost === null ? 'an unknown number of events' : plural(lost, 'event')
  return `${many} LOST in ${plural(gaps, 'gap')}: no claim depends on them`
}

function lifetimesText({ complete, partial, broken, openAtEnd, unknown }: TraceJson['lifetimes']): string {
  const n = (count: number) => count.toLocaleString('en-US')
  const parts = [
    `${plural(complete, 'lifetime')} complete`,
    partial > 0 && `${n(partial)} seen in part`,
    broken > 0 && `${n(broken)} broken`,
    `${n(openAtEnd)} open at the end`,
    unknown > 0 && `${n(unknown)} of them unknown, for lost events`,
  ]
  return `${parts.filter(part => part !== false).join(', ')}.`
}
