// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sets aside pairs of a long lifetime that belong together by a law, so that a page that is never idle needs no more memory than
 * its open references.
 */

import type { LawBook } from '../learn/law-book.ts'
import type { EventPool } from './event-pool.ts'
import { MAX_RECENT } from './order-limits.ts'
import type { PageTable } from './page-table.ts'
import type { Tables } from './tables.ts'
import { unitKey } from './unit-key.ts'

/** Events of a lifetime from which on references without a law are paired, too: the last get of the task that puts. */
const VERY_LONG = 1024

/** Shortens the open lifetime of a page. The hash of its units stays: it is of all that happened. */
export function shorten(row: number, { pages, nodes }: Tables, book: LawBook): void {
  const pairsAll = pages.events[row]! >= VERY_LONG
  const gone = new Set<number>()
  const byLaw = new Map<number, LawEvents>()
  // The last events may yet have to be put into another order.
  let left = pages.events[row]! - MAX_RECENT
  for (let node = pages.head[row]!; left > 0; node = nodes.next[node]!, left--) {
    const law = book.lawOf(unitKey(nodes.signature[node]!, nodes.delta[node]!))
    if (nodes.delta[node] === 0 || (law < 0 && !pairsAll)) continue
    const events = byLaw.get(law) ?? { kept: [], balance: 0 }
    byLaw.set(law, events)
    addEvent(events, node, nodes, law < 0, gone)
  }
  removeNodes(row, pages, nodes, gone)
}

/** Events of one law that are not set aside yet, and what they add up to. */
interface LawEvents {
  kept: number[]
  balance: number
}

/**
 * Adds an event, and sets aside what it completes: all events of the law once they are even; else the put with one of the gets
 * right before it, so that at no event less is out than before.
 *
 * @param isNested calls nest, so that the latest get is the one; otherwise the oldest, unless the putting task took another
 */
function addEvent(events: LawEvents, node: number, nodes: EventPool, isNested: boolean, gone: Set<number>): void {
  const { kept } = events
  kept.push(node)
  events.balance += nodes.delta[node]!
  if (nodes.delta[node]! > 0) return
  if (events.balance === 0 && !isNested) {
    for (const each of kept.splice(0)) gone.add(each)
    return
  }
  const get = partnerOf(kept, nodes, isNested)
  if (get < 0) return
  gone.add(kept[get]!).add(node)
  kept.splice(get, 1)
  kept.pop()
}

/** Place of a get that the last event can have given back: one of as many units, with no other put in between. */
function partnerOf(kept: readonly number[], nodes: EventPool, isNested: boolean): number {
  const put = kept.at(-1)!
  let best = -1
  for (let i = kept.length - 2; i >= 0 && nodes.delta[kept[i]!]! > 0; i--) {
    if (nodes.delta[kept[i]!] !== -nodes.delta[put]!) continue
    if (nodes.pid[kept[i]!] === nodes.pid[put]) return i
    if (best < 0 || !isNested) best = i
  }
  return isNested ? -1 : best
}

function removeNodes(row: number, pages: PageTable, nodes: EventPool, gone: ReadonlySet<number>): void {
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
