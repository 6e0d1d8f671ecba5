// SPDX-License-Identifier: GPL-2.0-or-later
/** Shows verdicts: the matrix of drivers, protocols and properties, the corpus of bugs, or single systems. */
import { properties } from '../../../src/linux/properties.ts'
import { kernelSourceText } from '../../../src/promises/promises.ts'
import { printable } from '../../../src/report/printable.ts'
import { plural } from '../../../src/report/words.ts'
import { linkTo } from '../address.ts'
import type { CellJson, CheckJson, Document, MatrixJson, VerdictJson } from '../documents.ts'
import { h } from '../dom.ts'
import { newsOf } from '../words.ts'
import type { Context, View } from './view.ts'

export function verdictsView(context: Context, document: Extract<Document, { kind: 'check' | 'matrix' }>): View {
  if (document.kind === 'matrix') return matrixView(context, document.rows)
  const { checks } = document
  return { element: checks.some(check => check.bug !== undefined) ? bugsElement(checks) : systemsElement(checks) }
}

/** A verdict: holds, violated (with a link to the counterexample) or inconclusive. Colour is not the only distinction. */
function cell(
  verdict: (VerdictJson & Partial<CellJson>) | undefined,
  link: Record<string, string | number>,
  steps: number,
): HTMLElement {
  if (!verdict) return h('td', { class: 'verdict' }, h('span', { class: 'muted' }, 'not checked'))
  const { verdict: said, message, reason } = verdict
  if (said === 'holds')
    return h(
      'td',
      { class: 'verdict holds' },
      h('span', { title: 'holds' }, '\u2713'),
      h('span', { class: 'hidden' }, 'holds'),
    )
  if (said === 'inconclusive')
    return h(
      'td',
      { class: 'verdict inconclusive', title: printable(reason ?? '') },
      '?',
      h('span', { class: 'hidden' }, 'inconclusive'),
    )
  const { property = '', consequence = false, cause } = verdict
  const label = `violated in ${steps} steps${consequence ? ', after another promise' : ''}`
  const sign = consequence ? `(${steps})` : `\u2717 ${steps}`
  return h(
    'td',
    { class: `verdict violated ${consequence ? 'after' : ''}`, title: printable(`${property}: ${cause ?? message}`) },
    verdict.counterexample
      ? h('a', { href: linkTo({ view: 'counterexample', ...link }), 'aria-label': label }, sign)
      : `${sign} steps`,
  )
}

function stepsOf({ counterexample, steps }: VerdictJson & { steps?: number }): number {
  return counterexample?.length ?? steps ?? 0
}

// --- the matrix -------------------------------------------------------------------------------------------------------------

function matrixView({ address }: Context, rows: MatrixJson[]): View {
  const names = [...new Set(rows.flatMap(row => Object.keys(row.properties)))].sort(byKnownOrder)
  const body = h('tbody')
  const status = h('p', { class: 'muted', role: 'status' })
  const text = h('input', {
    type: 'search',
    placeholder: 'driver, scenario or protocol',
    'aria-label': 'Filter by driver, scenario or protocol',
    value: address.get('filter') ?? '',
    on: { input: () => refresh() },
  })
  const broken = h('input', { type: 'checkbox', on: { change: () => refresh() } })
  broken.checked = address.get('only') === 'violated'

  function refresh(): void {
    address.note({ filter: text.value, only: broken.checked ? 'violated' : undefined })
    const words = text.value.toLowerCase().split(/\s+/)
    const shown = [...rows.entries()].filter(([, row]) => {
      const label = `${row.driver} ${row.scenario} ${row.protocol}`.toLowerCase()
      return words.every(word => label.includes(word)) && (!broken.checked || isBroken(row))
    })
    status.textContent = `${shown.length} of ${plural(rows.length, 'system')}`
    body.replaceChildren(...matrixRows(shown, names))
  }

  refresh()
  const heads = ['driver', 'scenario', 'protocol'].map(each => h('th', { scope: 'col', class: each }, each))
  const columns = names.map(each =>
    h('th', { scope: 'col', class: 'property', title: properties[each]?.rule ?? '' }, h('span', {}, each)),
  )
  const table = h('table', { class: 'matrix all' }, h('thead', {}, h('tr', {}, ...heads, ...columns)), body)
  const observer = new ResizeObserver(() => placeHeads(table, heads))
  for (const each of heads) observer.observe(each)
  return {
    element: h(
      'div',
      {},
      h('h1', {}, 'Verdicts'),
      h(
        'p',
        { class: 'muted' },
        'Each driver under each protocol that it lived under. A number is a counterexample of so many steps; in parentheses: only after another promise was broken.',
      ),
      h('div', { class: 'filters', role: 'search' }, text, h('label', {}, broken, ' only what is violated'), status),
      h('div', { class: 'scroll tall', tabindex: 0, role: 'region', 'aria-label': 'Verdicts' }, table),
      rules(names),
    ),
    gone: () => observer.disconnect(),
  }
}

/** Sets the style's offsets of sticky heads: each row head is beside the previous one, and below the column heads. */
function placeHeads(table: HTMLElement, heads: readonly HTMLElement[]): void {
  const [driver, scenario] = heads.map(each => each.offsetWidth)
  table.style.setProperty('--scenario', `${driver}px`)
  table.style.setProperty('--protocol', `${driver! + scenario!}px`)
  table.style.setProperty('--heads', `${heads[0]!.offsetHeight}px`)
}

