// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The reference checker: a breadth-first search over states that consist of values and histories, by replaying the generators.
 * It has no learning, packing, reduction or generated code; tests compare the checker with it.
 */

import type { System, Thread } from '../model.ts'
import type { Verdict, Violation } from '../verdict.ts'
import { describeStep, stuckMessage } from './describe-step.ts'
import { Interpreter, keyOfPlace, type Outcome, type State } from './interpreter.ts'

export interface ReferenceOptions {
  /** Give up after so many states (default 1e6). */
  states?: number
  /** Only these properties (default: all). */
  properties?: readonly string[]
}

interface Edge {
  readonly thread: number
  readonly to: number
  readonly result: unknown
}

interface Node {
  readonly state: State
  readonly parent: number
  readonly via: (Outcome & { readonly thread: number }) | undefined
  readonly depth: number
  readonly edges: Edge[]
  /** Threads that can move, even if the step ends the execution. */
  readonly movers: Set<number>
}

/** Explores every interleaving. @throws ModelError when the model is malformed. */
export function explore(system: System, options: ReferenceOptions = {}): Verdict {
  return new ReferenceChecker(system, options).run()
}

/** A violation and where it is: at the step `via` from the state `at`, or in the state itself if `via` is undefined. */
interface Found {
  readonly violation: Violation
  readonly at: number
  readonly via: Node['via']
  readonly length: number
}

export class ReferenceChecker {
  private readonly interpreter: Interpreter
  private readonly system: System
  private readonly limit: number
  private readonly properties: ReadonlySet<string> | undefined
  private readonly nodes: Node[] = []
  private readonly known = new Map<string, number>()
  private readonly found: Found[] = []
  private transitions = 0
  private readonly began = performance.now()

  constructor(system: System, options: ReferenceOptions = {}) {
    this.system = system
    this.interpreter = new Interpreter(system)
    this.limit = options.states ?? 1_000_000
    this.properties = options.properties && new Set(options.properties)
  }

  run(): Verdict {
    const first = this.interpreter.initial()
    this.nodes.push({ state: first, parent: -1, via: undefined, depth: 0, edges: [], movers: new Set() })
    this.known.set(keyOfState(first), 0)
    this.look(0)
    for (let at = 0; at < this.nodes.length; at++) {
      // Finish the level in which something was found: one of its states may have a shorter counterexample.
      if (this.found.length > 0 && (at === 0 || this.nodes[at]!.depth > this.nodes[at - 1]!.depth)) break
      this.expand(at)
      if (this.nodes.length > this.limit) return { ...this.verdict('inconclusive'), reason: `${this.limit} states` }
    }
    const [best] = this.shortest()
    if (best) return this.violated(best)
    return this.liveness() ?? this.verdict('holds')
  }

  /** The violations with the shortest counterexamples. */
  shortest(): Found[] {
    const length = Math.min(...this.found.map(f => f.length))
    return this.found.filter(f => f.length === length)
  }

  /** Values of cells in every reachable state, for comparison with other searches. */
  memories(): Set<string> {
    return new Set(this.nodes.map(n => n.state.values.join()))
  }

  private expand(at: number): void {
    const node = this.nodes[at]!
    for (const [t, thread] of this.system.threads.entries()) {
      const place = node.state.places[t]!
      if (!place.next) continue
      for (const outcome of this.interpreter.outcomes(place.next, node.state.values)) {
        node.movers.add(t)
        this.transitions++
        const via = { thread: t, ...outcome }
        for (const violation of outcome.violations)
          if (this.selected(violation.property)) this.found.push({ violation, at, via, length: node.depth + 1 })
        if (outcome.stops) continue
        const state: State = {
          values: outcome.values,
          places: node.state.places.with(t, this.interpreter.after(thread, place, outcome.result)),
        }
        const key = keyOfState(state)
        let to = this.known.get(key)
        if (to === undefined) {
          to = this.nodes.length
          this.known.set(key, to)
          this.nodes.push({ state, parent: at, via, depth: node.depth + 1, edges: [], movers: new Set() })
          this.look(to)
        }
        node.edges.push({ thread: t, to, result: outcome.result })
      }
    }
    if (node.movers.size > 0 || !this.system.deadlock || !this.selected('deadlock')) return
    const message = stuckMessage(this.interpreter, node.state.places)
    if (message !== undefined)
      this.found.push({ violation: { property: 'deadlock', message }, at, via: undefined, length: node.depth })
  }

  /** Notes the invariants that a state violates. */
  private look(at: number): void {
    const { state, depth } = this.nodes[at]!
    for (const property of this.interpreter.broken(state))
      if (this.selected(property))
        this.found.push({
          violation: { property, message: this.interpreter.messageOf(property, state.values) },
          at,
          via: undefined,
          length: depth,
        })
  }

