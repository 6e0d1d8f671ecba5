// SPDX-License-Identifier: GPL-2.0-or-later
import type { LostEvents } from '../../trace/events.ts'

/**
 * Where events were lost, or changed a count by an amount that is not known. Each gap has two edges; a page whose last event lies
 * before an edge that has passed may have missed something, whatever CPU the gap is on.
 */
export class Gaps {
  readonly list: LostEvents[] = []
  /** Number of edges (begins and ends of gaps) that have passed. */
  epoch = 0
  /** Number of gaps that have begun and not ended. Events may be missing right before or after each event inside a gap. */
  open = 0
  /** Time of the next edge, Infinity if none is known. */
  nextEdge = Infinity
  /** Heap of the edges ahead, by time, because a recording may report any number of gaps in any order. */
  readonly #edges: { time: number; opens: number }[] = []

  /** Takes in a gap, which may lie far in the past. */
  add(gap: LostEvents): void {
    this.list.push(gap)
    this.#push({ time: gap.from, opens: 1 })
    this.#push({ time: gap.to, opens: -1 })
    this.nextEdge = this.#edges[0]!.time
  }

  /** Passes all edges up to a time. */
  pass(time: number): void {
    while (this.#edges.length > 0 && this.#edges[0]!.time <= time) {
      this.open += this.#edges[0]!.opens
      this.epoch++
      this.#shift()
    }
    this.nextEdge = this.#edges[0]?.time ?? Infinity
  }

  #push(edge: { time: number; opens: number }): void {
    const edges = this.#edges
    let at = edges.length
    for (let parent = (at - 1) >> 1; at > 0 && edges[parent]!.time > edge.time; parent = (at - 1) >> 1) {
      edges[at] = edges[parent]!
      at = parent
    }
    edges[at] = edge
  }

  #shift(): void {
    const edges = this.#edges
    const last = edges.pop()!
    if (edges.length === 0) return
    let at = 0
    for (let child = 1; child < edges.length; child = 2 * at + 1) {
      if (child + 1 < edges.length && edges[child + 1]!.time < edges[child]!.time) child++
      if (edges[child]!.time >= last.time) break
      edges[at] = edges[child]!
      at = child
    }
    edges[at] = last
  }

  /** The gaps in which events were lost. */
  get losses(): LostEvents[] {
    return this.list.filter(gap => !gap.isUnknownChange)
  }

  /** Number of events lost; undefined if the recording does not give the number for every gap. */
  get lost(): number | undefined {
    return this.losses.reduce<number | undefined>(
      (sum, { count }) => (sum === undefined || count === undefined ? undefined : sum + count),
      0,
    )
  }

  /** Number of recorded changes of watched counts whose amount is not known. */
  get unknownChanges(): number {
    return this.list.reduce((sum, gap) => sum + (gap.isUnknownChange ? (gap.count ?? 0) : 0), 0)
  }
}
