// SPDX-License-Identifier: GPL-2.0-or-later
/** Shows a counterexample or a run step by step: threads as lanes, with cells and holders after the selected step. */
import { printable } from '../../../src/report/printable.ts'
import { promiseLine } from '../../../src/report/promises.ts'
import type { Address } from '../address.ts'
import type { Document, RunJson, StepJson, VerdictJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import { newsOf } from '../words.ts'
import type { Context, View } from './view.ts'

/** An execution of the model, and the text above it. */
interface Execution {
  title: string
  heading: (Node | string)[][]
  steps: StepJson[]
  /** Number of the step that follows the last one, if the violation is a cycle. */
  loop: number | undefined
}

/** Returns the counterexample that the address names. */
export function findCounterexample(
  document: Extract<Document, { kind: 'check' | 'matrix' }>,
  address: Address,
): Execution | undefined {
  if (document.kind === 'matrix') {
    const row = document.rows[address.index('row', document.rows.length) ?? -1]
    const property = address.get('property') ?? ''
    const verdict = row && Object.hasOwn(row.properties, property) ? row.properties[property] : undefined
    const why = verdict?.cause === undefined ? [] : [[printable(verdict.cause)]]
    return (
      verdict && counterexampleOf(`${row!.driver} under ${row!.protocol}, ${row!.scenario}`, property, verdict, why)
    )
  }
  const check = document.checks[address.index('check', document.checks.length) ?? -1]
  return check && counterexampleOf(check.title ?? check.system, check.property ?? '', check)
}

/** @param why further lines that explain the violation */
function counterexampleOf(
  title: string,
  property: string,
  verdict: VerdictJson,
  why: string[][] = [],
): Execution | undefined {
  const { counterexample, message, loop } = verdict
  return (
    counterexample && {
      title,
      heading: [violation(property, message), ...why, rule(property)],
      steps: counterexample,
      loop,
    }
  )
}

function violation(property: string, message: string | undefined): (Node | string)[] {
  return [h('b', { class: 'broken' }, `violated: ${printable(property)}`), ` ${printable(newsOf(property, message))}`]
}

/** Returns the rule behind a property, with its source in the kernel. */
function rule(property: string): (Node | string)[] {
  const line = promiseLine(property)
  return line === undefined ? [] : [h('span', { class: 'muted' }, `The rule: ${line}`)]
}

export function runView(context: Context, { system, seed, steps, violations }: RunJson): View {
  const said = violations.map(({ step, property, message }) => [`Step ${step} `, ...violation(property, message)])
  return executionView(context, {
    title: `${system}, seed ${seed}`,
    heading: said.length > 0 ? said : [['Nothing was violated.']],
    steps,
    loop: undefined,
  })
}

export function executionView({ address }: Context, { title, heading, steps, loop }: Execution): View {
  const threads = [...new Set(steps.map(step => step.thread))]
  const texts = textsOf(steps)
  const rows = steps.map((step, i) => stepRow(step, i, { threads, loop, texts }))
  const detail = h('section', { class: 'holders', tabindex: 0, 'aria-live': 'polite', 'aria-label': 'After this step' })
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
    rows[selected]?.scrollIntoView({ block: 'nearest' })
    if (focus) rows[selected]?.focus()
  }

  for (const [i, row] of rows.entries()) row.addEventListener('click', () => select(i, true))
  const buttons: [string, () => number][] = [
    ['First', () => 0],
    ['Back', () => selected - 1],
    ['Next', () => selected + 1],
    ['Last', () => steps.length - 1],
  ]
  return {
    element: h(
      'div',
      { class: 'counterexample' },
      h('h1', {}, printable(title)),
      ...heading.filter(line => line.length > 0).map(line => h('p', {}, ...line)),
      h(
        'div',
        { class: 'filters' },
        ...buttons.map(([text, to]) => h('button', { type: 'button', on: { click: () => select(to(), false) } }, text)),
        h('span', { class: 'muted' }, 'arrow keys step'),
      ),
      h('div', { class: 'beside' }, sequence(threads, rows, loop), detail),
    ),
    keys: [
      ['↑ ↓ j k', 'the step before, the step after'],
      ['Home End', 'the first and the last step'],
    ],
    onKey(key) {
      const by = { ArrowDown: 1, ArrowRight: 1, j: 1, ArrowUp: -1, ArrowLeft: -1, k: -1 }[key]
      const to = by === undefined ? { Home: 0, End: steps.length - 1 }[key] : selected + by
      if (to === undefined) return false
      select(to, true)
      return true
    },
    // The view starts at the first step, as a debugger does. A key jumps to the last one.
    shown: () => select((address.index('step', steps.length + 1) ?? 1) - 1, false),
  }
}

