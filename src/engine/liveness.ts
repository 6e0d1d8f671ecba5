// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Liveness under weak fairness, on the whole graph without reductions: a run that has begun and never ends is a strongly
 * connected component in which it goes on, and in which every thread that always could move does move (Manna and Pnueli
 * 1995; components by Tarjan 1972). Weak fairness needs no recursion into components: whoever is blocked anywhere in a
 * component is blocked again and again on a cycle through all of it.
 */

import type { PathStep } from './explain.ts'
import type { Graph } from './kernel.ts'

export interface Obligation {
  readonly property: string
  readonly message: string
  /** Threads of which one has begun, and none ever ends. */
  readonly threads: readonly number[]
}

export interface Lasso {
  readonly obligation: Obligation
  readonly prefix: readonly PathStep[]
  /** Empty when everything stands still at the end of the prefix. */
  readonly cycle: readonly PathStep[]
}

/**
 * The first obligation that some fair execution breaks, with an execution that is short to its component.
 * @param daemons bits of the threads that fairness also makes begin a run.
 */
export function findLasso(
  graph: Graph,
  words: number,
  daemons: number,
  obligations: readonly Obligation[],
): Lasso | undefined {
  const search = new LassoSearch(graph, words, daemons)
  for (const o of obligations) {
    const lasso = search.run(o)
    if (lasso) return lasso
  }
  return undefined
}

class LassoSearch {
  private readonly graph: Graph
  private readonly words: number
  private readonly size: number
  private readonly daemons: number
  /** Breadth first from the initial state; empty until something is found. */
  private distance = new Int32Array(0)
  private parentEdge = new Int32Array(0)
  /** Bits of the threads that can move in a state. */
  private readonly can: Int32Array
  /** Number of the component that a state was last found in. */
  private readonly componentOf: Int32Array

  constructor(graph: Graph, words: number, daemons: number) {
    this.graph = graph
    this.words = words
    this.daemons = daemons
    this.size = graph.offsets.length - 1
    this.can = graph.stops.slice()
    this.componentOf = new Int32Array(this.size)
    for (let n = 0; n < this.size; n++)
      for (let e = graph.offsets[n]!; e < graph.offsets[n + 1]!; e++) this.can[n]! |= 1 << graph.who[e]!
  }

  run(obligation: Obligation): Lasso | undefined {
    let members = 0
    for (const t of obligation.threads) members |= 1 << t
    const entry = this.nearestFair(members)
    if (entry === undefined) return undefined
    return { obligation, prefix: this.pathTo(entry), cycle: this.fairCycle(entry, members) }
  }

  /** Breadth first from the initial state. */
  private measure(): void {
    this.distance = new Int32Array(this.size).fill(-1)
    this.parentEdge = new Int32Array(this.size).fill(-1)
    const { offsets, to } = this.graph
    const queue = new Int32Array(this.size)
    let tail = 0
    queue[tail++] = this.graph.initial
    this.distance[this.graph.initial] = 0
    for (let head = 0; head < tail; head++) {
      const n = queue[head]!
      for (let e = offsets[n]!; e < offsets[n + 1]!; e++) {
        const m = to[e]!
        if (this.distance[m] !== -1) continue
        this.distance[m] = this.distance[n]! + 1
        this.parentEdge[m] = e
        queue[tail++] = m
      }
    }
  }

  /** Whether edge e of state n stays inside: one of `members` has begun at its end, and it ends the run of none. */
  private inside(n: number, e: number, members: number): boolean {
    const after = this.graph.started[this.graph.to[e]!]!
    if ((after & members) === 0) return false
    const who = 1 << this.graph.who[e]!
    return (who & members) === 0 || (this.graph.started[n]! & who) === 0 || (after & who) !== 0
  }

  /** The state closest to the start in a fair component. */
  private nearestFair(members: number): number | undefined {
    let best: number | undefined
    this.components(members, (stack, from, to) => {
      if (!this.fair(stack, from, to, members)) return
      if (this.distance.length === 0) this.measure()
      for (let i = from; i < to; i++) {
        const n = stack[i]!
        if (best === undefined || this.distance[n]! < this.distance[best]!) best = n
      }
    })
    return best
  }

  private fair(stack: Int32Array, from: number, end: number, members: number): boolean {
    const { offsets, to, who } = this.graph
    let waiting = -1
    for (let i = from; i < end && waiting !== 0; i++) {
      const n = stack[i]!
      waiting &= ~this.excused(n)
      for (let e = offsets[n]!; e < offsets[n + 1]!; e++)
        if (this.componentOf[to[e]!] === this.componentOf[n] && this.inside(n, e, members)) waiting &= ~(1 << who[e]!)
    }
    return waiting === 0
  }

