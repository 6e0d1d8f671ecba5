// SPDX-License-Identifier: GPL-2.0-or-later
/** One page of a dump: its count, its flags, and who holds it. */
import { CORE_ACCUSATIONS, type CoreFinding } from '../../../src/core/finding.ts'
import { coreFindingText } from '../../../src/report/core.ts'
import { printable } from '../../../src/report/printable.ts'
import { grouped, pfnText, plural } from '../../../src/report/words.ts'
import type { CoreDocument, CorePagemap, Run } from '../core/document.ts'
import type { Place } from '../core/painter.ts'
import { h } from '../dom.ts'
import { copyButton } from './finding.ts'
import type { Context } from './view.ts'

/** Largest number of holders that are shown for a finding. */
const SHOWN = 64

export function corePage(context: Context, core: CoreDocument, { pfn, pagemap }: Place): HTMLElement[] {
  const map = core.pagemaps[pagemap]!
  const run = map.runs.find(({ first, end }) => pfn >= first && pfn < end)
  const found = core.findings.filter(
    finding => finding.pagemap === pagemap && finding.pages.some(({ first, end }) => pfn >= first && pfn < end),
  )
  const facts = run ? factsOf(run, pfn, map) : [['state', 'not written down in this file'] as const]
  return [
    h('h2', {}, `Page ${pfnText(pfn)}`),
    h('dl', { class: 'facts' }, ...facts.flatMap(([what, value]) => [h('dt', {}, what), h('dd', {}, value)])),
    ...found.map(finding => findingElement(context, finding)),
  ]
}

const WITHOUT: Record<string, string> = {
  absent: 'the dump has no struct page of it',
  reserved: 'no device page: it holds the pagemap\u2019s own struct pages',
}

function factsOf({ first, end, kind }: Run, pfn: number, map: CorePagemap): (readonly [string, string])[] {
  const { state, count, mapcount, flags, flagNames = [], folio = 1 } = kind
  const type = `${printable(map.type ?? `type ${map.typeNumber}`)} of ${printable(map.driver ?? 'no driver')}`
  if (count === undefined) return [['state', WITHOUT[state] ?? printable(state)] as const, ['pagemap', type]]
  const idle = map.idleCount === null ? '' : ` (an idle page has ${map.idleCount})`
  const head = first + Math.floor((pfn - first) / folio) * folio
  const alike = (end - first) / folio
  return [
    ['state', printable(state)] as const,
    ['count', `${count}${idle}`],
    ['mapped', mapcount === 1 ? 'once' : `${mapcount ?? '?'} times`],
    ['flags', `${printable(flags ?? '?')} ${flagNames.map(printable).join(' ')}`],
    ...(folio > 1
      ? ([['folio', `${grouped(folio)} pages from ${pfnText(head)} on, whose count and flags these are`]] as const)
      : []),
    ['pagemap', type],
    ...(alike > 1
      ? ([['alike', `${plural(alike, folio > 1 ? 'folio' : 'page')} from ${pfnText(first)} on`]] as const)
      : []),
  ]
}

function findingElement(context: Context, finding: CoreFinding): HTMLElement {
  const { kind, certainty, holders, evidence, explained, count } = finding
  const accuses = CORE_ACCUSATIONS.has(kind)
  const sum = explained === undefined ? '' : `${explained} of ${plural(count, 'reference')} explained`
  const shown = holders.slice(0, SHOWN).map(({ words }) => h('li', {}, printable(words)))
  return h(
    'div',
    { class: 'held' },
    h(
      'header',
      {},
      h('span', { class: `kind ${accuses ? 'accuses' : 'reports'}` }, printable(kind)),
      accuses && h('span', { class: 'certainty' }, printable(certainty)),
      kind !== 'teardown-waits' && h('span', { class: 'muted' }, sum),
    ),
    shown.length > 0 && h('ul', { 'aria-label': 'Holders' }, ...shown),
    holders.length > SHOWN && h('p', { class: 'muted' }, `and ${plural(holders.length - SHOWN, 'more holder')}`),
    ...evidence.map(each => h('p', {}, printable(each))),
    h(
      'p',
      { class: 'buttons' },
      copyButton(context, () => `${coreFindingText(finding).join('\n')}\n`),
    ),
  )
}