/** The sequence diagram: a lane for each thread and a row for each step. */
function sequence(threads: string[], rows: HTMLElement[], loop: number | undefined): HTMLElement {
  const heads = ['step', ...threads].map(each => h('th', { scope: 'col' }, printable(each)))
  return h(
    'div',
    { class: 'scroll' },
    h(
      'table',
      { class: 'sequence', role: 'grid', 'aria-label': 'Steps by thread' },
      h('thead', {}, h('tr', {}, ...heads)),
      h('tbody', {}, ...rows),
    ),
    loop !== undefined && h('p', { class: 'broken' }, `\u21ba and from step ${loop} again, for ever`),
  )
}

interface Lanes {
  threads: string[]
  loop: number | undefined
  texts: Map<string, string>
}

/** Number of changes that fit into a step's box. */
const SHOWN_CHANGES = 2

function stepRow(step: StepJson, i: number, { threads, loop, texts }: Lanes): HTMLTableRowElement {
  const again = loop === step.step
  const cells = threads.map(thread =>
    thread === step.thread
      ? h(
          'td',
          { class: 'acts' },
          h(
            'span',
            { class: 'box' },
            name(step.operation),
            step.function !== step.operation && h('small', {}, printable(step.function)),
            ...changeLines(step, texts),
          ),
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

function changeLines({ changes }: StepJson, texts: Map<string, string>): HTMLElement[] {
  const more = changes.length - SHOWN_CHANGES
  const lines = changes
    .slice(0, SHOWN_CHANGES)
    .map(({ cell, from, to }) => `${cell} ${valueText(texts, cell, from)} \u2192 ${valueText(texts, cell, to)}`)
  return [...lines, ...(more > 0 ? [`and ${more} more`] : [])].map(line =>
    h('small', { class: 'did' }, printable(line)),
  )
}

function valueText(texts: Map<string, string>, cell: string, value: number): string {
  return texts.get(`${cell}=${value}`) ?? String(value)
}

/** Collects the model's texts for values of cells from the steps. */
function textsOf(steps: StepJson[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const { cell, from, to, text, was } of steps.flatMap(step => step.changes)) {
    if (text !== undefined) texts.set(`${cell}=${to}`, text)
    if (was !== undefined) texts.set(`${cell}=${from}`, was)
  }
  return texts
}

function stepDetail(steps: StepJson[], at: number, texts: Map<string, string>): HTMLElement[] {
  const step = steps[at]
  if (!step) return [h('p', {}, 'There are no steps: the first state is the one.')]
  const source = sourceText(step)
  return [
    h(
      'div',
      { class: 'columns' },
      h(
        'div',
        {},
        h('h2', {}, `Step ${at + 1} of ${steps.length}: `, name(step.thread)),
        step.function !== step.operation && h('p', {}, name(step.operation)),
        h('pre', { class: 'stack' }, step.stack.map(printable).join('\n')),
        source !== undefined && h('p', { class: 'muted source' }, `written at ${source}`),
        h('h2', {}, 'Who holds what'),
        h('p', {}, printable(step.holders ?? '') || 'Every page is idle.'),
      ),
      h('div', {}, h('h2', {}, 'Cells'), cellTable(steps, at, texts)),
    ),
  ]
}

/** The place of the step in the model's source, without the part of the path that depends on the machine. */
function sourceText({ source = '' }: StepJson): string | undefined {
  const column = /:\d+\)?$/.exec(source)
  const place = source.slice(0, column?.index)
  if (!column || !/:\d+$/.test(place)) return undefined
  const own = /(?:^|\/)(?:dist|src)\//.exec(place)
  const path = own ? place.slice(own.index + own[0].length) : ''
  return printable(path !== '' && !/\s/.test(path) ? path : place.split(/[/\s]/).at(-1)!)
}

/** A table of all cells that change in the execution, with their values after the step. Changes by this step are highlighted. */
function cellTable(steps: StepJson[], at: number, texts: Map<string, string>): HTMLElement {
  const values = new Map<string, number>()
  for (const { changes } of [...steps].reverse()) for (const { cell, from } of changes) values.set(cell, from)
  for (const { changes } of steps.slice(0, at + 1)) for (const { cell, to } of changes) values.set(cell, to)
  const lit = new Map(steps[at]!.changes.map(change => [change.cell, change.from]))
  const show = (cell: string, value: number) => printable(valueText(texts, cell, value))
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
