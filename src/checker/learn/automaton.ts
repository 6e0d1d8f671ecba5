// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Builds the threads' automata. Learned functions are joined at their calls and returns; then states with equal behaviour are
 * merged by partition refinement (Moore 1956), over all threads at once, so that identical threads share one automaton.
 */

import type { Budget } from '../budget.ts'
import { ModelError, type System, type Thread } from '../model.ts'
import type { Decisions, Diagram } from './decision.ts'
import { AGAIN_KEY, type Fragment, type Node, Unfolder } from './unfold.ts'

/** A node of a thread: the step that it takes next. */
export interface AutomatonNode {
  /** The next step, whose targets are nodes of the same automaton; undefined when the thread's runs are over. */
  readonly diagram: Diagram | undefined
  /** True if the thread is not inside a run: it has taken no step of the next one. */
  readonly idle: boolean
}

/** The automaton of one thread, or of several that are identical. */
export interface Automaton {
  readonly nodes: readonly AutomatonNode[]
  /** Where threads start; always 0. */
  readonly start: 0
  /** By node, its class: nodes of any two automata with equal behaviour have the same number. */
  readonly classes: readonly number[]
}

export interface Automata {
  readonly decisions: Decisions
  readonly types: readonly Automaton[]
  /** By thread: which of `types`. */
  readonly typeOf: readonly number[]
  /** The number of histories replayed, and of nodes before merging. */
  readonly learned: { readonly histories: number; readonly nodes: number }
}

/** Limit of nodes before merging, beyond which the model is refused. */
const NODES = 500_000

/** Approximate bytes of a node and its entries in tables. */
const FLAT = 100

/** Limit of the calls and returns between one step and the next. */
const LOCAL_LIMIT = 1000

interface FlatNode {
  diagram: Diagram | undefined
  idle: boolean
}

/**
 * Learns the threads of a system and builds their automata.
 * @param minimise false to leave nodes with equal behaviour apart.
 * @throws ModelError as {@link Unfolder}, and for a thread that runs without taking a step; Exhausted at a limit.
 */
export function automata(system: System, decisions: Decisions, minimise = true): Automata {
  const flat = new Product(decisions, minimise)
  const starts = system.threads.map(t => flat.thread(t))
  decisions.budget.nodes = flat.nodes.length
  decisions.budget.begin('merging states of threads')
  const classes = minimise ? minimize(flat.nodes, decisions.budget) : flat.nodes.map((_, i) => i)
  const types: Automaton[] = []
  const byStart = new Map<number, number>()
  const typeOf = starts.map(start => {
    const c = classes[start]!
    let type = byStart.get(c)
    if (type === undefined) {
      type = types.push(reachable(decisions, flat.nodes, classes, start)) - 1
      byStart.set(c, type)
    }
    return type
  })
  return { decisions, types, typeOf, learned: { histories: flat.learner.histories, nodes: flat.nodes.length } }
}

/** A learned function at one place of call, with where the thread goes on when the function returns. */
interface Instance {
  readonly fragment: Fragment
  readonly returns: (key: string) => number
  readonly at: Map<number, number>
  /** Instances that it calls, by call node. */
  readonly calls: Map<number, Instance>
}

class Product {
  readonly nodes: FlatNode[] = []
  readonly learner: Unfolder
  private readonly decisions: Decisions
  private readonly merge: boolean
  private readonly instances = new Map<string, Instance>()
  private depth = 0
  private pending: { instance: Instance; node: number; flat: number }[] = []

  constructor(decisions: Decisions, merge: boolean) {
    this.decisions = decisions
    this.merge = merge
    this.learner = new Unfolder(decisions, merge)
  }

  /** Builds a thread's nodes and returns its first. */
  thread(thread: Thread): number {
    const fragment = this.learner.learn({ fn: thread.body, args: [] }, `thread ${thread.name}`)
    let start: number
    if (Number.isFinite(thread.times)) {
      start = this.add({ diagram: undefined, idle: true })
      for (let left = 1; left <= thread.times; left++) start = this.run(thread, fragment, () => start)
    } else start = this.run(thread, fragment, self => self)
    this.settle()
    return start
  }

