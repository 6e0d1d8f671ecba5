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

/** Bits of threads, by state. */
export interface ThreadSets {
  /** Threads whose run has begun. */
  started(state: number): number
  /** Threads that fairness makes move when they can. */
  eager(state: number): number
}

/** The first obligation that some fair execution breaks, with an execution that is short to its component. */
export function findLasso(
  graph: Graph,
  words: number,
  sets: ThreadSets,
  obligations: readonly Obligation[],
): Lasso | undefined {
  const search = new LassoSearch(graph, words, sets)
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
  private readonly sets: ThreadSets
  private readonly distance: Int32Array
  private readonly parentEdge: Int32Array
  /** Bits of the threads that can move in a state. */
  private readonly can: Int32Array
  /** Number of the component that a state was last found in. */
  private readonly componentOf: Int32Array

  constructor(graph: Graph, words: number, sets: ThreadSets) {
    this.graph = graph
    this.words = words
    this.sets = sets
    this.size = graph.offsets.length - 1
    this.distance = new Int32Array(this.size).fill(-1)
    this.parentEdge = new Int32Array(this.size).fill(-1)
    this.can = Int32Array.from(graph.stops)
    this.componentOf = new Int32Array(this.size)
    for (let n = 0; n < this.size; n++)
      for (let e = graph.offsets[n]!; e < graph.offsets[n + 1]!; e++) this.can[n]! |= 1 << graph.who[e]!
    this.measure()
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
    const after = this.sets.started(this.graph.to[e]!)
    if ((after & members) === 0) return false
    const who = 1 << this.graph.who[e]!
    return (who & members) === 0 || (this.sets.started(n) & who) === 0 || (after & who) !== 0
  }

  /** The state closest to the start in a fair component. */
  private nearestFair(members: number): number | undefined {
    let best: number | undefined
    this.components(members, (stack, from) => {
      let nearest = stack[from]!
      for (let i = from; i < stack.length; i++)
        if (this.distance[stack[i]!]! < this.distance[nearest]!) nearest = stack[i]!
      if (best !== undefined && this.distance[nearest]! >= this.distance[best]!) return
      if (this.fair(stack, from, members)) best = nearest
    })
    return best
  }

  private fair(stack: readonly number[], from: number, members: number): boolean {
    let waiting = -1
    for (let i = from; i < stack.length && waiting !== 0; i++) {
      const n = stack[i]!
      const { offsets, to, who } = this.graph
      waiting &= ~this.excused(n)
      for (let e = offsets[n]!; e < offsets[n + 1]!; e++)
        if (this.componentOf[to[e]!] === this.componentOf[n] && this.inside(n, e, members)) waiting &= ~(1 << who[e]!)
    }
    return waiting === 0
  }

  /** Threads that fairness asks nothing of at a state: not eager, or unable to move. */
  private excused(n: number): number {
    return ~this.sets.eager(n) | ~this.can[n]!
  }

  /**
   * Tarjan's algorithm over states where one of `members` has begun, without recursion. A component is what stands on the
   * stack from a position on.
   */
  private components(members: number, found: (stack: readonly number[], from: number) => void): void {
    const { offsets, to } = this.graph
    const index = new Int32Array(this.size)
    const low = new Int32Array(this.size)
    const next = new Int32Array(this.size)
    const onStack = new Uint8Array(this.size)
    const stack: number[] = []
    const work: number[] = []
    let count = 0
    let components = 0
    this.componentOf.fill(0)
    const enter = (n: number) => {
      index[n] = low[n] = ++count
      next[n] = offsets[n]!
      onStack[n] = 1
      stack.push(n)
      work.push(n)
    }
    for (let root = 0; root < this.size; root++) {
      if (index[root] !== 0 || (this.sets.started(root) & members) === 0) continue
      enter(root)
      while (work.length > 0) {
        const n = work.at(-1)!
        if (next[n]! < offsets[n + 1]!) {
          const e = next[n]!++
          const m = to[e]!
          if (!this.inside(n, e, members)) continue
          if (index[m] === 0) enter(m)
          else if (onStack[m] !== 0) low[n] = Math.min(low[n]!, index[m]!)
          continue
        }
        work.pop()
        const parent = work.at(-1)
        if (parent !== undefined) low[parent] = Math.min(low[parent]!, low[n]!)
        if (low[n] !== index[n]) continue
        const from = stack.lastIndexOf(n)
        components++
        for (let i = from; i < stack.length; i++) {
          onStack[stack[i]!] = 0
          this.componentOf[stack[i]!] = components
        }
        found(stack, from)
        stack.length = from
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
