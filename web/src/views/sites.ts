// SPDX-License-Identifier: GPL-2.0-or-later
/** Which function gives back what which other took: the pairs that the recording teaches, and what is still out. */
import { linkTo } from '../address.ts'
import type { FindingJson, TraceJson } from '../documents.ts'
import { h } from '../dom.ts'
import { livesByPair } from '../pairs.ts'
import { functionText } from '../words.ts'
import type { Context, View } from './view.ts'

interface Row {
  get: string
  put: string
  lives: number
  open: FindingJson[]
}

type Column = 'get' | 'put' | 'lives' | 'open'

const COLUMNS: [Column, string][] = [
  ['get', 'Taken by'],
  ['put', 'Given back by'],
  ['lives', 'Lives'],
  ['open', 'Still out'],
]

export function sitesView({ address }: Context, trace: TraceJson): View {
  const rows = rowsOf(trace)
  const body = h('tbody')
  const status = h('p', { class: 'muted', role: 'status' })
  const text = h('input', {
    type: 'search',
    placeholder: 'function or module',
    'aria-label': 'Filter by function or module',
    value: address.get('filter') ?? '',
    on: { input: () => refresh() },
  })
  let sort: Column = COLUMNS.find(([column]) => column === address.get('sort'))?.[0] ?? 'lives'
  let upwards = address.get('up') === '1'
  const heads = COLUMNS.map(([column, title]) => {
    const by = () => {
      upwards = sort === column ? !upwards : column === 'get' || column === 'put'
      sort = column
      refresh()
    }
    return h('th', { scope: 'col', class: column }, h('button', { type: 'button', on: { click: by } }, title))
  })

  function refresh(): void {
    const filter = text.value.toLowerCase()
    address.note({ filter: text.value, sort, up: upwards ? 1 : undefined })
    COLUMNS.forEach(([column], i) => {
      heads[i]!.setAttribute('aria-sort', column !== sort ? 'none' : upwards ? 'ascending' : 'descending')
    })
    const shown = rows.filter(row => row.get.toLowerCase().includes(filter) || row.put.toLowerCase().includes(filter))
    shown.sort((a, b) => (upwards ? 1 : -1) * compare(a, b, sort))
    status.textContent = `${shown.length} of ${rows.length} pairs`
    body.replaceChildren(...shown.map(row => rowElement(row, trace)))
  }

  refresh()
  return {
    element: h(
      'div',
      {},
      h('h1', {}, 'Sites'),
      h(
        'p',
        { class: 'muted' },
        'Who gives back what whom took, counted over all lives that the recording shows whole.',
      ),
      h('div', { class: 'filters', role: 'search' }, text, status),
      h('div', { class: 'scroll' }, h('table', { class: 'sites' }, h('thead', {}, h('tr', {}, ...heads)), body)),
    ),
  }
}

function compare(a: Row, b: Row, by: Column): number {
  if (by === 'lives') return a.lives - b.lives
  if (by === 'open') return a.open.length - b.open.length
  return a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0
}

/** Pairs by how often they are seen; sites whose references never came back stand without a partner. */
function rowsOf(trace: TraceJson): Row[] {
  const open = new Map<string, FindingJson[]>()
  for (const finding of trace.findings) {
    if (!finding.culprit || finding.culprit.val <= 0 || !isOut(finding)) continue
    const site = functionText(finding.culprit)
    open.set(site, [...(open.get(site) ?? []), finding])
  }
  const rows = [...livesByPair(trace)].map(([key, lives]) => {
    const [get, put] = key.split('\n') as [string, string]
    const row: Row = { get, put, lives, open: open.get(get) ?? [] }
    open.delete(get)
    return row
  })
  return [...rows, ...[...open].map(([get, findings]) => ({ get, put: '-', lives: 0, open: findings }))]
}

function isOut({ kind }: FindingJson): boolean {
  return kind === 'leak' || kind === 'held-at-end' || kind === 'teardown-waits'
}

function rowElement(row: Row, trace: TraceJson): HTMLElement {
  const first = row.open[0]
  const link = first && h('a', { href: linkTo({ view: 'life', finding: trace.findings.indexOf(first) }) }, first.pfn)
  const more = row.open.length > 1 ? ` and ${row.open.length - 1} more` : ''
  return h(
    'tr',
    {},
    h('td', { class: 'name' }, row.get),
    h('td', { class: 'name' }, row.put),
    h('td', { class: 'number' }, row.lives.toLocaleString('en-US')),
    h('td', {}, link, more),
  )
}
