// SPDX-License-Identifier: GPL-2.0-or-later
/** Words for findings about a dump, shared by the terminal and the viewer. */
import { type CoreFinding, type Holder, pageCount } from '../core/finding.ts'
import { printable } from './printable.ts'
import { grouped, pfnText, plural } from './words.ts'

/** Largest dump that the viewer opens, in bytes. A browser reads files slowly, and the search for holders reads all of it. */
export const MOST_SHOWN_BYTES = 2 ** 31

/** Returns advice for a dump that is too large for the viewer; undefined if it is not. */
export function tooLargeToShow(name: string, bytes: number): string | undefined {
  if (bytes <= MOST_SHOWN_BYTES) return undefined
  const sizes = `${plural(bytes, 'byte')}, and a page reads dumps of at most ${plural(MOST_SHOWN_BYTES, 'byte')}`
  return `${printable(name)} has ${sizes}: run "lastput core ${printable(name)} --html report.html", and open that`
}

/** Returns the subject of a finding with its numbers. */
export function coreSubject(finding: CoreFinding): string {
  const { kind, pfn, count, explained, mapcount } = finding
  const pages = pageCount(finding)
  if (kind === 'teardown-waits') return `memunmap_pages() waits for ${plural(pages, 'page')} from ${pfnText(pfn)} on`
  const what = pages > 1 ? `folio ${pfnText(pfn)} of ${grouped(pages)} pages` : `page ${pfnText(pfn)}`
  const sum = explained === undefined ? '' : `, ${explained} explained`
  return `${what}, count ${count}${mappedText(mapcount)}${sum}`
}

/** @param mapcount how often a page is mapped */
export function mappedText(mapcount: number): string {
  return mapcount > 0 ? `, mapped ${mapcount === 1 ? 'once' : `${mapcount} times`}` : ''
}

/** A run of neighbouring pages with the same kind of holder. */
export interface HeldGroup {
  first: CoreFinding
  last: CoreFinding
  pages: number
}

/** @param findings in order of their pages */
export function heldGroups(findings: readonly CoreFinding[]): HeldGroup[] {
  const groups: HeldGroup[] = []
  for (const finding of findings) {
    const group = groups.at(-1)
    if (group && isNext(group.last, finding)) {
      group.last = finding
      group.pages += pageCount(finding)
    } else groups.push({ first: finding, last: finding, pages: pageCount(finding) })
  }
  return groups
}

/** Returns a sentence on which pages are held, with what count, and by what. */
export function heldSentence({ first, last, pages }: HeldGroup): string {
  const end = last.pfn + pageCount(last) - 1
  const where = pages === 1 ? pfnText(first.pfn) : `${pfnText(first.pfn)}-${pfnText(end)}`
  const by = first.holders.map(groupWords)
  const open =
    first.explained !== undefined && first.explained < first.count
      ? [by.length > 0 ? 'the rest is unexplained' : 'unexplained']
      : []
  return `${where}, count ${first.count}: ${[...new Set([...by, ...open])].join('; ') || 'holders unknown'}`
}

function isNext(last: CoreFinding, next: CoreFinding): boolean {
  if (last.pfn + pageCount(last) !== next.pfn || last.pagemap !== next.pagemap) return false
  if (last.count !== next.count || last.explained !== next.explained) return false
  const words = (finding: CoreFinding) => finding.holders.map(groupWords).join('\n')
  return words(last) === words(next)
}

/** Returns a holder in words, without the parts that differ from page to page. */
function groupWords({ kind, task, pid, cache, symbol, member, words }: Holder): string {
  const by = task === undefined ? '' : ` ${printable(task)}-${pid}`
  if (kind === 'mapping') return `mapped by${by}`
  if (kind === 'pipe') return `in a pipe of${by}`
  if (member?.startsWith('io_mapped_ubuf.')) return `registered with io_uring by${by}`
  if (kind === 'slab' && cache !== undefined) return `slab ${printable(cache)}`
  if (kind === 'static-data' && symbol !== undefined) return `in ${printable(symbol.replace(/\+0x[^ ]*/, ''))}`
  return words
}
