// SPDX-License-Identifier: GPL-2.0-or-later
/** A counterexample step by step: threads as lanes, the cells and who holds what after the step that is looked at. */
import { properties } from '../../../src/linux/properties.ts'
import { printable } from '../../../src/report/printable.ts'
import type { Address } from '../address.ts'
import type { Document, StepJson, VerdictJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import type { Context, View } from './view.ts'

export interface Counterexample {
  title: string
  property: string
  message: string | undefined
  steps: StepJson[]
  loop: number | undefined
}

/** The one that the address names. */
export function findCounterexample(
  document: Exclude<Document, { kind: 'trace' | 'explain' }>,
  address: Address,
): Counterexample | undefined {
  if (document.kind === 'matrix') {
    const row = document.rows[address.index('row', document.rows.length) ?? -1]
    const property = address.get('property') ?? ''
    const verdict = row && Object.hasOwn(row.properties, property) ? row.properties[property] : undefined
    return verdict && made(`${row!.driver} under ${row!.protocol}, ${row!.scenario}`, property, verdict)
  }
  const check = document.checks[address.index('check', document.checks.length) ?? -1]
  return check && made(check.title ?? check.system, check.property ?? '', check)
}

function made(title: string, property: string, verdict: VerdictJson): Counterexample | undefined {
  const { counterexample, message, loop } = verdict
  return counterexample && { title, property, message, steps: counterexample, loop }
}

export function counterexampleView(context: Context, example: Counterexample): View {
  const { address } = context
  const { steps, property, message, loop } = example
  const threads = [...new Set(steps.map(step => step.thread))]
  const rows = steps.map((step, i) => stepRow(step, i, threads, loop))
  const detail = h('section', { class: 'holders', 'aria-live': 'polite', 'aria-label': 'After this step' })
  const texts = textsOf(steps)
  let selected = 0

  function select(i: number, focus: boolean): void {
    selected = Math.max(0, Math.min(steps.length - 1, i))
    for (const [at, row] of rows.entries()) {
      row.tabIndex = at === selected ? 0 : -1
      row.setAttribute('aria-selected', String(at === selected))
      row.classList.toggle('ahead', at > selected)
    }
    detail.replaceChildren(...stepDetail(steps, selected, texts))
    address.note({ step: selected + 1 })
    if (focus) {
      rows[selected]?.focus()
      rows[selected]?.scrollIntoView({ block: 'nearest' })
    }
  }

  for (const [i, row] of rows.entries()) row.addEventListener('click', () => select(i, true))
  const rule = Object.hasOwn(properties, property) ? properties[property] : undefined
  const button = (text: string, to: () => number) =>
    h('button', { type: 'button', on: { click: () => select(to(), false) } }, text)
  return {
    element: h(
      'div',
      { class: 'counterexample' },
      h('h1', {}, printable(example.title)),
      h(
        'p',
        {},
        h('b', { class: 'broken' }, `violated: ${printable(property)}`),
        message !== undefined && ` ${printable(message)}`,
      ),
      rule && h('p', { class: 'muted' }, `The rule: ${rule.rule}`, rule.source !== undefined && ` (${rule.source})`),
      h(
        'div',
        { class: 'filters' },
        button('First', () => 0),
        button('Back', () => selected - 1),
        button('Next', () => selected + 1),
        button('Last', () => steps.length - 1),
        h('span', { class: 'muted' }, 'arrow keys step'),
      ),
      h(
        'div',
        { class: 'beside' },
        h(
          'div',
          { class: 'scroll' },
          h(
            'table',
            { class: 'sequence', role: 'grid', 'aria-label': 'Steps by thread' },
            h(
              'thead',
              {},
              h(
                'tr',
                {},
                h('th', { scope: 'col' }, 'step'),
                ...threads.map(each => h('th', { scope: 'col' }, printable(each))),
              ),
            ),
            h('tbody', {}, ...rows),
          ),
          loop !== undefined && h('p', { class: 'broken' }, `\u21ba and from step ${loop} again, for ever`),
        ),
        detail,
      ),
    ),
    onKey(key) {
      const by = { ArrowDown: 1, ArrowRight: 1, j: 1, ArrowUp: -1, ArrowLeft: -1, k: -1 }[key]
      const to = by === undefined ? { Home: 0, End: steps.length - 1 }[key] : selected + by
      if (to === undefined) return false
      select(to, true)
      return true
    },
    shown: () => select((address.index('step', steps.length + 1) ?? steps.length) - 1, false),
  }
}

function stepRow(step: StepJson, i: number, threads: string[], loop: number | undefined): HTMLTableRowElement {
  const again = loop === step.step
  const cells = threads.map(thread =>
    thread === step.thread
      ? h(
          'td',
          { class: 'acts' },
          h('span', { class: 'box' }, name(step.operation), h('small', {}, printable(step.function))),
        )
      : h('td', { class: 'lane' }),
  )
  return h(
    'tr',
    { class: again ? 'again' : '', tabindex: -1 },
    h('th', { scope: 'row' }, again && h('span', { title: 'taken again after the last' }, '\u21ba '), i + 1),
    ...cells,
  )
}

/** How the model shows the values of its cells, as far as the steps tell. */
function textsOf(steps: StepJson[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const { changes } of steps)
    for (const { cell, to, text } of changes) if (text !== undefined) texts.set(`${cell}=${to}`, text)
  return texts
}

function stepDetail(steps: StepJson[], at: number, texts: Map<string, string>): HTMLElement[] {
  const step = steps[at]
  if (!step) return [h('p', {}, 'There are no steps: the first state is the one.')]
  return [
    h('h2', {}, `Step ${at + 1} of ${steps.length}: `, name(step.thread)),
    h('p', {}, name(step.operation), ' in ', name(step.function)),
    h('pre', { class: 'stack' }, step.stack.map(printable).join('\n')),
    h('h2', {}, 'Who holds what'),
    h('p', {}, printable(step.holders ?? '') || 'Every page is idle.'),
    h('h2', {}, 'Cells'),
    cellTable(steps, at, texts),
    sourceText(step) !== undefined && h('p', { class: 'muted source' }, `written at ${sourceText(step)}`),
  ].filter(each => each !== false)
}

/** Where in the model the step is written; the part of the path that is the same on every machine. */
function sourceText({ source }: StepJson): string | undefined {
  const place =
    /(?:^|\/)(?:dist|src)\/(\S+:\d+):\d+\)?$/.exec(source ?? '') ?? /([^/\s]+:\d+):\d+\)?$/.exec(source ?? '')
  return place ? printable(place[1]!) : undefined
}

/** Values after the step, of all cells that change at all; what this step changed is lit. */
function cellTable(steps: StepJson[], at: number, texts: Map<string, string>): HTMLElement {
  const values = new Map<string, number>()
  for (const { changes } of [...steps].reverse()) for (const { cell, from } of changes) values.set(cell, from)
  for (const { changes } of steps.slice(0, at + 1)) for (const { cell, to } of changes) values.set(cell, to)
  const lit = new Map(steps[at]!.changes.map(change => [change.cell, change.from]))
  const show = (cell: string, value: number) => printable(texts.get(`${cell}=${value}`) ?? String(value))
  const row = (cell: string, value: number) => {
    const from = lit.get(cell)
    return h(
      'tr',
      { class: from === undefined ? '' : 'lit' },
      h('th', { scope: 'row' }, name(cell)),
      h(
        'td',
        { class: 'number' },
        from === undefined ? show(cell, value) : `${show(cell, from)} \u2192 ${show(cell, value)}`,
      ),
    )
  }
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1))
  return h(
    'table',
    { class: 'cells', 'aria-label': 'Cells' },
    h('tbody', {}, ...sorted.map(([cell, value]) => row(cell, value))),
  )
}
