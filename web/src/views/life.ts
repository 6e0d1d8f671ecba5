// SPDX-License-Identifier: GPL-2.0-or-later
/** Shows one lifetime of a page: its gets and puts, how they pair, and who held the page at the selected event. */
import { certaintyText } from '../../../src/report/finding-words.ts'
import { printable } from '../../../src/report/printable.ts'
import { grouped, plural } from '../../../src/report/words.ts'
import type { EventJson, FindingJson, LawJson, LifeJson, TraceJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import { holdersAt, lanesOf } from '../holders.ts'
import type { KeyHelp } from '../keys.ts'
import { lawOf } from '../laws.ts'
import { isUnmatched, type ShownEvent, withActs, withEarlier } from '../shown-events.ts'
import { findingSentence, functionName, functionText, signed, Times, taskText } from '../words.ts'
import { countChart } from './count-chart.ts'
import { laneDrawing } from './lanes.ts'
import type { Context, View } from './view.ts'

const KEYS: KeyHelp = [
  ['↑ ↓', 'the event before, the event after'],
  ['Home End', 'the first and the last event'],
  ['p', 'to the event that gave the reference back, or took it'],
]

export interface LifeOptions {
  life: LifeJson
  /** The finding that the lifetime belongs to. */
  finding?: FindingJson | undefined
  /** Findings about the page, whose probes are shown between the events. By default `finding` alone. */
  acting?: readonly FindingJson[]
  /** Time at which the page's next lifetime begins; by default never. */
  until?: number
  /** Count of the page while it is idle; undefined if it is not known. */
  idle: number | undefined
  /** The recording, for its laws. */
  trace: TraceJson
  /** True if the view is part of another one. */
  part?: boolean
  /** True if the lifetime has more events than are shown. */
  isCut?: boolean
  /** True if the events only set the page up (memremap_pages()). */
  isSetUp?: boolean
}

export function lifeView(
  context: Context,
  { life, finding, acting, until, idle, trace, part, isCut, isSetUp }: LifeOptions,
): View {
  const { address } = context
  const events = withActs(withEarlier(life.events, idle ?? 0), acting ?? (finding ? [finding] : []), until)
  const lanes = lanesOf(events)
  const times = new Times(trace)
  const holders = h('section', { class: 'holders', tabindex: 0, 'aria-live': 'polite', 'aria-label': 'Who held it' })
  const rows = events.map((event, i) => eventRow(event, i, events, times))
  let selected = -1

  function select(i: number, focus: boolean): void {
    if (i < 0 || i >= events.length) return
    for (const [at, row] of rows.entries()) {
      row.tabIndex = at === i ? 0 : -1
      row.setAttribute('aria-selected', String(at === i))
      row.classList.toggle('partner', events[i]!.partner === at)
    }
    selected = i
    chart.select(i)
    holders.replaceChildren(...holdersText(events, i, trace.laws, times))
    address.note({ event: i })
    if (focus) rows[i]!.focus()
  }

  const chart = countChart(
    events,
    idle,
    { onSelect: i => select(i, false), tell: i => eventText(events, i, times) },
    address,
    times,
  )
  for (const [i, row] of rows.entries()) row.addEventListener('click', () => select(i, true))
  const table = h(
    'div',
    { class: 'life-events scroll' },
    laneDrawing(events, lanes),
    h(
      'table',
      { role: 'grid', 'aria-label': `Events of page ${life.pfn}` },
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...['#', 'time', 'CPU', 'task', 'change', 'count', 'function'].map(text => h('th', { scope: 'col' }, text)),
        ),
      ),
      h('tbody', {}, ...rows),
    ),
  )
  const view = {
    element: h(
      'div',
      { class: 'life' },
      h(part ? 'h2' : 'h1', {}, `Page ${life.pfn}`),
      h('p', {}, ...(isSetUp ? [SET_UP] : isCut ? [cutText(life, times)] : headline(life, finding, times))),
      ...(events.length === 0
        ? [
            h(
              'p',
              { class: 'nothing' },
              'The events of this lifetime were not kept: there were too many, or they are lost.',
            ),
          ]
        : [chart.element, h('div', { class: 'beside' }, table, holders)]),
    ),
    keys: KEYS,
    onKey(key: string): boolean {
      const to = { ArrowDown: selected + 1, ArrowUp: selected - 1, Home: 0, End: events.length - 1 }[key]
      if (to === undefined) return jumpToPartner(key)
      select(Math.max(0, Math.min(events.length - 1, to)), true)
      return true
    },
    shown: () => select(address.index('event', events.length) ?? culpritOf(events, finding), false),
  }

  function jumpToPartner(key: string): boolean {
    const partner = events[selected]?.partner ?? null
    if (key !== 'p' || partner === null) return false
    select(partner, true)
    return true
  }
  return view
}

function headline(
  { began, ended, events }: LifeJson,
  finding: FindingJson | undefined,
  times: Times,
): (string | Node)[] {
  const at = (time: number) => `at ${times.text(time)} ${times.unit}`
  if (events.length === 1 && events[0]!.base)
    return [`No lifetime: memunmap_pages() gave back ${at(events[0]!.time)} what an idle page has of its own.`]
  const until = ended === null ? 'and had not ended when the recording did' : `and ended ${at(ended)}`
  const life = `This lifetime began ${began === null ? 'before the recording' : at(began)} ${until}.`
  if (!finding) return [life]
  return [h('b', {}, `${finding.kind} (${certaintyText(finding)}): ${findingSentence(finding)}.`), ` ${life}`]
}

