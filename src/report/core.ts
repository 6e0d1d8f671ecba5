// SPDX-License-Identifier: GPL-2.0-or-later
/** Results of examining a dump, as text that fits a screen. */
import type { Examination } from '../core/examine.ts'
import { CORE_ACCUSATIONS, type CoreFinding } from '../core/finding.ts'
import type { PagemapAccount } from '../core/mm/device-pages.ts'
import { coreIncompleteness } from './core-completeness.ts'
import { coreSubject, heldGroups, heldSentence } from './core-words.ts'
import { table } from './table.ts'
import { grouped, pfnText, plural, wrap } from './words.ts'

export interface CoreTextOptions {
  /** Most findings that accuse, and most groups of held pages, to show. */
  top?: number | undefined
}

export function coreText(file: string, found: Examination, { top = 20 }: CoreTextOptions = {}): string[] {
  const wrong = found.findings.filter(({ kind }) => CORE_ACCUSATIONS.has(kind))
  const held = found.findings.filter(({ kind }) => !CORE_ACCUSATIONS.has(kind))
  const reasons = coreIncompleteness(found)
  return [
    ...headText(file, found),
    ...found.notes.flatMap(note => wrap(note, 'note: ', '  ')),
    ...reasons.flatMap(({ text }) => wrap(text, 'note: ', '  ')),
    ...(found.pagemaps.length > 0 ? ['', ...pagemapTable(found.pagemaps)] : []),
    ...findingsText(wrong, top, reasons.length > 0),
    ...heldText(held, top),
  ]
}

function headText(file: string, { kernel, pagemaps }: Examination): string[] {
  const total = { idle: 0, busy: 0, impossible: 0, unknown: 0, absent: 0 }
  for (const { pages } of pagemaps) {
    for (const state of Object.keys(total) as (keyof typeof total)[]) total[state] += pages[state]
  }
  const all = total.idle + total.busy + total.impossible + total.unknown + total.absent
  const states = Object.entries(total).filter(([state, n]) => n > 0 || state === 'idle')
  const words = states.map(([state, n]) => `${grouped(n)} ${state === 'absent' ? 'not in the dump' : state}`)
  const where = pagemaps.length === 0 ? 'no pagemaps' : plural(pagemaps.length, 'pagemap')
  return [
    ...wrap(`${file}: ${kernel.dump.memory.format}`, '', '  '),
    ...wrap(`Linux ${kernel.release}, ${kernel.arch.name}, found by ${kernel.foundBy}`, '', '  '),
    ...wrap(`${plural(all, 'device page')} in ${where}${all > 0 ? `: ${words.join(', ')}` : ''}`, '', '  '),
  ]
}

function pagemapTable(pagemaps: readonly PagemapAccount[]): string[] {
  const rows = pagemaps.map(map => [
    rangesText(map),
    map.type ?? `type ${map.typeNumber}`,
    map.driver ?? '-',
    map.rule ? `${map.protocol}, idle at ${map.rule.idle}` : '?',
    grouped(map.pages.busy + map.pages.impossible + map.pages.unknown),
    refText(map),
  ])
  return table(['pages', 'type', 'driver', 'protocol', 'busy', 'references'], rows)
}

/** A damaged pagemap can have a thousand ranges. */
function rangesText({ ranges }: PagemapAccount): string {
  const shown = ranges.slice(0, 2).map(({ first, end }) => `${pfnText(first)}-${pfnText(end - 1)}`)
  return [...shown, ...(ranges.length > 2 ? [`+${ranges.length - 2}`] : [])].join(' ')
}

function refText({ ref }: PagemapAccount): string {
  if (!ref) return '?'
  return `${ref.references ?? '?'}${ref.state === 'dead' ? ', killed' : ''}`
}

function findingsText(findings: readonly CoreFinding[], top: number, incomplete: boolean): string[] {
  if (findings.length === 0) return ['', `Nothing wrong was found${incomplete ? ', but not all could be judged' : ''}.`]
  const lines = ['', `${plural(findings.length, 'finding')}:`]
  findings.slice(0, top).forEach((finding, i) => {
    lines.push('', ...coreFindingText(finding, i + 1))
  })
  if (findings.length > top) lines.push('', `(${findings.length - top} more: --top ${findings.length})`)
  return lines
}

/** @param number number of the finding in a list; undefined: it stands alone */
export function coreFindingText(finding: CoreFinding, number?: number): string[] {
  const { kind, certainty, evidence, holders } = finding
  const sure = certainty === 'certain' ? '' : ` (${certainty})`
  const head = `${number === undefined ? '' : `${number}. `}${kind}${sure}: ${coreSubject(finding)}`
  return [
    ...wrap(head, '', '   '),
    ...holders.slice(0, 8).flatMap(holder => wrap(holder.words, '   - ', '     ')),
    ...(holders.length > 8 ? [`   - and ${holders.length - 8} more`] : []),
    ...evidence.flatMap(text => wrap(text, '   ', '   ')),
  ]
}

/** Returns lines on held pages; neighbouring pages with the same kind of holder share a line. */
function heldText(findings: readonly CoreFinding[], top: number): string[] {
  if (findings.length === 0) return []
  const groups = heldGroups(findings)
  const pages = groups.reduce((sum, group) => sum + group.pages, 0)
  const lines = ['', `Held, ${plural(pages, 'page')}:`]
  for (const group of groups.slice(0, top)) lines.push(...wrap(heldSentence(group), '  ', '    '))
  if (groups.length > top) lines.push(`  (${groups.length - top} more lines: --top ${groups.length})`)
  return lines
}