  /** Adds the nodes of one run of a body, whose return leads to node `after(first node of this run)`. Returns that first node. */
  private run(thread: Thread, fragment: Fragment, after: (self: number) => number): number {
    const self = this.add({ diagram: undefined, idle: true })
    const next = after(self)
    const instance: Instance = { fragment, returns: () => next, at: new Map(), calls: new Map() }
    const first = this.resolve(instance, fragment.entry)
    if (this.nodes[first]!.idle) throw new ModelError(`thread ${thread.name}: a run ends without a step`)
    this.settle()
    this.nodes[self]!.diagram = this.nodes[first]!.diagram
    return self
  }

  private add(node: FlatNode): number {
    if (this.nodes.length >= NODES)
      throw new ModelError(`the threads have more than ${NODES} local states: use call() for parts that are shared`)
    this.decisions.budget.keep(FLAT)
    return this.nodes.push(node) - 1
  }

  /** The flat node of the first step that is reached from node `at` through calls and returns. */
  private resolve(instance: Instance, at: number): number {
    const node = instance.fragment.nodes[at]!
    if (node.kind === 'step') return this.stepNode(instance, at)
    if (++this.depth > LOCAL_LIMIT)
      throw new ModelError(`${instance.fragment.name}: calls return and repeat without a step between them`)
    try {
      if (node.kind === 'return') return instance.returns(node.key)
      const callee = this.instance(instance, at, node)
      return this.resolve(callee, callee.fragment.entry)
    } finally {
      this.depth--
    }
  }

  private stepNode(instance: Instance, at: number): number {
    let flat = instance.at.get(at)
    if (flat === undefined) {
      flat = this.add({ diagram: undefined, idle: false })
      instance.at.set(at, flat)
      this.pending.push({ instance, node: at, flat })
    }
    return flat
  }

  private instance(caller: Instance, at: number, node: Node & { kind: 'call' }): Instance {
    const known = caller.calls.get(at)
    if (known) return known
    const { callee } = node
    const next = new Map<string, number>()
    const make = (): Instance => {
      const made: Instance = {
        fragment: callee,
        at: new Map(),
        calls: new Map(),
        returns: key => {
          if (node.repeats && key === AGAIN_KEY) return this.resolve(made, callee.entry)
          // Resolved late only when not merging, where each call has an instance of its own.
          return next.get(key) ?? this.resolve(caller, node.next.get(key)!)
        },
      }
      return made
    }
    let made: Instance | undefined
    if (this.merge) {
      for (const [key, to] of node.next) next.set(key, this.resolve(caller, to))
      const key = `${callee.id} ${node.repeats} ${[...next].map(e => e.join('>')).join()}`
      made = this.instances.get(key)
      if (!made) this.instances.set(key, (made = make()))
    } else made = make()
    caller.calls.set(at, made)
    return made
  }

  private settle(): void {
    for (let job = this.pending.pop(); job; job = this.pending.pop()) {
      const { instance, node, flat } = job
      const n = instance.fragment.nodes[node]!
      if (n.kind !== 'step') throw new Error('not a step')
      this.nodes[flat]!.diagram = this.decisions.retarget(n.diagram, t => this.resolve(instance, t))
    }
  }
}

/** Returns by node its class in the coarsest partition in which nodes of a class do the same and go to the same classes. */
export function minimize(nodes: readonly FlatNode[], budget: Budget): number[] {
  const behaviour = new Behaviour(nodes, budget)
  let classes: number[] = nodes.map(n => (n.diagram === undefined ? 0 : n.idle ? 1 : 2))
  let count = new Set(classes).size
  for (;;) {
    const does = behaviour.under(classes)
    const numbers = new Map<number, number>()
    classes = classes.map((c, i) => numberOf(numbers, c * behaviour.size + does[i]!))
    if (numbers.size === count) return classes
    count = numbers.size
  }
}