const SET_UP = 'No lifetime: here the page is set up with its pagemap.'

function cutText({ events }: LifeJson, times: Times): string {
  const [first, last] = [events[0]!, events.at(-1)!].map(({ time }) => times.text(time))
  return `${plural(events.length, 'event')} of a longer lifetime, from ${first} to ${last} ${times.unit}.`
}

/** Index of the event of the culprit or the first candidate; otherwise of one without a partner, or of the last event. */
function culpritOf(events: readonly ShownEvent[], finding: FindingJson | undefined): number {
  const culprit = finding?.culprit ?? finding?.candidates[0]
  const accused = events.findIndex(
    event => culprit && event.time === culprit.time && event.pid === culprit.pid && event.function === culprit.function,
  )
  if (accused >= 0) return accused
  const odd = events.findIndex(event => isUnmatched(event) || event.act !== undefined)
  return odd >= 0 ? odd : events.length - 1
}

/** Describes an event for who looks at the chart: when, who, and what became of the reference. */
function eventText(events: readonly ShownEvent[], i: number, times: Times): string {
  const event = events[i]!
  const what = `${signed(event.val)} by ${taskText(event)}, count ${event.count}`
  return [
    `${i + 1}: ${times.text(event.time)} ${times.unit}: ${what}`,
    `${printable(event.function ?? 'no stack')}, ${partnerText(event, events)}`,
  ].join('\n')
}

function eventRow(event: ShownEvent, i: number, events: readonly ShownEvent[], times: Times): HTMLTableRowElement {
  const before = events[i - 1]
  const gap = before ? `+${times.span(event.time - before.time)}` : ''
  const kind = event.val > 0 ? 'get' : event.val < 0 ? 'put' : 'none'
  const told = partnerText(event, events)
  return h(
    'tr',
    { class: `${kind}${isUnmatched(event) || event.act !== undefined ? ' unmatched' : ''}`, tabindex: -1 },
    h('td', { class: 'number muted' }, i + 1),
    h('td', { class: 'time' }, times.text(event.time), h('small', {}, gap)),
    h('td', { class: 'number' }, event.cpu),
    h('td', {}, name(taskText(event))),
    h('td', { class: 'change number' }, signed(event.val)),
    h('td', { class: 'number' }, event.count),
    h('td', {}, functionName(event), h('small', { class: 'told' }, told)),
  )
}

/** Describes which event an event is paired with, if any. */
function partnerText({ val, partner, base, earlier, act }: ShownEvent, events: readonly ShownEvent[]): string {
  if (act !== undefined) return `${act}: no count shows it`
  if (base) return 'gives back what an idle page has of its own'
  if (earlier) return 'gives back what was taken before these events'
  const other = partner === null ? undefined : events[partner]
  if (!other) return val > 0 ? 'never given back' : val < 0 ? 'gives back nothing' : 'changes nothing'
  const who = printable(other.function ?? 'no stack')
  return `${val > 0 ? 'given back by' : 'taken by'} ${who} (${partner! + 1})`
}

/** Explains why two events are paired: by a law, and how often that law holds. */
function evidenceText(event: EventJson, events: readonly EventJson[], laws: readonly LawJson[]): string | undefined {
  const partner = event.partner === null ? undefined : events[event.partner]
  if (!partner) return undefined
  const [get, put] = event.val > 0 ? [event, partner] : [partner, event]
  const law = lawOf(laws, get, put)
  if (!law) return undefined
  const how =
    law.held === law.lifetimes ? `all ${grouped(law.lifetimes)}` : `${grouped(law.held)} of ${grouped(law.lifetimes)}`
  return `By a law of this recording: as many are given back there as taken in ${how} lifetimes.`
}

function holdersText(events: readonly ShownEvent[], at: number, laws: readonly LawJson[], times: Times): HTMLElement[] {
  const event = events[at]!
  const { events: held, others } = holdersAt(events, at)
  const many = held.length + (others > 0 ? 1 : 0)
  const evidence = evidenceText(event, events, laws)
  return [
    h('h2', {}, `After ${times.text(event.time)} ${times.unit}: count ${event.count}`),
    many === 0
      ? h('p', {}, 'Nobody held it.')
      : h(
          'ul',
          {},
          ...held.map(({ event: taken, i }) => holderItem(taken, i, event.time, times)),
          others > 0 && h('li', {}, `${others} from before these events, or the base reference`),
        ),
    h('h2', {}, `Event ${at + 1}`),
    h(
      'p',
      {},
      `${printable(event.operation)} ${signed(event.val)} by `,
      name(taskText(event)),
      ` on CPU ${event.cpu}, ${partnerText(event, events)}.`,
      evidence !== undefined && h('small', {}, ` ${evidence}`),
    ),
    event.stack.length === 0
      ? h('p', { class: 'muted' }, 'No stack was recorded.')
      : h('pre', { class: 'stack' }, event.stack.map(functionText).join('\n')),
  ]
}

function holderItem(taken: EventJson, i: number, now: number, times: Times): HTMLElement {
  const many = taken.val === 1 ? '' : `${taken.val} references: `
  const held = now === taken.time ? 'from now on' : `for ${times.span(now - taken.time)}`
  return h(
    'li',
    { class: isUnmatched(taken) ? 'unmatched' : '' },
    many,
    functionName(taken),
    h('small', {}, ` by ${taskText(taken)}, ${held} (${i + 1})`),
  )
}
