// SPDX-License-Identifier: GPL-2.0-or-later
/** The form that filters findings. Its content is kept in the address. */
import { printable } from '../../../src/report/printable.ts'
import type { TraceJson } from '../documents.ts'
import { h } from '../dom.ts'
import { complaintsAbout, FILTER_KEYS, type FilterTexts, filterOf } from '../finding-filter.ts'
import type { Times } from '../words.ts'
import type { Context } from './view.ts'

/** The criteria below "More filters", with their labels and an example of the input. */
const MORE: [key: keyof FilterTexts, label: string, example: string][] = [
  ['pages', 'Pages', '0x10,0x20-0x2f'],
  ['pagemap', 'Pagemap', ''],
  ['function', 'Function', 'on a stack'],
  ['task', 'Task', 'name or pid'],
  ['from', 'From', ''],
  ['to', 'To', ''],
]

type Control = HTMLInputElement | HTMLSelectElement

export interface FilterForm {
  element: HTMLElement
  /** Updates the filter from the controls. */
  refresh(): void
}

/** @param changed called with the texts of the controls whenever they change */
export function filterForm(
  { address }: Context,
  trace: TraceJson,
  times: Times,
  status: HTMLElement,
  changed: (texts: FilterTexts) => void,
): FilterForm {
  const given = filterOf(address)
  const controls = controlsFor(trace, times, given)
  const count = h('span')

  function refresh(): void {
    const said = Object.fromEntries(FILTER_KEYS.map(key => [key, controls[key].value])) as unknown as FilterTexts
    const complaints = complaintsAbout(said)
    for (const key of FILTER_KEYS) controls[key].setCustomValidity(complaints[key] ?? '')
    address.note({ ...said })
    const used = MORE.filter(([key]) => said[key] !== '').length
    count.textContent = used > 0 ? ` (${used} used)` : ''
    clear.hidden = FILTER_KEYS.every(key => said[key] === '')
    changed(said)
  }

  const clear = h('button', { type: 'button' }, 'Clear')
  clear.addEventListener('click', () => {
    for (const key of FILTER_KEYS) controls[key].value = ''
    refresh()
    controls.filter.focus()
  })
  for (const key of FILTER_KEYS) {
    controls[key].addEventListener('input', refresh)
    controls[key].addEventListener('change', () => controls[key].reportValidity())
  }
  const more = MORE.map(([key, label]) => {
    // Without an explicit label, the accessible name would include the options of the list.
    controls[key].setAttribute('aria-label', label)
    return h('label', {}, `${label} `, controls[key])
  })
  const details = h(
    'details',
    { class: 'more-filters', open: MORE.some(([key]) => given[key] !== '') },
    h('summary', {}, 'More filters', count),
    h('div', {}, ...more),
  )
  const first = h('div', { class: 'filters' }, controls.filter, controls.kind, clear, status)
  return { element: h('div', { role: 'search', 'aria-label': 'Filter the findings' }, first, details), refresh }
}

function controlsFor(trace: TraceJson, times: Times, given: FilterTexts): Record<keyof FilterTexts, Control> {
  const kinds = [...new Set(trace.findings.map(({ kind }) => kind))]
  const ranges = trace.pagemaps.map(({ firstPfn, lastPfn }) => [firstPfn, `${firstPfn}-${lastPfn}`] as const)
  const field = (key: keyof FilterTexts, placeholder: string) =>
    h('input', { type: 'text', placeholder, value: given[key], spellcheck: 'false', autocomplete: 'off' })
  const { firstTime, lastTime } = trace.source
  const word = h('input', {
    type: 'search',
    placeholder: 'function, task or page',
    'aria-label': 'Filter by function, task or page',
    value: given.filter,
  })
  const kind = choice(
    'all kinds',
    kinds.map(each => [each, printable(each)] as const),
    given.kind,
  )
  kind.setAttribute('aria-label', 'Kind')
  const examples = Object.fromEntries(MORE.map(([key, , example]) => [key, example]))
  return {
    filter: word,
    kind,
    pages: field('pages', examples.pages!),
    pagemap: choice('all pagemaps', ranges, given.pagemap),
    function: field('function', examples.function!),
    task: field('task', examples.task!),
    from: field('from', times.text(firstTime)),
    to: field('to', times.text(lastTime)),
  }
}

/** A list of values to choose from. The first, empty one stands for all. */
function choice(all: string, values: readonly (readonly [string, string])[], given: string): HTMLSelectElement {
  const options = values.map(([value, text]) => h('option', { value }, text))
  const select = h('select', {}, h('option', { value: '' }, all), ...options)
  select.value = values.some(([value]) => value === given) ? given : ''
  return select
}
