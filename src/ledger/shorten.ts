// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sets aside pairs of a long lifetime that belong together by a law, so that a page that is never idle needs no more memory than
 * its open references.
 */
import { unitKey } from './learn/call-site-laws.ts'
import type { LawBook } from './learn/law-book.ts'
import type { NodePool } from './nodes.ts'
import { MAX_RECENT } from './order.ts'
import type { PageTable } from './pages.ts'

/** Events of a lifetime from which on references without a law are paired, too: the last get of the task that puts. */
const VERY_LONG = 1024

/** Shortens the open lifetime of a page. @param onRemove called for each node before it goes back to the pool */
export function shorten(
  row: number,
  pages: PageTable,
  nodes: NodePool,
  book: LawBook,
  onRemove: (node: number) => void,
): void {
  const pairsAll = pages.events[row]! >= VERY_LONG
  const open: number[] = []
  const settled = new Set<number>()
  // The last events may yet have to be put into another order.
  let left = pages.events[row]! - MAX_RECENT
  for (let node = pages.head[row]!; left > 0; node = nodes.next[node]!, left--) {
    if (nodes.delta[node]! > 0) open.push(node)
    else settlePut(node, open, nodes, book, pairsAll, settled)
  }
  for (const node of settled) onRemove(node)
  removeNodes(row, pages, nodes, settled)
}

/** Finds the latest open get of as many references that a put can have given back. */
function settlePut(
  put: number,
  open: number[],
  nodes: NodePool,
  book: LawBook,
  pairsAll: boolean,
  settled: Set<number>,
): void {
  const law = book.lawOf(unitKey(nodes.signature[put]!, -1))
  if (law < 0 && !pairsAll) return
  for (let i = open.length - 1; i >= 0; i--) {
    const get = open[i]!
    if (nodes.delta[get] !== -nodes.delta[put]! || book.lawOf(unitKey(nodes.signature[get]!, 1)) !== law) continue
    if (law < 0 && nodes.pid[get] !== nodes.pid[put]) continue
    settled.add(get).add(put)
    open.splice(i, 1)
    return
  }
}

function removeNodes(row: number, pages: PageTable, nodes: NodePool, gone: ReadonlySet<number>): void {
  let last = -1
  for (let node = pages.head[row]!; node >= 0; ) {
    const next = nodes.next[node]!
    if (gone.has(node)) {
      nodes.give(node)
      pages.events[row]!--
    } else {
      if (last < 0) pages.head[row] = node
      else nodes.next[last] = node
      last = node
    }
    node = next
  }
  if (last < 0) pages.head[row] = -1
  else nodes.next[last] = -1
  pages.tail[row] = last
}
