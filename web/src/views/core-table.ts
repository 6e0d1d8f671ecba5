// SPDX-License-Identifier: GPL-2.0-or-later
/** The map as a table, for screen readers and for exact numbers. Adjacent equal pages share a row. */
import { printable } from '../../../src/report/printable.ts'
import { grouped, pfnText } from '../../../src/report/words.ts'
import type { CorePagemap, Run } from '../core/document.ts'
import type { Place } from '../core/painter.ts'
import { type Segments, SHADES } from '../core/segments.ts'
import { h } from '../dom.ts'

/** Number of rows shown at once. */
const SHOWN = 200

const HEADS = ['first page', 'pages', 'folio', 'state', 'count', 'mapped', 'flags']

/** @param select called with the first page of the clicked row */
export function coreTable(
  pagemaps: readonly CorePagemap[],
  segments: readonly Segments[],
  select: (place: Place) => void,
): HTMLElement {
  const rows = pagemaps.flatMap((map, i) => rowsOf(map, segments[i]!, i))
  const body = h('tbody')
  const more = h('button', { type: 'button', on: { click: () => show() } })
  let shown = 0

  function show(): void {
    body.append(
      ...rows
        .slice(shown, shown + SHOWN)
        .map(row => tableRow(row, () => select({ pfn: row.first, pagemap: row.pagemap }))),
    )
    shown += SHOWN
    more.textContent = `Show ${Math.min(SHOWN, rows.length - shown)} more of ${grouped(rows.length)} rows`
    more.hidden = shown >= rows.length
  }

  show()
  const head = h('thead', {}, h('tr', {}, ...HEADS.map(text => h('th', { scope: 'col' }, text))))
  return h('div', { class: 'scroll' }, h('table', { 'aria-label': 'Pages' }, head, body), more)
}

interface Row extends Run {
  pagemap: number
  shade: number
}

/** The runs of a pagemap, split where the colour changes. */
function rowsOf({ runs }: CorePagemap, segments: Segments, pagemap: number): Row[] {
  return runs.flatMap(({ first, end, kind }) => {
    const rows: Row[] = []
    for (let at = segments.at(first); at < segments.length && segments.first[at]! < end; at++) {
      const [from, to] = [Math.max(first, segments.first[at]!), Math.min(end, segments.end[at]!)]
      rows.push({ first: from, end: to, kind, pagemap, shade: segments.shade[at]! })
    }
    return rows
  })
}

function tableRow({ first, end, kind, shade }: Row, choose: () => void): HTMLElement {
  const { folio, count, mapcount, flags, flagNames = [] } = kind
  const number = (value: number | undefined) => h('td', { class: 'number' }, value === undefined ? '-' : grouped(value))
  const page = h('button', { type: 'button', on: { click: choose } }, pfnText(first))
  return h(
    'tr',
    {},
    h('td', {}, page),
    number(end - first),
    number(folio),
    h('td', {}, SHADES[shade]!),
    number(count),
    number(mapcount),
    h('td', {}, flags === undefined ? '-' : `${printable(flags)} ${flagNames.map(printable).join(' ')}`),
  )
}
