// SPDX-License-Identifier: GPL-2.0-or-later

import type { Address } from '../address.ts'
import { h, s } from '../dom.ts'
import { isUnmatched, type ShownEvent } from '../shown-events.ts'
import { Tooltip } from '../tooltip.ts'
import type { Times } from '../words.ts'
import { diamond } from './lanes.ts'

/** Sizes in CSS pixels. The drawing is as wide as its container; WIDTH is used while that has no layout yet. */
const WIDTH = 1000
const ARCS = 90
const STEPS = 80
const HEIGHT = ARCS + STEPS + 22
const MARGIN = 30

export interface ChartEvents {
  onSelect(i: number): void
  /** Describes an event for the tooltip. */
  tell(i: number): string
}

/**
 * Draws the count as steps, with an arc from each get to its put. Lifetimes last from microseconds to hours, and their events
 * come in a few bursts, so that events are drawn at equal distances unless the user asks for a time scale.
 */
export function countChart(
  events: readonly ShownEvent[],
  idle: number | undefined,
  { onSelect, tell }: ChartEvents,
  address: Address,
  times: Times,
): { element: HTMLElement; select: (i: number) => void } {
  const holder = h('div', { class: 'drawing' })
  const tooltip = new Tooltip()
  const byTime = h('input', { type: 'checkbox', on: { change: () => draw() } })
  byTime.checked = address.get('scale') === 'time'
  let cursor: SVGLineElement | undefined
  let xs: number[] = []
  let chosen = 0

  function draw(): void {
    address.note({ scale: byTime.checked ? 'time' : undefined })
    const width = holder.clientWidth || WIDTH
    xs = positions(events, byTime.checked, width)
    cursor = s('line', { class: 'cursor', y1: 0, y2: ARCS + STEPS })
    holder.replaceChildren(drawing(events, xs, idle, cursor, width, times))
    place()
  }

  function place(): void {
    for (const end of ['x1', 'x2']) cursor?.setAttribute(end, String(xs[chosen] ?? MARGIN))
  }

  holder.addEventListener('pointermove', event => {
    const box = holder.getBoundingClientRect()
    const i = lastBefore(xs, event.clientX - box.left)
    if (i !== chosen) onSelect(i)
    tooltip.show(tell(i), event)
  })
  holder.addEventListener('pointerleave', () => tooltip.hide())
  draw()
  new ResizeObserver(draw).observe(holder)
  return {
    element: h(
      'figure',
      { class: 'count-chart' },
      holder,
      tooltip.element,
      h(
        'figcaption',
        {},
        h('label', {}, byTime, ' to the scale of time'),
        h('span', { class: 'key get' }, 'get'),
        h('span', { class: 'key put' }, 'put'),
        h('span', { class: 'key odd' }, 'without partner'),
        events.some(({ act }) => act !== undefined) && h('span', { class: 'key act' }, 'no change of the count'),
      ),
    ),
    select(i) {
      chosen = i
      place()
    },
  }
}

function lastBefore(xs: readonly number[], x: number): number {
  let i = 0
  while (i + 1 < xs.length && xs[i + 1]! <= x) i++
  return i
}

function positions(events: readonly ShownEvent[], byTime: boolean, width: number): number[] {
  const first = events[0]?.time ?? 0
  const span = (events.at(-1)?.time ?? 0) - first
  const room = width - 2 * MARGIN
  const part = (event: ShownEvent, i: number) =>
    byTime && span > 0 ? (event.time - first) / span : i / Math.max(1, events.length)
  return events.map((event, i) => MARGIN + part(event, i) * room)
}

function drawing(
  events: readonly ShownEvent[],
  xs: readonly number[],
  idle: number | undefined,
  cursor: SVGLineElement,
  width: number,
  times: Times,
): SVGElement {
  const counts = events.map(event => event.count)
  const before = events.length > 0 ? events[0]!.count - events[0]!.val : 0
  const low = Math.min(idle ?? before, before, ...counts)
  const high = Math.max(low + 1, before, ...counts)
  const y = (count: number) => ARCS + STEPS - 6 - ((count - low) / (high - low)) * (STEPS - 16)
  const line = events.map((event, i) => `H${xs[i]!} V${y(event.count)}`).join(' ')
  return s(
    'svg',
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img', 'aria-label': chartText(events) },
    idle !== undefined && s('line', { class: 'idle', x1: 0, x2: width, y1: y(idle), y2: y(idle) }),
    s('path', { class: 'steps', d: `M0 ${y(before)} ${line} H${width}` }),
    ...[low, high].map(count => s('text', { x: 2, y: y(count) - 3 }, String(count))),
    ...events.flatMap((event, i) => arcs(event, i, xs, width)),
    ...timeLabels(events, xs, width, times),
    cursor,
  )
}

/** Returns the arc from a get to its put, or the mark of an event without a partner. */
function arcs(event: ShownEvent, i: number, xs: readonly number[], width: number): SVGElement[] {
  const x = xs[i]!
  const { partner, val } = event
  const marks: SVGElement[] = []
  if (val > 0 && partner !== null && partner > i) {
    const to = xs[partner]!
    const height = Math.min(ARCS - 14, 10 + (to - x) / 4)
    marks.push(
      s('path', {
        class: 'arc',
        d: `M${x} ${ARCS - 4} C${x} ${ARCS - 4 - height} ${to} ${ARCS - 4 - height} ${to} ${ARCS - 4}`,
      }),
    )
  }
  if (isUnmatched(event) && val > 0)
    marks.push(s('path', { class: 'arc odd', d: `M${x} ${ARCS - 4} C${x} 20 ${x + 30} 12 ${width} 12` }))
  if (event.act !== undefined) marks.push(diamond(x, ARCS - 4))
  if (val !== 0)
    marks.push(s('circle', { class: isUnmatched(event) ? 'odd' : val > 0 ? 'get' : 'put', cx: x, cy: ARCS - 4, r: 4 }))
  return marks
}

function timeLabels(events: readonly ShownEvent[], xs: readonly number[], width: number, times: Times): SVGElement[] {
  const labels: SVGElement[] = []
  let free = -Infinity
  events.forEach((event, i) => {
    if (xs[i]! < free || xs[i]! > width - 70) return
    labels.push(s('text', { class: 'time', x: xs[i]!, y: HEIGHT - 4 }, times.text(event.time)))
    free = xs[i]! + 90
  })
  return labels
}

function chartText(events: readonly ShownEvent[]): string {
  const odd = events.filter(isUnmatched).length
  return `Count over ${events.length} events, ${odd} without partner; the table below has them all`
}