  private liveness(): Verdict | undefined {
    for (const p of this.livenessProperties()) {
      if (!this.selected(p.property)) continue
      const inside = this.nodes.map(n => p.threads.some(t => n.state.places[this.system.threads.indexOf(t)]!.started))
      // A step that ends a run of one of the threads is progress, so that a livelock has no such step.
      const ends = (from: number, e: Edge) =>
        p.threads.includes(this.system.threads[e.thread]!) &&
        this.nodes[from]!.state.places[e.thread]!.started &&
        !this.nodes[e.to]!.state.places[e.thread]!.started
      const edgesOf = (n: number) => this.nodes[n]!.edges.filter(e => inside[e.to] && !ends(n, e))
      for (const component of components(this.nodes.length, n => (inside[n] ? edgesOf(n).map(e => e.to) : []))) {
        if (!inside[component[0]!] || !this.fair(component, edgesOf)) continue
        const violation = { property: p.property, message: p.message }
        return this.violated({ violation, at: component[0]!, via: undefined, length: 0 })
      }
    }
    return undefined
  }

  /** True if every thread moves within the component, or is somewhere in it unable or, between runs, not obliged to move. */
  private fair(component: readonly number[], edgesOf: (n: number) => Edge[]): boolean {
    const within = new Set(component)
    return this.system.threads.every((thread, t) =>
      component.some(n => {
        const node = this.nodes[n]!
        const place = node.state.places[t]!
        if (!place.started && !thread.daemon) return true
        if (!node.movers.has(t)) return true
        return edgesOf(n).some(e => e.thread === t && within.has(e.to))
      }),
    )
  }

  private livenessProperties(): { property: string; message: string; threads: readonly Thread[] }[] {
    return [
      ...this.system.threads
        .filter(t => t.finishes)
        .map(t => ({ property: 'finishes', message: `${t.name} never ends`, threads: [t] })),
      ...this.system.properties
        .filter(p => p.kind === 'progress')
        .map(p => ({ property: p.name, message: `livelock: ${p.name}`, threads: p.threads })),
    ]
  }

  private selected(property: string): boolean {
    return this.properties === undefined || this.properties.has(property)
  }

  private verdict(verdict: Verdict['verdict']): Verdict {
    return {
      system: this.system.name,
      verdict,
      states: this.nodes.length,
      transitions: this.transitions,
      depth: this.nodes.at(-1)!.depth,
      seconds: (performance.now() - this.began) / 1000,
      bounds: this.system.bounds,
      reductions: [],
    }
  }

  private violated({ violation, at, via: last }: Found): Verdict {
    const path: { node: Node; via: NonNullable<Node['via']> }[] = []
    if (last) path.push({ node: this.nodes[at]!, via: last })
    for (let n = this.nodes[at]!; n.via; n = this.nodes[n.parent]!)
      path.unshift({ node: this.nodes[n.parent]!, via: n.via })
    return {
      ...this.verdict('violated'),
      ...violation,
      counterexample: path.map(({ node, via }, i) =>
        describeStep(this.interpreter, i + 1, node.state.values, via.thread, node.state.places[via.thread]!, via),
      ),
    }
  }
}

function keyOfState(state: State): string {
  return `${state.values.join()}|${state.places.map(keyOfPlace).join('|')}`
}

/** Strongly connected components (Tarjan 1972, with an explicit stack), single states without an edge included. */
export function components(size: number, next: (n: number) => readonly number[]): number[][] {
  const index = new Int32Array(size).fill(-1)
  const low = new Int32Array(size)
  const onStack = new Uint8Array(size)
  const stack: number[] = []
  const out: number[][] = []
  let count = 0
  for (let root = 0; root < size; root++) {
    if (index[root] !== -1) continue
    const work: { n: number; to: readonly number[]; i: number }[] = []
    const enter = (n: number) => {
      index[n] = low[n] = count++
      stack.push(n)
      onStack[n] = 1
      work.push({ n, to: next(n), i: 0 })
    }
    enter(root)
    while (work.length > 0) {
      const top = work.at(-1)!
      if (top.i < top.to.length) {
        const m = top.to[top.i++]!
        if (index[m] === -1) enter(m)
        else if (onStack[m]) low[top.n] = Math.min(low[top.n]!, index[m]!)
        continue
      }
      work.pop()
      if (work.length > 0) low[work.at(-1)!.n] = Math.min(low[work.at(-1)!.n]!, low[top.n]!)
      if (low[top.n] !== index[top.n]) continue
      const component = stack.splice(stack.lastIndexOf(top.n))
      for (const m of component) onStack[m] = 0
      out.push(component)
    }
  }
  return out
}