  /** Threads that fairness asks nothing of at a state: not eager, or unable to move. */
  private excused(n: number): number {
    return ~(this.graph.started[n]! | this.daemons) | ~this.can[n]!
  }

  /**
   * Tarjan's algorithm over states where one of `members` has begun, without recursion. A component is what stands on the
   * stack from a position on.
   */
  private components(members: number, found: (stack: Int32Array, from: number, to: number) => void): void {
    const { offsets, to, started } = this.graph
    const index = new Int32Array(this.size)
    const low = new Int32Array(this.size)
    const next = new Int32Array(this.size)
    const stack = new Int32Array(this.size)
    const work = new Int32Array(this.size)
    let height = 0
    let depth = 0
    let count = 0
    let components = 0
    // A state is on the stack while it has an index and no component.
    this.componentOf.fill(0)
    const enter = (n: number) => {
      index[n] = low[n] = ++count
      next[n] = offsets[n]!
      stack[height++] = n
      work[depth++] = n
    }
    for (let root = 0; root < this.size; root++) {
      if (index[root] !== 0 || (started[root]! & members) === 0) continue
      enter(root)
      while (depth > 0) {
        const n = work[depth - 1]!
        if (next[n]! < offsets[n + 1]!) {
          const e = next[n]!++
          const m = to[e]!
          if (index[m] !== 0 && this.componentOf[m] !== 0) continue
          if (!this.inside(n, e, members)) continue
          if (index[m] === 0) enter(m)
          else if (index[m]! < low[n]!) low[n] = index[m]!
          continue
        }
        depth--
        if (depth > 0) {
          const parent = work[depth - 1]!
          if (low[n]! < low[parent]!) low[parent] = low[n]!
        }
        if (low[n] !== index[n]) continue
        const end = height
        components++
        do this.componentOf[stack[--height]!] = components
        while (stack[height] !== n)
        found(stack, height, end)
      }
    }
  }

  private pathTo(n: number): PathStep[] {
    const path: PathStep[] = []
    for (let at = n; this.parentEdge[at] !== -1; ) {
      const e = this.parentEdge[at]!
      path.unshift(this.pathStep(e))
      at = this.source(e)
    }
    return path
  }

  /** From `entry` through its component back to `entry`, so that every thread moves or is seen unable to. */
  private fairCycle(entry: number, members: number): PathStep[] {
    // The search went on after this component was found; a last pass numbers it again.
    this.components(members, () => undefined)
    const path: PathStep[] = []
    let waiting = ~this.excused(entry)
    let at = entry
    const take = (edges: readonly number[]) => {
      for (const e of edges) {
        path.push(this.pathStep(e))
        waiting &= ~(1 << this.graph.who[e]!)
        at = this.graph.to[e]!
        waiting &= ~this.excused(at)
      }
    }
    while (waiting !== 0) {
      const leg = this.shortest(at, members, (n, e) =>
        e >= 0 ? (waiting & (1 << this.graph.who[e]!)) !== 0 : (this.excused(n) & waiting) !== 0,
      )
      if (!leg) break
      take(leg)
    }
    if (at !== entry || path.length === 0)
      take(this.shortest(at, members, (_, e) => e >= 0 && this.graph.to[e] === entry) ?? [])
    return path
  }

  /** Edges of a shortest way inside to a state (asked with edge -1) or over an edge that is wanted. */
  private shortest(from: number, members: number, wanted: (n: number, e: number) => boolean): number[] | undefined {
    const via = new Map<number, number>([[from, -1]])
    const queue = [from]
    const back = (n: number): number[] => {
      const out: number[] = []
      for (let e = via.get(n)!; e !== -1; e = via.get(this.source(e))!) out.unshift(e)
      return out
    }
    for (const n of queue) {
      if (n !== from && wanted(n, -1)) return back(n)
      for (let e = this.graph.offsets[n]!; e < this.graph.offsets[n + 1]!; e++) {
        const m = this.graph.to[e]!
        if (this.componentOf[m] !== this.componentOf[n] || !this.inside(n, e, members)) continue
        if (wanted(n, e)) return [...back(n), e]
        if (via.has(m)) continue
        via.set(m, e)
        queue.push(m)
      }
    }
    return undefined
  }

  private pathStep(e: number): PathStep {
    const m = this.graph.to[e]!
    return { thread: this.graph.who[e]!, state: [...this.graph.states.subarray(m * this.words, (m + 1) * this.words)] }
  }

  /** The state that edge e leaves: its offset is the last that is not beyond e. */
  private source(e: number): number {
    let low = 0
    let high = this.size
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.graph.offsets[middle]! <= e) low = middle
      else high = middle
    }
    return low
  }
}
