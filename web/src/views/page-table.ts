// SPDX-License-Identifier: GPL-2.0-or-later
/** The timeline as a table, for screen readers and for exact numbers. */
import { pfnText } from '../../../src/report/words.ts'
import { h } from '../dom.ts'
import type { Scene } from '../timeline/painter.ts'
import { highest } from '../timeline/raster.ts'

/** Number of rows shown at once. */
const SHOWN = 200

const HEADS = ['page', 'events', 'first', 'last', 'highest count', 'count at the end', 'findings']

/** @param select called with the index of a page in the timeline, and that of its last event */
export function pageTable(scene: Scene, select: (page: number, event: number) => void): HTMLElement {
  const pages = Array.from(scene.rows.list).filter(entry => entry >= 0)
  const body = h('tbody')
  const more = h('button', { type: 'button', on: { click: () => show() } })
  let shown = 0

  function show(): void {
    body.append(...pages.slice(shown, shown + SHOWN).map(page => row(scene, page, select)))
    shown += SHOWN
    more.textContent = `Show ${Math.min(SHOWN, pages.length - shown)} more of ${pages.length} pages`
    more.hidden = shown >= pages.length
  }

  show()
  const head = h('thead', {}, h('tr', {}, ...HEADS.map(text => h('th', { scope: 'col' }, text))))
  return h('div', { class: 'scroll' }, h('table', { 'aria-label': 'Pages' }, head, body), more)
}

function row({ live, rows }: Scene, page: number, select: (page: number, event: number) => void): HTMLElement {
  const { timeline } = live
  const [from, to] = [timeline.start[page]!, timeline.start[page + 1]!]
  const life = h('button', { type: 'button', on: { click: () => select(page, to - 1) } }, pfnText(timeline.pfns[page]!))
  const number = (value: string | number) => h('td', { class: 'number' }, value)
  return h(
    'tr',
    {},
    h('td', {}, life),
    number((to - from).toLocaleString('en-US')),
    number(live.times.text(live.at(timeline.time[from]!))),
    number(live.times.text(live.at(timeline.time[to - 1]!))),
    number(highest(timeline, from, to)),
    number(timeline.count[to - 1]!),
    h('td', {}, (rows.marks.get(page) ?? []).map(({ finding }) => finding.kind).join(', ')),
  )
}
