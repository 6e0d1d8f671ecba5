// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Liveness under weak fairness (Manna and Pnueli 1995): a run can begin and never end if there is a strongly connected component
 * in which the run does not end, and in which every thread moves or is somewhere unable to. Weak fairness needs no recursion into
 * smaller components: a cycle through all states of a component passes again and again where that thread is blocked.
 */

import { ENDS, type Graph, type SearchProgram } from '../codegen/search-program.ts'
import { ModelError, type System } from '../model.ts'
import type { SearchLimits } from '../options.ts'
import { Components } from './components.ts'

export interface Obligation {
  readonly property: string
  readonly message: string
  /** The threads: violated if at every moment one of them is inside a run and none ever ends one. */
  readonly threads: readonly number[]
}

/** An obligation that some fair execution violates. */
export interface FairCycle {
  readonly obligation: Obligation
  /** The level of the states of fair components that are nearest to the initial state, and these states. */
  readonly level: number
  readonly entries: Int32Array
  /** By number of a state, the number of its component. */
  readonly componentOf: Int32Array
}

/** The liveness obligations of threads (`finishes`) and of progress properties, as far as these are selected. */
export function obligationsOf(system: System, selected: (property: string) => boolean): Obligation[] {
  const finishes = system.threads.flatMap((t, i) =>
    t.finishes ? [{ property: 'finishes', message: `${t.name} never ends`, threads: [i] }] : [],
  )
  const progress = system.properties.flatMap(p =>
    p.kind === 'progress'
      ? [{ property: p.name, message: `livelock: ${p.name}`, threads: p.threads.map(t => system.threads.indexOf(t)) }]
      : [],
  )
  return [...finishes, ...progress].filter(o => selected(o.property))
}

/** By thread, its class: threads of one class are alike for all obligations and for fairness. */
export function threadClassesOf(system: System, obligations: readonly Obligation[]): string[] {
  return system.threads.map((t, i) =>
    [t.daemon, t.assumed !== undefined, ...obligations.map(o => o.threads.includes(i))].join(),
  )
}

/**
 * Finds the first obligation that some fair execution violates.
 * @param program that has explored all states.
 * @param movesThreads true if a symmetry of the program moves threads.
 * @returns undefined if there is none, or the reason if memory or time runs out.
 * @throws ModelError for more threads than a word has bits.
 */
export async function findFairCycle(
  system: System,
  program: SearchProgram,
  movesThreads: boolean,
  obligations: readonly Obligation[],
  limits: SearchLimits,
): Promise<FairCycle | string | undefined> {
  if (system.threads.length > 32) throw new ModelError(`system ${system.name}: liveness is for at most 32 threads`)
  const slices = new Slices(program, limits)
  const graph = await slices.graph(movesThreads ? system.threads.length : 0)
  if (typeof graph === 'string') return graph
  const components = new Components(graph)
  const fairness = new Fairness(system, program, movesThreads, graph, components)
  for (const [i, obligation] of obligations.entries()) {
    components.begin(bitsOf(obligation.threads))
    const fair: number[] = []
    const found = (states: Int32Array, from: number, to: number) => {
      if (fairness.holds(states.subarray(from, to))) for (let k = from; k < to; k++) fair.push(states[k]!)
    }
    while (components.advance(EDGES, found)) {
      const end = await slices.pause(graph.started.length - components.done)
      if (end)
        return `${end} in the search for endless executions: ${components.done} of ${graph.started.length} states, promise ${i + 1} of ${obligations.length}`
    }
    if (fair.length > 0) return { obligation, ...nearest(program, fair), componentOf: components.of }
  }
  return undefined
}

/**
 * Returns the assumptions of a system's threads if obligations that hold depend on them: without these threads as daemons, some
 * fair execution violates one. If a limit is met before that is known, the obligations are taken to depend on the assumptions.
 */
export async function assumptionsOf(
  system: System,
  program: SearchProgram,
  movesThreads: boolean,
  obligations: readonly Obligation[],
  limits: SearchLimits,
): Promise<string[]> {
  const words = system.threads.flatMap(t => t.assumed ?? [])
  if (words.length === 0) return []
  const threads = system.threads.map(t => (t.assumed === undefined ? t : { ...t, daemon: false }))
  const found = await findFairCycle({ ...system, threads }, program, movesThreads, obligations, limits)
  return found === undefined ? [] : [...new Set(words)]
}

