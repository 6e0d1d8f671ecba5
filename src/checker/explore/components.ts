// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Strongly connected components of a part of a graph, in slices (Pearce 2016, "A space-efficient algorithm for finding
 * strongly connected components"). It needs one number for each state, and one stack that is used from both ends.
 */
import { ENDS, type Graph } from '../codegen/search-program.ts'

export class Components {
  /**
   * By state: 0 if it was not met; the least index that it reaches while its component is not complete; then the number of its
   * component, which is larger than any index in use.
   */
  readonly of: Int32Array
  private readonly graph: Graph
  private readonly size: number
  /**
   * Bits of the threads that define the part of the graph: the states in which at least one of them is inside a run, and the
   * edges that end no run of theirs.
   */
  private members = 0
  /** From the front, the states on the path; from the back, those that wait until their component is complete. */
  private readonly stack: Int32Array
  /** By depth: the next edge to follow; and 1 while the state has reached none of a smaller index. */
  private readonly next: Int32Array
  private readonly first: Uint8Array
  private depth = 0
  private back: number
  private index = 1
  private component: number
  private root = 0

  constructor(graph: Graph) {
    this.graph = graph
    this.size = graph.started.length
    this.of = new Int32Array(this.size)
    this.stack = new Int32Array(this.size)
    this.next = new Int32Array(this.size)
    this.first = new Uint8Array(this.size)
    this.back = this.component = this.size
  }

  /** Bytes that this algorithm takes for a number of states. */
  static bytes(states: number): number {
    return states * 13
  }

  begin(members: number): void {
    this.of.fill(0)
    this.members = members
    this.depth = this.root = 0
    this.index = 1
    this.back = this.component = this.size
  }

  /** Number of states, in order, from which the search has started or need not start any more; for progress. */
  get done(): number {
    return this.root
  }

  /** True if edge e of a state in the part stays in it. */
  inside(e: number): boolean {
    const { started, to, who } = this.graph
    if ((started[to[e]!]! & this.members) === 0) return false
    return (who[e]! & ENDS) === 0 || (this.members & (1 << (who[e]! & (ENDS - 1)))) === 0
  }

  /**
   * Continues for about `budget` edges; returns false when all are done.
   * @param found is called with each component, whose states are in the list at from .. to - 1.
   */
  advance(budget: number, found: (states: Int32Array, from: number, to: number) => void): boolean {
    const { offsets, to, started } = this.graph
    const { of, stack, next, first, members } = this
    for (let left = budget; left > 0; left--) {
      if (this.depth === 0) {
        while (this.root < this.size && (of[this.root] !== 0 || (started[this.root]! & members) === 0)) this.root++
        if (this.root === this.size) return false
        this.enter(this.root)
      }
      const n = stack[this.depth - 1]!
      const e = next[this.depth - 1]!
      if (e === offsets[n + 1]) {
        this.leave(found)
        continue
      }
      const m = to[e]!
      if (!this.inside(e)) next[this.depth - 1]!++
      else if (of[m] === 0) this.enter(m)
      else {
        // The path has just come back from m, or m was met before.
        next[this.depth - 1]!++
        if (of[m]! < of[n]!) {
          of[n] = of[m]!
          first[this.depth - 1] = 0
        }
      }
    }
    return true
  }

  private enter(n: number): void {
    this.of[n] = this.index++
    this.stack[this.depth] = n
    this.next[this.depth] = this.graph.offsets[n]!
    this.first[this.depth++] = 1
  }

  private leave(found: (states: Int32Array, from: number, to: number) => void): void {
    const { of, stack } = this
    const n = stack[--this.depth]!
    const least = of[n]!
    stack[--this.back] = n
    if (this.first[this.depth] === 0) return
    const from = this.back
    while (this.back < this.size && of[stack[this.back]!]! >= least) {
      of[stack[this.back++]!] = this.component
      this.index--
    }
    this.component--
    found(stack, from, this.back)
  }
}
