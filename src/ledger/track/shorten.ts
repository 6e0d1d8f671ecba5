// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sets aside pairs of a long lifetime that belong together by a law, so that a page that is never idle needs little more memory
 * than its open references. The event that began the lifetime stays, with what gave back its references.
 */

import type { LawBook } from '../learn/law-book.ts'
import type { EventPool } from './event-pool.ts'
import { MAX_RECENT } from './order-limits.ts'
import type { PageTable } from './page-table.ts'
import { likeness } from './pair-likeness.ts'
import type { Tables } from './tables.ts'
import { unitKey } from './unit-key.ts'

/** Number of events from which on references without a law are paired, too: a put with the last get of the same task. */
const VERY_LONG = 1024

/** A get, a put that gave back references of it, and how many. */
interface Pair {
  get: number
  put: number
  units: number
}

/** Shortens the open lifetime of a page. The hash of its units stays, because it covers all events, removed ones included. */
export function shorten(row: number, { pages, nodes, aside }: Tables, book: LawBook): void {
  const pairsAll = pages.events[row]! >= VERY_LONG
  const gone = new Set<number>()
  const byLaw = new Map<number, LawEvents>()
  const head = pages.head[row]!
  const chain = nodes.nodes(pages.tail[row]!)
  // The last events may still be reordered.
  for (const node of chain.slice(0, -MAX_RECENT)) {
    const law = book.lawOf(unitKey(nodes.signature(node), nodes.delta(node)))
    if (nodes.delta(node) === 0 || (law < 0 && !pairsAll)) continue
    const events = byLaw.get(law) ?? { kept: [], balance: 0 }
    byLaw.set(law, events)
    for (const { get, put, units } of withoutHead(addEvent(events, node, nodes, law < 0), head)) {
      gone.add(get).add(put)
      pages.aside[row] = aside.add(row, pages.aside[row]!, units, get, put, nodes)
    }
  }
  removeNodes(row, chain, pages, nodes, gone)
}

/** Events of one law that are not paired yet, and the references that are out by them. */
interface LawEvents {
  kept: number[]
  balance: number
}

/**
 * Adds an event, and returns the pairs that it completes. Once the law's gets and puts are balanced, these are all its events;
 * otherwise it is the put with one of the gets right before it. So no event sees fewer references out than it did before.
 *
 * @param isNested true if a put gives back the latest get, as nested calls do; otherwise the oldest, but first one of the same
 * task
 */
function addEvent(events: LawEvents, node: number, nodes: EventPool, isNested: boolean): Pair[] {
  const { kept } = events
  kept.push(node)
  events.balance += nodes.delta(node)
  if (nodes.delta(node) > 0) return []
  if (events.balance === 0 && !isNested) return pairAll(kept.splice(0), nodes)
  const at = partnerOf(kept, nodes, isNested)
  if (at < 0) return []
  const get = kept[at]!
  kept.splice(at, 1)
  kept.pop()
  return [{ get, put: node, units: nodes.delta(get) }]
}

/** Returns the place of a get that the last event may have given back: of as many units, with no other put in between. */
function partnerOf(kept: readonly number[], nodes: EventPool, isNested: boolean): number {
  const put = kept.at(-1)!
  let best = -1
  for (let i = kept.length - 2; i >= 0 && nodes.delta(kept[i]!) > 0; i--) {
    if (nodes.delta(kept[i]!) !== -nodes.delta(put)) continue
    if (nodes.pid(kept[i]!) === nodes.pid(put)) return i
    if (best < 0 || !isNested) best = i
  }
  return isNested ? -1 : best
}

/**
 * Pairs events of one law that are even, as the diagnosis pairs those of a lifetime: with the get that is most alike, the oldest
 * of several, of those of the putting task the latest. The pairs of one get follow each other.
 */
function pairAll(events: readonly number[], nodes: EventPool): Pair[] {
  const out: { get: number; units: number }[] = []
  const byGet = new Map<number, Pair[]>()
  for (const node of events) {
    const delta = nodes.delta(node)
    if (delta > 0) {
      out.push({ get: node, units: delta })
      byGet.set(node, [])
      continue
    }
    for (let left = -delta; left > 0 && out.length > 0; ) {
      const at = mostAlike(out, node, left, nodes)
      const taken = out[at]!
      const units = Math.min(left, taken.units)
      byGet.get(taken.get)!.push({ get: taken.get, put: node, units })
      left -= units
      taken.units -= units
      if (taken.units === 0) out.splice(at, 1)
    }
  }
  return [...byGet.values()].flat()
}

function mostAlike(
  out: readonly { get: number; units: number }[],
  put: number,
  left: number,
  nodes: EventPool,
): number {
  let best = 0
  let bestScore = -1
  for (let i = 0; i < out.length; i++) {
    const { get, units } = out[i]!
    const isSameTask = nodes.pid(get) === nodes.pid(put)
    const score = likeness(units === left, nodes.isMapped(get) === nodes.isMapped(put), isSameTask)
    if (isSameTask ? score < bestScore : score <= bestScore) continue
    best = i
    bestScore = score
  }
  return best
}

/** Leaves out the pairs of the get `head`, and all pairs that are connected with them through a common get or put. */
function withoutHead(pairs: readonly Pair[], head: number): readonly Pair[] {
  if (pairs.every(({ get }) => get !== head)) return pairs
  const stays = new Set([head])
  for (let before = 0; before !== stays.size; ) {
    before = stays.size
    for (const { get, put } of pairs) if (stays.has(get) || stays.has(put)) stays.add(get).add(put)
  }
  return pairs.filter(({ get }) => !stays.has(get))
}

function removeNodes(
  row: number,
  chain: readonly number[],
  pages: PageTable,
  nodes: EventPool,
  gone: ReadonlySet<number>,
): void {
  let last = -1
  for (const node of chain) {
    if (gone.has(node)) {
      nodes.give(node)
      pages.events[row]!--
      continue
    }
    nodes.link(node, last)
    last = node
  }
}
