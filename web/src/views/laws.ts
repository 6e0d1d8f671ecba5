// SPDX-License-Identifier: GPL-2.0-or-later
/** Shows the laws of a recording: which call sites give back what which others take, how often that held, and what is held. */
import { grouped, plural } from '../../../src/report/words.ts'
import { linkTo } from '../address.ts'
import type { FindingJson, LawJson, OpenJson, TraceJson } from '../documents.ts'
import { h } from '../dom.ts'
import { lawSiteText, siteText } from '../words.ts'
import type { Context, View } from './view.ts'

interface Row {
  gets: string[]
  puts: string[]
  /** undefined for call sites that belong to no law. */
  law: LawJson | undefined
  open: OpenJson[]
}

type Column = 'gets' | 'puts' | 'lifetimes' | 'held' | 'open'

const COLUMNS: [Column, string][] = [
  ['gets', 'Taken by'],
  ['puts', 'Given back by'],
  ['lifetimes', 'Lifetimes'],
  ['held', 'Held in'],
  ['open', 'Out at the end'],
]

/** @param hasPages true if every page can be viewed, not only those with findings */
export function lawsView({ address }: Context, trace: TraceJson, hasPages: boolean): View {
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
  let sort: Column = COLUMNS.find(([column]) => column === address.get('sort'))?.[0] ?? 'lifetimes'
  let upwards = address.get('up') === '1'
  const heads = COLUMNS.map(([column, title]) => {
    const by = () => {
      upwards = sort === column ? !upwards : column === 'gets' || column === 'puts'
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
    const shown = rows.filter(({ gets, puts }) => [...gets, ...puts].some(site => site.toLowerCase().includes(filter)))
    shown.sort((a, b) => (upwards ? 1 : -1) * compare(a, b, sort))
    status.textContent = `${shown.length} of ${plural(rows.length, 'row')}`
    body.replaceChildren(...shown.map(row => rowElement(row, trace, hasPages)))
  }

  refresh()
  return {
    element: h(
      'div',
      {},
      h('h1', {}, 'Laws'),
      h(
        'p',
        { class: 'muted' },
        'Each row is a law that the complete lifetimes of pages obey: what its call sites on the left take, those on the right give back. ' +
          'It held in a lifetime if as many references came back as were taken. ' +
          'What each had out when the recording ended stands last; a row without a law has call sites of which none tells.',
      ),
      h('div', { class: 'filters', role: 'search' }, text, status),
      h('div', { class: 'scroll' }, h('table', { class: 'laws' }, h('thead', {}, h('tr', {}, ...heads)), body)),
    ),
  }
}

function compare(a: Row, b: Row, by: Column): number {
  if (by === 'gets' || by === 'puts') {
    const [left, right] = [a[by].join(), b[by].join()]
    return left < right ? -1 : left > right ? 1 : 0
  }
  return amount(a, by) - amount(b, by)
}

function amount({ law, open }: Row, by: 'lifetimes' | 'held' | 'open'): number {
  if (by === 'open') return open.reduce((sum, { references }) => sum + references, 0)
  return law?.[by] ?? 0
}

/** Returns the laws in their order, then call sites without a law that have references out. */
function rowsOf({ laws, open }: TraceJson): Row[] {
  const ruled = laws.map((law, i) => ({
    gets: law.gets.map(lawSiteText),
    puts: law.puts.map(lawSiteText),
    law,
    open: open.filter(each => each.law === i),
  }))
  const alone = open.filter(each => each.law === null || !laws[each.law])
  return [...ruled, ...alone.map(each => ({ gets: [siteText(each.get)], puts: [], law: undefined, open: [each] }))]
}

function rowElement({ gets, puts, law, open }: Row, trace: TraceJson, hasPages: boolean): HTMLElement {
  return h(
    'tr',
    {},
    sitesCell(gets),
    sitesCell(puts),
    h('td', { class: 'number' }, law ? grouped(law.lifetimes) : ''),
    h('td', { class: 'number' }, law ? grouped(law.held) : '', law && h('small', {}, unevenText(law))),
    h('td', {}, ...open.map(each => h('div', {}, ...openText(each, open.length, trace.findings, hasPages)))),
  )
}

function sitesCell(sites: readonly string[]): HTMLElement {
  return h('td', { class: 'name' }, ...(sites.length > 0 ? sites.map(site => h('div', {}, site)) : ['-']))
}

/** Describes how the law was violated, and whether it is ambiguous. */
function unevenText({ over, under, ambiguous }: LawJson): string {
  return [
    over > 0 ? `${grouped(over)} took more` : '',
    under > 0 ? `${grouped(under)} gave back more` : '',
    ambiguous ? 'another law fits as well' : '',
  ]
    .filter(part => part !== '')
    .join(', ')
}

/** The number of open references and of their pages, with a link to one. @param many number of the law's call sites with some */
function openText(
  { get, references, pages, pfn }: OpenJson,
  many: number,
  findings: FindingJson[],
  hasPages: boolean,
): (Node | string)[] {
  const finding = findings.findIndex(each => each.pfn === pfn)
  const params = finding >= 0 ? { view: 'life', finding } : hasPages ? { view: 'pages', page: pfn } : undefined
  const page = params ? h('a', { href: linkTo(params) }, pfn) : pfn
  const more = pages > 1 ? ` and ${grouped(pages - 1)} more` : ''
  const of = many > 1 ? ` of ${siteText(get)}` : ''
  return [`${plural(references, 'reference')}${of}: `, page, more]
}
