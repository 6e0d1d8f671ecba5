// SPDX-License-Identifier: GPL-2.0-or-later
/** One page of a dump, as text, as a row of a list, and as JSON. */
import type { Examination } from '../core/examine.ts'
import type { PageFacts } from '../core/page-queries.ts'
import { addressText } from './core-json.ts'
import { pfnText, wrap } from './words.ts'

/** Head of the rows of {@link pageRow}; `crash`'s kmem -p has the same columns and more. */
export const PAGE_COLUMNS = 'pfn page count mapcount flags type pagemap head state'

/** The columns, one blank apart. mapcount is how often the page is mapped: `_mapcount` + 1. */
export function pageRow({ view, address, pagemap, state }: PageFacts): string {
  const type = pagemap ? (pagemap.type ?? pagemap.typeNumber) : '-'
  const owner = pagemap ? addressText(pagemap.address) : '-'
  const flags = addressText(view.flags)
  return `${pfnText(view.pfn)} ${addressText(address)} ${view.count} ${view.mapcount + 1} ${flags} ${type} ${owner} ${pfnText(view.head)} ${state.replaceAll(' ', '-')}`
}

export function pageJson({ view, address, pagemap, state, flagNames }: PageFacts): object {
  return {
    pfn: pfnText(view.pfn),
    page: addressText(address),
    count: view.count,
    mapcount: view.mapcount + 1,
    flags: addressText(view.flags),
    flagNames,
    type: pagemap?.type ?? null,
    pagemap: pagemap ? addressText(pagemap.address) : null,
    owner: pagemap ? addressText(pagemap.owner) : null,
    driver: pagemap?.driver ?? null,
    head: pfnText(view.head),
    order: view.order,
    mapping: addressText(view.mapping),
    index: addressText(view.index),
    zoneDeviceData: addressText(view.zoneDeviceData),
    state,
  }
}

export function pageText(page: PageFacts, { findings }: Examination): string[] {
  const { view, address, pagemap, state, flagNames } = page
  const kind = pagemap
    ? `${pagemap.type ?? `type ${pagemap.typeNumber}`} page of ${pagemap.driver ?? 'no driver'}`
    : 'page'
  const idle = pagemap?.rule ? ` (an idle page has ${pagemap.rule.idle})` : ''
  const lines = [
    `${kind} ${pfnText(view.pfn)}: ${state}`,
    `  struct page      ${addressText(address)}`,
    `  count            ${view.count}${idle}`,
    `  mapcount         ${view.mapcount + 1}`,
    ...wrap(`${addressText(view.flags)} ${flagNames.join(' ')}`, '  flags            ', '                   '),
    `  mapping          ${addressText(view.mapping)}`,
    `  zone_device_data ${addressText(view.zoneDeviceData)}`,
  ]
  if (view.isTail) lines.push(`  tail of          ${pfnText(view.head)}`)
  if (view.order > 0) lines.push(`  order            ${view.order}`)
  for (const { kind, certainty, holders, evidence, explained } of findings) {
    lines.push('', `${kind} (${certainty})${explained === undefined ? '' : `: ${explained} references explained`}`)
    for (const { words } of holders.slice(0, 12)) lines.push(...wrap(words, '  - ', '    '))
    if (holders.length > 12) lines.push(`  - and ${holders.length - 12} more`)
    for (const text of evidence) lines.push(...wrap(text, '  ', '  '))
  }
  return lines
}