/** States and edges that are handled between two looks at the clock. */
const STATES = 10_000
const EDGES = 100_000

/** Does work in slices, so that limits are kept and the host's signals are handled in between. */
class Slices {
  private readonly program: SearchProgram
  private readonly limits: SearchLimits
  private readonly began = performance.now()
  private last = this.began
  private bytes = 0

  constructor(program: SearchProgram, limits: SearchLimits) {
    this.program = program
    this.limits = limits
  }

  /** All states with their edges, or the limit that was met. @param frames bytes that fairness needs for each state. */
  async graph(frames: number): Promise<Graph | string> {
    const n = this.program.number()
    const stored = this.program.stats().bytes
    const rest = 12 * n + Components.bytes(n) + frames * n
    if (stored + rest > this.limits.memory) return `out of memory for the edges of ${n} states`
    const outline = { offsets: new Int32Array(n + 1), started: new Int32Array(n), can: new Int32Array(n) }
    const first = await this.over(n, (from, to) => this.program.outline(outline, from, to))
    if (first) return first
    const edges = outline.offsets[n]!
    this.bytes = stored + rest + 5 * edges
    if (this.bytes > this.limits.memory || edges > MOST) return `out of memory for the ${edges} edges of ${n} states`
    const graph = { ...outline, to: new Int32Array(edges), who: new Uint8Array(edges) }
    return (await this.over(n, (from, to) => this.program.link(graph, from, to))) ?? graph
  }

  /**
   * Reports progress and lets the host handle its signals. Returns the reason if work is to stop.
   * @param queue states still to be handled.
   */
  async pause(queue: number): Promise<string | undefined> {
    const now = performance.now()
    if (now - this.last >= this.limits.progressInterval) {
      this.last = now
      const { states, transitions, level } = this.program.stats()
      const seconds = (now - this.began) / 1000
      this.limits.onProgress?.({ states, transitions, depth: level, queue, bytes: this.bytes, seconds })
      await new Promise(resolve => setTimeout(resolve))
    }
    if (this.limits.signal?.aborted) return 'stopped'
    return now > this.limits.deadline ? 'out of time' : undefined
  }

  private async over(n: number, work: (from: number, to: number) => void): Promise<string | undefined> {
    for (let i = 0; i < n; i += STATES) {
      work(i, Math.min(n, i + STATES))
      const end = await this.pause(n - i)
      if (end) return `${end} with the edges of ${Math.min(n, i + STATES)} of ${n} states`
    }
    return undefined
  }
}

/** The most edges that offsets can count. */
const MOST = 2 ** 30

/** Of the states in fair components, those on the least level. */
function nearest(program: SearchProgram, states: readonly number[]): Pick<FairCycle, 'level' | 'entries'> {
  let level = Number.POSITIVE_INFINITY
  let entries: number[] = []
  for (const n of states) {
    const l = program.levelOf(n)
    if (l < level) {
      level = l
      entries = []
    }
    if (l === level) entries.push(...program.stateAt(n))
  }
  return { level, entries: Int32Array.from(entries) }
}

/** Decides whether some fair execution stays in a component for ever. */
class Fairness {
  private readonly program: SearchProgram
  private readonly graph: Graph
  private readonly components: Components
  private readonly threads: number
  private readonly everyone: number
  private readonly daemons: number
  /** By state and thread, the thread's name in the first state of the component; empty if no symmetry moves threads. */
  private readonly frames: Uint8Array

  constructor(system: System, program: SearchProgram, movesThreads: boolean, graph: Graph, components: Components) {
    this.program = program
    this.graph = graph
    this.components = components
    this.threads = system.threads.length
    this.everyone = this.threads === 32 ? -1 : (1 << this.threads) - 1
    this.daemons = bitsOf(system.threads.flatMap((t, i) => (t.daemon ? [i] : [])))
    this.frames = new Uint8Array(movesThreads ? graph.started.length * this.threads : 0)
  }

