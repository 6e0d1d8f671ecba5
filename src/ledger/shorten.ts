// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sets aside pairs of a long life that most likely belong together, so that a page that is never idle needs no more memory
 * than its open references. One put after the other, latest gets first: references nest.
 */

import type { PairModel, Reference } from './pairs.ts'
import type { EventPool as NodePool } from './track/event-pool.ts'
import { MAX_RECENT } from './track/order-limits.ts'
import type { PageTable } from './track/page-table.ts'

/** Events of a life above which it is left as it is: so many references are out at once that pairs are guesswork. */
const MAX_EVENTS = 4096

/** Shortens the open life of a page. */
export function shorten(row: number, pages: PageTable, nodes: NodePool, model: PairModel): void {
  if (pages.events[row]! > MAX_EVENTS) return
  const open: number[] = []
  const settled = new Set<number>()
  // The last events may yet have to be put into another order.
  let left = pages.events[row]! - MAX_RECENT
  for (let node = pages.head[row]!; left > 0; node = nodes.next[node]!, left--) {
    if (nodes.delta[node]! > 0) open.push(node)
    else settlePut(node, open, nodes, model, settled)
  }
  removeNodes(row, pages, nodes, settled)
}

/** Finds the open get that a put most likely gave back, among those of as many references. */
function settlePut(put: number, open: number[], nodes: NodePool, model: PairModel, settled: Set<number>): void {
  let best = -1
  let bestCost = Infinity
  for (let i = open.length - 1; i >= 0; i--) {
    const get = open[i]!
    if (nodes.delta[get] !== -nodes.delta[put]!) continue
    const cost = model.cost(referenceOf(get, nodes), referenceOf(put, nodes))
    if (cost >= bestCost) continue
    best = i
    bestCost = cost
  }
  if (best < 0) return
  settled.add(open[best]!).add(put)
  open.splice(best, 1)
}

function referenceOf(node: number, nodes: NodePool): Reference {
  return {
    signature: nodes.signature[node]!,
    units: Math.abs(nodes.delta[node]!),
    position: 0,
    task: nodes.pid[node]!,
    mapped: nodes.mapped[node] === 1,
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