function byKnownOrder(a: string, b: string): number {
  const known = Object.keys(properties)
  return known.indexOf(a) - known.indexOf(b)
}

function isBroken(row: MatrixJson): boolean {
  return Object.values(row.properties).some(verdict => verdict.verdict === 'violated')
}

/** The rows of the matrix. Rows of one driver, and of one scenario of it, share a head, which stays in view while scrolling. */
function matrixRows(shown: readonly [number, MatrixJson][], names: string[]): HTMLElement[] {
  const rows = shown.map(([, row]) => row)
  const head = (rows: number, kind: string, text: string) =>
    rows > 0 &&
    h('th', { scope: rows > 1 ? 'rowgroup' : 'row', class: kind, rowspan: rows }, h('span', {}, printable(text)))
  return shown.map(([i, row], at) => {
    const cells = names.map(property => {
      const verdict = Object.hasOwn(row.properties, property) ? row.properties[property] : undefined
      return cell(verdict, { row: i, property }, verdict ? stepsOf(verdict) : 0)
    })
    return h(
      'tr',
      {},
      head(
        alike(rows, at, ({ driver }) => driver),
        'driver',
        row.driver,
      ),
      head(
        alike(rows, at, ({ driver, scenario }) => JSON.stringify([driver, scenario])),
        'scenario',
        row.scenario,
      ),
      h('th', { scope: 'row', class: 'protocol', title: printable(row.bounds ?? '') }, printable(row.protocol)),
      ...cells,
    )
  })
}

/** Returns the number of consecutive rows from `at` on with the same key; 0 if the row above has it as well. */
function alike(rows: readonly MatrixJson[], at: number, key: (row: MatrixJson) => string): number {
  const wanted = key(rows[at]!)
  if (at > 0 && key(rows[at - 1]!) === wanted) return 0
  let end = at + 1
  while (end < rows.length && key(rows[end]!) === wanted) end++
  return end - at
}

function propertyText({ property = '', message }: VerdictJson): string {
  const news = newsOf(property, message)
  return news === '' ? property : `${property}: ${news}`
}

/** Lists the rules behind the properties, with their sources in the kernel. */
function rules(names: string[]): HTMLElement {
  const known = names.filter(each => Object.hasOwn(properties, each))
  return h(
    'details',
    { class: 'rules' },
    h('summary', {}, 'What the properties say'),
    h(
      'dl',
      {},
      ...known.flatMap(each => {
        const { rule, said } = properties[each]!
        const kernel = kernelSourceText(properties[each]!)
        const more = said === undefined ? ` (${kernel})` : ` (${said}; ${kernel})`
        return [h('dt', {}, each), h('dd', {}, rule, h('small', {}, more))]
      }),
    ),
  )
}

// --- bugs and single systems --------------------------------------------------------------------------------------------------

function bugsElement(checks: CheckJson[]): HTMLElement {
  const ids = [...new Set(checks.map(check => check.bug))]
  const find = (bug: string | undefined, form: string) =>
    checks.findIndex(each => each.bug === bug && each.form === form)
  const row = (bug: string | undefined) => {
    const [broken, fixed] = [find(bug, 'broken'), find(bug, 'fixed')]
    const one = checks[broken] ?? checks[fixed]!
    const form = (i: number) => cell(checks[i], { check: i }, checks[i] ? stepsOf(checks[i]) : 0)
    const why = checks[broken]
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, printable(bug ?? '')),
      h(
        'td',
        {},
        printable(one.title ?? one.system),
        h('small', { class: 'message' }, printable(`${one.driver} under ${one.protocol}`)),
        why?.property !== undefined && h('small', { class: 'message' }, printable(propertyText(why))),
      ),
      h('td', { title: printable(one.confirmed?.where ?? '') }, printable(one.confirmed?.status ?? '')),
      form(broken),
      form(fixed),
    )
  }
  const heads = ['bug', 'what', 'how sure', 'as it was', 'as fixed']
  return h(
    'div',
    {},
    h('h1', {}, 'Bugs'),
    h(
      'p',
      { class: 'muted' },
      'The corpus of bugs: each must break without its fix, and hold with it. A number is a counterexample of so many steps.',
    ),
    h(
      'div',
      { class: 'scroll' },
      h(
        'table',
        { class: 'matrix bugs' },
        h('thead', {}, h('tr', {}, ...heads.map(each => h('th', { scope: 'col' }, each)))),
        h('tbody', {}, ...ids.map(row)),
      ),
    ),
  )
}

function systemsElement(checks: CheckJson[]): HTMLElement {
  const heads = ['system', 'verdict', 'property', 'states', 'depth', 'seconds', 'bounds']
  const number = (value: number | undefined) => h('td', { class: 'number' }, value?.toLocaleString('en-US') ?? '')
  const row = (check: CheckJson, i: number) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, printable(check.system)),
      cell(check, { check: i }, stepsOf(check)),
      h('td', {}, printable(check.property === undefined ? (check.reason ?? '') : propertyText(check))),
      number(check.states),
      number(check.depth),
      number(check.seconds === undefined ? undefined : Math.round(check.seconds * 100) / 100),
      h('td', {}, printable(check.bounds ?? '')),
    )
  return h(
    'div',
    {},
    h('h1', {}, 'Verdicts'),
    h(
      'div',
      { class: 'scroll' },
      h(
        'table',
        { class: 'matrix' },
        h('thead', {}, h('tr', {}, ...heads.map(each => h('th', { scope: 'col' }, each)))),
        h('tbody', {}, ...checks.map(row)),
      ),
    ),
  )
}