/**
 * Compares nodes by their diagrams with targets replaced by the targets' classes. It numbers diagrams instead of building the
 * replaced ones, of which each round of refinement would use many only once.
 */
class Behaviour {
  /** By node, the index of its diagram in `diagrams`; -1 without one. */
  private readonly roots: readonly number[]
  /** Children stand before their parents. */
  private readonly diagrams: readonly (
    | { readonly variable: number; readonly children: readonly number[] }
    | { readonly variable: undefined; readonly outcomes: readonly { readonly does: number; readonly target: number }[] }
  )[]

  private readonly budget: Budget

  constructor(nodes: readonly FlatNode[], budget: Budget) {
    this.budget = budget
    const diagrams: Behaviour['diagrams'][number][] = []
    const places = new Map<Diagram, number>()
    const kinds = new Map<string, number>()
    const place = (d: Diagram): number => {
      let at = places.get(d)
      if (at !== undefined) return at
      budget.tick()
      const made =
        d.kind === 'test'
          ? { variable: d.variable, children: d.children.map(place) }
          : {
              variable: undefined,
              outcomes: d.outcomes.map(({ writes, violations, stops, target }) => ({
                does: numberOf(kinds, `${writes.join(';')}|${JSON.stringify(violations)}|${stops}`),
                target,
              })),
            }
      at = diagrams.push(made) - 1
      places.set(d, at)
      return at
    }
    this.roots = nodes.map(n => (n.diagram === undefined ? -1 : place(n.diagram)))
    this.diagrams = diagrams
  }

  /** An upper bound of the numbers that {@link under} returns. */
  get size(): number {
    return this.diagrams.length + 1
  }

  /** By node, a number that is equal for nodes with equal behaviour, if targets of one class of `classes` are taken as equal. */
  under(classes: readonly number[]): number[] {
    const numbers = new Map<number | string, number>()
    const alike: number[] = []
    for (const d of this.diagrams) {
      this.budget.tick()
      if (d.variable !== undefined) {
        const first = alike[d.children[0]!]!
        const children = d.children.map(c => alike[c]!)
        alike.push(children.every(c => c === first) ? first : numberOf(numbers, `${d.variable}:${children.join()}`))
        continue
      }
      const ends = d.outcomes.map(o => o.does * (classes.length + 1) + (o.target < 0 ? 0 : 1 + classes[o.target]!))
      alike.push(numberOf(numbers, ends.length === 1 ? ends[0]! : [...new Set(ends)].sort((a, b) => a - b).join()))
    }
    return this.roots.map(at => (at < 0 ? 0 : alike[at]!))
  }
}

/** The number of a key; a new key gets the next free one. */
function numberOf<K>(numbers: Map<K, number>, key: K): number {
  let n = numbers.get(key)
  if (n === undefined) numbers.set(key, (n = numbers.size))
  return n
}

/** The part of the merged automaton that is reached from `start`, numbered breadth first. */
function reachable(
  decisions: Decisions,
  nodes: readonly FlatNode[],
  classes: readonly number[],
  start: number,
): Automaton {
  const representative = new Map<number, number>()
  for (const [n, c] of classes.entries()) if (!representative.has(c)) representative.set(c, n)
  const order: number[] = [classes[start]!]
  const number = new Map<number, number>([[order[0]!, 0]])
  const memo = new Map<Diagram, Diagram>()
  const out: AutomatonNode[] = []
  for (let i = 0; i < order.length; i++) {
    const node = nodes[representative.get(order[i]!)!]!
    const renumber = (t: number) => {
      const c = classes[t]!
      let n = number.get(c)
      if (n === undefined) {
        n = order.push(c) - 1
        number.set(c, n)
      }
      return n
    }
    out.push({ diagram: node.diagram && decisions.retarget(node.diagram, renumber, memo), idle: node.idle })
  }
  return { nodes: out, start: 0, classes: order }
}
