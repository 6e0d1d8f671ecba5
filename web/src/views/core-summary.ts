// SPDX-License-Identifier: GPL-2.0-or-later
/** Summary of a dump: its source, what limits the validity of its findings, and its pagemaps with an overview of their pages. */
import { printable } from '../../../src/report/printable.ts'
import { grouped, pfnText, plural } from '../../../src/report/words.ts'
import type { CoreDocument, CorePagemap } from '../core/document.ts'
import { h, name } from '../dom.ts'

/** Largest number of pagemaps that are shown, since damaged memory can contain any number. */
export const SHOWN_PAGEMAPS = 200

export function coreSummary({ source, pagemaps, reasons, notes }: CoreDocument): HTMLElement {
  const { file, format, kernel, arch, foundBy } = source
  return h(
    'section',
    { class: 'summary', 'aria-label': 'Dump' },
    h('h1', {}, name(file)),
    h(
      'p',
      {},
      `${printable(format)}, Linux `,
      name(kernel),
      `, ${printable(arch)} `,
      h('span', { class: 'muted' }, `(found by ${printable(foundBy)})`),
    ),
    h('p', {}, statesText(pagemaps)),
    reasons.length > 0 && h('ul', { class: 'warnings' }, ...reasons.map(({ text }) => h('li', {}, printable(text)))),
    ...notes.map(note => h('p', { class: 'muted' }, `note: ${printable(note)}`)),
  )
}

function statesText(pagemaps: readonly CorePagemap[]): string {
  const total = { idle: 0, busy: 0, impossible: 0, unknown: 0, absent: 0 }
  const states = Object.keys(total) as (keyof typeof total)[]
  for (const { pages } of pagemaps) for (const state of states) total[state] += pages[state]
  const all = states.reduce((sum, state) => sum + total[state], 0)
  const words = states
    .filter(state => total[state] > 0)
    .map(state => `${grouped(total[state])} ${state === 'absent' ? 'not in the dump' : state}`)
  const where = pagemaps.length === 0 ? 'no pagemaps' : plural(pagemaps.length, 'pagemap')
  return `${plural(all, 'device page')} in ${where}${words.length > 0 ? `: ${words.join(', ')}` : ''}.`
}

const HEADS = ['pages', 'type', 'driver', 'protocol', 'in use', 'references', 'all of them']

/** @param strips drawings of the pagemaps @param choose called with a pagemap whose first page was asked for */
export function pagemapTable(
  pagemaps: readonly CorePagemap[],
  strips: readonly HTMLElement[],
  choose: (pagemap: number) => void,
): HTMLElement {
  const rows = strips.map((strip, i) => pagemapRow(pagemaps[i]!, strip, () => choose(i)))
  const head = h('thead', {}, h('tr', {}, ...HEADS.map(text => h('th', { scope: 'col' }, text))))
  const more = pagemaps.length - strips.length
  return h(
    'div',
    { class: 'scroll' },
    h('table', { class: 'pagemaps', 'aria-label': 'Pagemaps' }, head, h('tbody', {}, ...rows)),
    more > 0 && h('p', { class: 'muted' }, `and ${plural(more, 'more pagemap')}`),
  )
}

function pagemapRow(map: CorePagemap, strip: HTMLElement, choose: () => void): HTMLElement {
  const { ranges, type, typeNumber, driver, protocol, idleCount, ref, pages } = map
  const [first, ...more] = ranges
  const where = first ? `${pfnText(first.first)}-${pfnText(first.end - 1)}` : '?'
  const rest = more.length > 0 ? ` and ${plural(more.length, 'more range')}` : ''
  const killed = ref?.state === 'dead' ? ', killed' : ''
  return h(
    'tr',
    {},
    h('td', {}, h('button', { type: 'button', class: 'page', on: { click: choose } }, where), rest),
    h('td', {}, printable(type ?? `type ${typeNumber}`)),
    h('td', {}, driver === null ? '-' : name(driver)),
    h('td', {}, protocol === null || idleCount === null ? '?' : `${printable(protocol)}, idle at ${idleCount}`),
    h('td', { class: 'number' }, grouped(pages.busy + pages.impossible + pages.unknown)),
    h('td', { class: 'number' }, ref === null ? '?' : `${ref.references ?? '?'}${killed}`),
    h('td', { class: 'picture' }, strip),
  )
}