  /** True if each thread moves somewhere in the component, or is excused ({@link excused}) somewhere. */
  holds(states: Int32Array): boolean {
    if (this.frames.length > 0 && (states.length > 1 || this.isRound(states[0]!))) return this.holdsForTracks(states)
    let waiting = this.everyone
    for (let i = 0; i < states.length && waiting !== 0; i++) waiting &= ~this.satisfied(states[i]!)
    return waiting === 0
  }

  private isRound(n: number): boolean {
    const { offsets, to } = this.graph
    for (let e = offsets[n]!; e < offsets[n + 1]!; e++) if (to[e] === n && this.components.inside(e)) return true
    return false
  }

  /**
   * Where symmetries move threads, one thread has different names in different canonical states. Each thread's name in the first
   * state is carried along the edges of the component. An edge that arrives at a state with other names than it has already shows
   * threads that can take each other's place; these form a class. A cycle that passes everywhere often enough takes each thread
   * through all places of its class, so that each class needs only one that is fair (Emerson and Sistla 1997).
   */
  private holdsForTracks(states: Int32Array): boolean {
    const { graph, frames, threads } = this
    const { of } = this.components
    const component = of[states[0]!]
    const classes = new Classes(threads)
    const named = new Set<number>([states[0]!])
    for (let t = 0; t < threads; t++) frames[states[0]! * threads + t] = t
    let fair = 0
    for (const n of named) {
      const satisfied = this.satisfied(n)
      for (let t = 0; t < threads; t++) if (satisfied & (1 << t)) fair |= 1 << frames[n * threads + t]!
      const images = this.imagesFrom(n)
      for (let e = graph.offsets[n]!; e < graph.offsets[n + 1]!; e++) {
        const m = graph.to[e]!
        if (of[m] !== component || !this.components.inside(e)) continue
        const image = images[e - graph.offsets[n]!]!
        const known = named.has(m)
        named.add(m)
        for (let t = 0; t < threads; t++) {
          const name = frames[n * threads + t]!
          if (known) classes.join(name, frames[m * threads + image[t]!]!)
          else frames[m * threads + image[t]!] = name
        }
      }
    }
    return classes.allMeet(fair)
  }

  /** By edge of a state, the names of its threads in the canonical state at the other end. */
  private imagesFrom(n: number): Int32Array[] {
    const list = this.program.successors(this.program.stateAt(n))
    const count = this.graph.offsets[n + 1]! - this.graph.offsets[n]!
    const length = count === 0 ? 0 : list.length / count
    return Array.from({ length: count }, (_, i) => this.program.images(list.subarray(i * length + 1, (i + 1) * length)))
  }

  /**
   * Bits of the threads to which an execution is fair if it passes state n, and takes each of the state's edges within the
   * component, again and again.
   */
  private satisfied(n: number): number {
    const { graph } = this
    const { of } = this.components
    let out = excused(graph.started[n]!, graph.can[n]!, this.daemons)
    for (let e = graph.offsets[n]!; e < graph.offsets[n + 1]!; e++)
      if (of[graph.to[e]!] === of[n] && this.components.inside(e)) out |= 1 << (graph.who[e]! & (ENDS - 1))
    return out
  }
}

/** Bits of the threads that need not move at a state: those between runs that are no daemons, and those unable to move. */
export function excused(started: number, can: number, daemons: number): number {
  return ~(started | daemons) | ~can
}

/** Union-find over threads. */
class Classes {
  private readonly parent: number[]

  constructor(size: number) {
    this.parent = Array.from({ length: size }, (_, i) => i)
  }

  join(a: number, b: number): void {
    this.parent[this.find(a)] = this.find(b)
  }

  /** True if each class has one of the members given by bits. */
  allMeet(members: number): boolean {
    const met = new Set(
      this.parent
        .map((_, t) => t)
        .filter(t => members & (1 << t))
        .map(t => this.find(t)),
    )
    return this.parent.every((_, t) => met.has(this.find(t)))
  }

  private find(a: number): number {
    while (this.parent[a] !== a) a = this.parent[a]!
    return a
  }
}

export function bitsOf(threads: readonly number[]): number {
  return threads.reduce((set, t) => set | (1 << t), 0)
}
