// SPDX-License-Identifier: GPL-2.0-or-later
/** What a dump holds, as text that fits a screen. */
import type { Examination } from '../core/examine.ts'
import { CORE_ACCUSATIONS, type CoreFinding, type Holder, pageCount } from '../core/finding.ts'
import type { PagemapAccount } from '../core/mm/device-pages.ts'
import { coreIncompleteness } from './core-completeness.ts'
import { printable } from './printable.ts'
import { table } from './table.ts'
import { grouped, pfnText, plural, wrap } from './words.ts'

export interface CoreTextOptions {
  /** Findings that accuse, and groups of held pages, to show. */
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
    map.ranges.map(({ first, end }) => `${pfnText(first)}-${pfnText(end - 1)}`).join(' '),
    map.type ?? `type ${map.typeNumber}`,
    map.driver ?? '-',
    map.rule ? `${map.protocol}, idle at ${map.rule.idle}` : '?',
    grouped(map.pages.busy + map.pages.impossible + map.pages.unknown),
    refText(map),
  ])
  return table(['pages', 'type', 'driver', 'protocol', 'busy', 'references'], rows)
}

function refText({ ref }: PagemapAccount): string {
  if (!ref) return '?'
  return `${ref.references ?? '?'}${ref.state === 'dead' ? ', killed' : ''}`
}

function findingsText(findings: readonly CoreFinding[], top: number, incomplete: boolean): string[] {
  if (findings.length === 0) return ['', `Nothing wrong was found${incomplete ? ', but not all could be judged' : ''}.`]
  const lines = ['', `${plural(findings.length, 'finding')}:`]
  findings.slice(0, top).forEach((finding, i) => {
    lines.push('', ...findingText(finding, i + 1))
  })
  if (findings.length > top) lines.push('', `(${findings.length - top} more: --top ${findings.length})`)
  return lines
}

function findingText(finding: CoreFinding, number: number): string[] {
  const { kind, certainty, evidence, holders } = finding
  const sure = certainty === 'certain' ? '' : ` (${certainty})`
  const head = `${number}. ${kind}${sure}: ${subject(finding)}`
  return [
    ...wrap(head, '', '   '),
    ...holders.slice(0, 8).flatMap(holder => wrap(holder.words, '   - ', '     ')),
    ...(holders.length > 8 ? [`   - and ${holders.length - 8} more`] : []),
    ...evidence.flatMap(text => wrap(text, '   ', '   ')),
  ]
}

function subject(finding: CoreFinding): string {
  const { kind, pfn, count, explained, mapcount } = finding
  const pages = pageCount(finding)
  if (kind === 'teardown-waits') return `memunmap_pages() waits for ${plural(pages, 'page')} from ${pfnText(pfn)} on`
  const what = pages > 1 ? `folio ${pfnText(pfn)} of ${grouped(pages)} pages` : `page ${pfnText(pfn)}`
  const mapped = mapcount > 0 ? `, mapped ${mapcount === 1 ? 'once' : `${mapcount} times`}` : ''
  const sum = explained === undefined ? '' : `, ${explained} explained`
  return `${what}, count ${count}${mapped}${sum}`
}

/** Held pages, those alike and side by side in one line. */
function heldText(findings: readonly CoreFinding[], top: number): string[] {
  if (findings.length === 0) return []
  const groups: { first: CoreFinding; last: CoreFinding; pages: number }[] = []
  for (const finding of findings) {
    const group = groups.at(-1)
    if (group && isNext(group.last, finding)) {
      group.last = finding
      group.pages += pageCount(finding)
    } else groups.push({ first: finding, last: finding, pages: pageCount(finding) })
  }
  const pages = groups.reduce((sum, group) => sum + group.pages, 0)
  const lines = ['', `Held, ${plural(pages, 'page')}:`]
  for (const { first, last, pages } of groups.slice(0, top)) {
    const end = last.pfn + pageCount(last) - 1
    const where = pages === 1 ? pfnText(first.pfn) : `${pfnText(first.pfn)}-${pfnText(end)}`
    const by = first.holders.map(groupWords)
    const open =
      first.explained !== undefined && first.explained < first.count
        ? [by.length > 0 ? 'the rest is unexplained' : 'unexplained']
        : []
    const words = [...new Set([...by, ...open])].join('; ') || 'holders unknown'
    lines.push(...wrap(`${where}, count ${first.count}: ${words}`, '  ', '    '))
  }
  if (groups.length > top) lines.push(`  (${groups.length - top} more lines: --top ${groups.length})`)
  return lines
}

function isNext(last: CoreFinding, next: CoreFinding): boolean {
  if (last.pfn + pageCount(last) !== next.pfn || last.pagemap !== next.pagemap) return false
  if (last.count !== next.count || last.explained !== next.explained) return false
  const words = (finding: CoreFinding) => finding.holders.map(groupWords).join('\n')
  return words(last) === words(next)
}

/** A holder without what differs from page to page. */
function groupWords({ kind, task, pid, cache, symbol, words }: Holder): string {
  const by = task === undefined ? '' : ` ${printable(task)}-${pid}`
  if (kind === 'mapping') return `mapped by${by}`
  if (kind === 'pipe') return `in a pipe of${by}`
  if (kind === 'slab' && cache !== undefined) return `slab ${printable(cache)}`
  if (kind === 'static-data' && symbol !== undefined) return `in ${printable(symbol.replace(/\+0x.*(?= \[|$)/, ''))}`
  return words
}
