// SPDX-License-Identifier: GPL-2.0-or-later
import { s } from '../dom.ts'
import type { Lane } from '../holders.ts'
import { isUnmatched, type ShownEvent } from '../shown-events.ts'

/** Sizes in CSS pixels, as in style.css: heights of the table's head and rows, and the width of a lane. */
const HEAD = 30
const ROW = 40
const LANE = 14

/** Largest number of lanes that are drawn, since a pinned page may have hundreds of references. */
const MAX_LANES = 12

/** Draws a line from get to put for each reference, beside the table of events. */
export function laneDrawing(events: readonly ShownEvent[], lanes: readonly Lane[]): SVGElement {
  const shown = lanes.filter(({ lane }) => lane < MAX_LANES)
  const x = (lane: number) => LANE / 2 + lane * LANE
  const y = (i: number) => HEAD + ROW / 2 + i * ROW
  const bottom = y(events.length - 1) + ROW / 2
  const width = laneWidth(lanes)
  return s(
    'svg',
    { class: 'lanes', width, height: bottom, 'aria-hidden': 'true' },
    ...shown.flatMap(({ lane, from, to }) => [
      s('path', {
        class: to === undefined ? 'open' : '',
        d: `M${width} ${y(from)} H${x(lane) + 5} Q${x(lane)} ${y(from)} ${x(lane)} ${y(from) + 5} V${to === undefined ? bottom : y(to) - 5} ${to === undefined ? '' : `Q${x(lane)} ${y(to)} ${x(lane) + 5} ${y(to)} H${width}`}`,
      }),
      s('circle', { class: 'get', cx: width - 4, cy: y(from), r: 3.5 }),
    ]),
    ...events.flatMap((event, i) => {
      if (event.act !== undefined) return [diamond(width - 4, y(i))]
      if (event.val >= 0) return []
      return [s('circle', { class: isUnmatched(event) ? 'put odd' : 'put', cx: width - 4, cy: y(i), r: 3.5 })]
    }),
  )
}

/** The mark of an event that changed no count. */
export function diamond(x: number, y: number): SVGElement {
  return s('path', { class: 'act', d: `M${x} ${y - 5} L${x + 5} ${y} L${x} ${y + 5} L${x - 5} ${y} Z` })
}

function laneWidth(lanes: readonly Lane[]): number {
  const most = lanes.reduce((max, { lane }) => Math.max(max, lane + 1), 1)
  return Math.min(most, MAX_LANES) * LANE + 10
}
