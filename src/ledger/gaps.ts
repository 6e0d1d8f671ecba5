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
  /** Time of the next edge, Infinity if none is known. */
  nextEdge = Infinity
  #edges: number[] = []

  add(gap: LostEvents): void {
    this.list.push(gap)
    this.#edges.push(gap.from, gap.to)
    this.#edges.sort((a, b) => a - b)
    this.nextEdge = this.#edges[0]!
  }

  /** Passes all edges up to a time. */
  pass(time: number): void {
    let passed = 0
    while (passed < this.#edges.length && this.#edges[passed]! <= time) passed++
    this.#edges = this.#edges.slice(passed)
    this.epoch += passed
    this.nextEdge = this.#edges[0] ?? Infinity
  }

  /** Events lost, as far as the recording says how many. */
  get lost(): number {
    return this.list.reduce((sum, gap) => sum + (gap.count ?? 0), 0)
  }

  get countKnown(): boolean {
    return this.list.every(gap => gap.count !== undefined)
  }
}
