// SPDX-License-Identifier: GPL-2.0-or-later
import type { LostEvents } from '../trace/events.ts'

/**
 * Where events were lost. Each gap has two edges; a page whose last event lies before an edge that has passed may have
 * missed something, whatever CPU the gap is on.
 */
export class Gaps {
  readonly list: LostEvents[] = []
  /** Edges that have passed. */
  epoch = 0
  /** Gaps that have begun and not ended: what comes now may miss its neighbours. */
  open = 0
  /** Time of the next edge, Infinity if none is known. */
  nextEdge = Infinity
  #edges: { time: number; opens: number }[] = []

  add(gap: LostEvents): void {
    this.list.push(gap)
    this.#edges.push({ time: gap.from, opens: 1 }, { time: gap.to, opens: -1 })
    this.#edges.sort((a, b) => a.time - b.time || b.opens - a.opens)
    this.nextEdge = this.#edges[0]!.time
  }

  /** Passes all edges up to a time. */
  pass(time: number): void {
    let passed = 0
    while (passed < this.#edges.length && this.#edges[passed]!.time <= time) this.open += this.#edges[passed++]!.opens
    this.#edges = this.#edges.slice(passed)
    this.epoch += passed
    this.nextEdge = this.#edges[0]?.time ?? Infinity
  }

  /** Events lost, as far as the recording says how many. */
  get lost(): number {
    return this.list.reduce((sum, gap) => sum + (gap.count ?? 0), 0)
  }

  get countKnown(): boolean {
    return this.list.every(gap => gap.count !== undefined)
  }
}
