// SPDX-License-Identifier: GPL-2.0-or-later
/** Which function gives back what which other took: the pairs that the recording teaches, and what is still out. */
import { plural } from '../../../src/report/words.ts'
import { linkTo } from '../address.ts'
import type { FindingJson, OpenJson, TraceJson } from '../documents.ts'
import { h } from '../dom.ts'
import { livesByPair } from '../pairs.ts'
import { functionText } from '../words.ts'
import type { Context, View } from './view.ts'

interface Row {
  get: string
  put: string
  lives: number
  open: OpenJson | undefined
}

type Column = 'get' | 'put' | 'lives' | 'open'

const COLUMNS: [Column, string][] = [
  ['get', 'Taken by'],
  ['put', 'Given back by'],
  ['lives', 'Lives'],
  ['open', 'Out at the end'],
]

/** @param hasPages whether every page can be looked at, not only those with findings */
export function sitesView({ address }: Context, trace: TraceJson, hasPages: boolean): View {
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
    status.textContent = `${shown.length} of ${plural(rows.length, 'row')}`
    body.replaceChildren(...shown.map(row => rowElement(row, trace, hasPages)))
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
        'Who gives back what whom took, counted over all lives that the recording shows whole, and what each site had out when the recording ended.',
      ),
      h('div', { class: 'filters', role: 'search' }, text, status),
      h('div', { class: 'scroll' }, h('table', { class: 'sites' }, h('thead', {}, h('tr', {}, ...heads)), body)),
    ),
  }
}

function compare(a: Row, b: Row, by: Column): number {
  if (by === 'lives') return a.lives - b.lives
  if (by === 'open') return (a.open?.references ?? 0) - (b.open?.references ?? 0)
  return a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0
}

/** Pairs by how often they are seen; what a site has out stands with its most frequent pair, or alone. */
function rowsOf(trace: TraceJson): Row[] {
  const open = new Map((trace.open ?? openOfFindings(trace)).map(each => [functionText(each.get), each]))
  const rows = [...livesByPair(trace)].map(([key, lives]) => {
    const [get, put] = key.split('\n') as [string, string]
    const row: Row = { get, put, lives, open: open.get(get) }
    open.delete(get)
    return row
  })
  return [...rows, ...[...open].map(([get, each]) => ({ get, put: '-', lives: 0, open: each }))]
}

/** Recordings accounted for by an earlier lastput tell of references that are out by their findings only. */
function openOfFindings({ findings }: TraceJson): OpenJson[] {
  const sites = new Map<string, OpenJson>()
  for (const { kind, culprit, pfn, references } of findings) {
    const isOut = kind === 'leak' || kind === 'held-at-end' || kind === 'teardown-waits'
    if (!isOut || !culprit || culprit.val <= 0) continue
    const site = sites.get(functionText(culprit)) ?? { get: culprit, references: 0, pages: 0, pfn }
    site.references += references
    site.pages++
    sites.set(functionText(culprit), site)
  }
  return [...sites.values()]
}

function rowElement({ get, put, lives, open }: Row, trace: TraceJson, hasPages: boolean): HTMLElement {
  return h(
    'tr',
    {},
    h('td', { class: 'name' }, get),
    h('td', { class: 'name' }, put),
    h('td', { class: 'number' }, lives.toLocaleString('en-US')),
    h('td', {}, ...(open ? openText(open, trace.findings, hasPages) : [])),
  )
}

/** How many references on how many pages, with a way to one of them. */
function openText({ references, pages, pfn }: OpenJson, findings: FindingJson[], hasPages: boolean): (Node | string)[] {
  const finding = findings.findIndex(each => each.pfn === pfn)
  const params = finding >= 0 ? { view: 'life', finding } : hasPages ? { view: 'pages', page: pfn } : undefined
  const page = params ? h('a', { href: linkTo(params) }, pfn) : pfn
  const more = pages > 1 ? ` and ${plural(pages - 1, 'more page').replace('more pages', 'more')}` : ''
  return [`${plural(references, 'reference')}: `, page, more]
}
