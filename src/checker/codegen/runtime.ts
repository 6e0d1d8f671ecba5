// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The search program of a system, apart from the code that is generated for it.
 *
 * States are spread over partitions by hash. A round of the search expands states of the frontier into one buffer for each
 * partition, then inserts partition by partition: the inserts of one partition stay within the processor's cache, and with
 * several workers each partition has one owner, so the tables need no atomics (Stern and Dill 1997).
 *
 * This class is compiled anew for each system, from its own source text (see `program-text.ts`): it may refer to nothing but
 * its arguments and globals of JavaScript.
 */
import type { FoundViolation, Graph, Outline, ProgramEnv, ProgramStats, SearchProgram } from './search-program.ts'
import type { StateStore } from './state-store.ts'
import type { ProgramShape, Registers, SystemCode, SystemCodeOf } from './system-code.ts'

/** What is done with successors and violations. */
type Mode = 'search' | 'predecessors' | 'successors' | 'violations' | 'count' | 'graph'

/** By kind and property, 1 if the property is violated. */
type Violated = Readonly<Record<FoundViolation['kind'], Uint8Array>>

export class SearchRuntime implements SearchProgram, Registers {
  thread = 0
  transitions = 0
  enabled = 0
  storing = true
  reducing = true
  readonly cut: boolean
  buffer: Int32Array
  readonly canonical: Int32Array
  readonly successor: Int32Array

  private readonly shape: ProgramShape
  private readonly code: SystemCode
  private readonly store: StateStore
  private readonly me: number
  private readonly workers: number
  private readonly words: number
  private readonly partitions: number
  private readonly partitionShift: number

  /** By worker, its buffer, and by partition the number of states in it. */
  private buffers: readonly Int32Array[] = []
  private positions: readonly Int32Array[] = []
  /** The `positions` of this worker. */
  private filled: Int32Array
  private capacity = 0
  /** Number of states in a partition's buffer beyond which the successors of another state might not fit. */
  private almostFull = 0
  private full = false
  /** Where expansion continues: a partition, and a state of its frontier. */
  private atPartition: number
  private atState = 0
  private level = 0

  private mode: Mode = 'search'
  /** Violations that the search has met. */
  private readonly met: Violated
  /** The kind and properties that mode `violations` looks for. */
  private soughtKind: FoundViolation['kind'] = 'state'
  private sought: Uint8Array
  /** True once a query has found what it looks for in the state being expanded. */
  private hit = false
  /** True once a violated invariant or a deadlock was reported for the state being expanded. */
  private failed = false
  private readonly captured: number[] = []
  /** Bits of the threads that can move, of the first 32. */
  private moving = 0
  /** The states that mode `predecessors` looks for, and a table of 1 + position in them. */
  private targets: Int32Array
  private slots: Int32Array
  /** The graph that mode `graph` fills in, and the threads that have begun in the state being expanded. */
  private graph: Graph | undefined
  private edges = 0
  private begun = 0

  constructor(env: ProgramEnv, shape: ProgramShape, codeOf: SystemCodeOf, Store: typeof StateStore) {
    this.me = env.me
    this.workers = env.workers
    this.cut = env.cut === true
    this.shape = shape
    this.words = shape.words
    this.partitions = 1 << shape.partitionBits
    this.partitionShift = 32 - shape.partitionBits
    this.atPartition = env.me
    const none = new Int32Array(0)
    this.buffer = this.filled = this.targets = this.slots = none
    this.canonical = new Int32Array(shape.words)
    this.successor = new Int32Array(shape.words)
    const flags = () => new Uint8Array(shape.properties)
    this.met = { deadlock: flags(), step: flags(), state: flags() }
    this.sought = flags()
    this.code = codeOf(this)
    this.store = new Store(shape, this.code)
  }

  // What generated code calls.

  reserve(hash: number): number {
    const p = hash >>> this.partitionShift
    const n = this.filled[p]
    this.filled[p] = n + 1
    if (n > this.almostFull) this.full = true
    return this.code.place(p * this.capacity + n)
  }

  visit(): void {
    switch (this.mode) {
      case 'successors':
        this.captured.push(this.thread, ...this.successor)
        break
      case 'count':
        this.edges++
        this.moving |= 1 << this.thread
        break
      case 'graph':
        this.edge(this.graph as Graph)
        break
      case 'predecessors':
        if (this.hit) break
        this.code.canonicalize(0, this.successor, 0)
        this.hit = this.isTarget(this.canonical)
        break
    }
  }

  violated(kind: FoundViolation['kind'], property: number): void {
    if (this.mode === 'search') this.met[kind][property] = 1
    else if (this.mode === 'violations' && kind === this.soughtKind && this.sought[property] === 1) {
      this.hit = true
      this.captured.push(this.thread)
    }
    if (kind === 'step') this.enabled++
    else this.failed = true
  }

  stop(): void {
    this.enabled++
    this.transitions++
    this.moving |= 1 << this.thread
  }

  // The search.

  rebuffer(buffers: readonly Int32Array[], positions: readonly Int32Array[], capacity: number): void {
    this.buffers = buffers
    this.positions = positions
    this.buffer = buffers[this.me]
    this.filled = positions[this.me]
    this.capacity = capacity
    this.almostFull = capacity - 2 - this.shape.mostSuccessors
  }

  seed(state: Int32Array): void {
    this.code.canonicalize(0, state, 0)
    const p = this.code.hash(this.canonical, 0) >>> this.partitionShift
    if (p % this.workers === this.me) this.store.insert(p, this.canonical, 0, this.words)
  }

  expand(): boolean {
    const { store, words, partitions, workers } = this
    this.filled.fill(0)
    this.full = false
    for (; this.atPartition < partitions; this.atPartition += workers, this.atState = 0) {
      const states = store.statesOf(this.atPartition)
      const first = store.frontierStart(this.atPartition)
      const end = store.frontierEnd(this.atPartition)
      for (let i = first + this.atState; i < end; ) {
        this.expandState(states, i++ * words)
        if (!this.full) continue
        this.atState = i - first
        return true
      }
    }
    return false
  }

  /** Takes the steps of one state. With `cut`, a state that violates an invariant has none, since executions end there. */
  private expandState(states: Int32Array, at: number): void {
    this.enabled = 0
    if (this.cut) {
      this.failed = false
      this.code.invariants(states, at)
      if (this.failed) {
        this.moving = -1
        return
      }
    }
    this.code.steps(states, at)
    const { deadlock } = this.shape
    if (this.enabled === 0 && deadlock >= 0 && this.code.anyStarted(states, at)) this.violated('deadlock', deadlock)
  }

  insert(): void {
    const { capacity, words } = this
    for (let p = this.me; p < this.partitions; p += this.workers)
      for (let worker = 0; worker < this.workers; worker++) {
        const from = p * capacity
        this.store.insert(p, this.buffers[worker], from * words, (from + this.positions[worker][p]) * words)
      }
  }

  advance(): number {
    let n = 0
    for (let p = this.me; p < this.partitions; p += this.workers) n += this.store.advance(p)
    this.atPartition = this.me
    this.atState = 0
    this.level++
    return n
  }

  stats(): ProgramStats {
    let states = 0
    for (let p = this.me; p < this.partitions; p += this.workers) states += this.store.countOf(p)
    const bytes = this.store.overflow ? Number.POSITIVE_INFINITY : this.store.bytes + this.buffer.byteLength
    return { states, transitions: this.transitions, bytes, level: this.level }
  }

  states(): Int32Array {
    const all = new Int32Array(this.stats().states * this.words)
    let at = 0
    for (let p = this.me; p < this.partitions; p += this.workers) {
      const length = this.store.countOf(p) * this.words
      all.set(this.store.statesOf(p).subarray(0, length), at)
      at += length
    }
    return all
  }

  violations(): FoundViolation[] {
    const found: FoundViolation[] = []
    for (const kind of ['deadlock', 'step', 'state'] as const)
      for (let property = 0; property < this.shape.properties; property++)
        if (this.met[kind][property] === 1) found.push({ kind, property })
    return found
  }

  // Queries, which expand states without storing the successors.

  /** Does `work` in another mode, then restores the search, which can go on. */
  private aside<T>(mode: Mode, work: () => T): T {
    const { transitions } = this
    this.mode = mode
    this.storing = false
    this.reducing = mode === 'predecessors'
    try {
      return work()
    } finally {
      this.mode = 'search'
      this.storing = this.reducing = true
      this.transitions = transitions
      this.captured.length = 0
    }
  }

  violating(level: number, kind: FoundViolation['kind'], properties: readonly number[]): Int32Array {
    this.seek(kind, properties)
    return this.aside('violations', () =>
      this.pick(level, (states, at) => {
        this.hit = false
        this.captured.length = 0
        if (kind === 'state') this.code.invariants(states, at)
        else this.expandState(states, at)
        return this.hit
      }),
    )
  }

  violators(state: Int32Array, properties: readonly number[]): Int32Array {
    this.seek('step', properties)
    return this.aside('violations', () => {
      this.expandState(state, 0)
      return Int32Array.from(this.captured)
    })
  }

  private seek(kind: FoundViolation['kind'], properties: readonly number[]): void {
    this.soughtKind = kind
    this.sought = new Uint8Array(this.shape.properties)
    for (const property of properties) this.sought[property] = 1
  }

  predecessors(level: number, states: Int32Array): Int32Array {
    const { words } = this
    this.targets = states
    const slots = new Int32Array(2 << Math.ceil(Math.log2(states.length / words + 1)))
    this.slots = slots
    for (let k = 0; k < states.length / words; k++) {
      let s = this.code.hash(states, k * words) & (slots.length - 1)
      while (slots[s] !== 0) s = (s + 1) & (slots.length - 1)
      slots[s] = k + 1
    }
    const found = this.aside('predecessors', () =>
      this.pick(level, (list, at) => {
        this.hit = false
        this.expandState(list, at)
        return this.hit
      }),
    )
    this.targets = this.slots = new Int32Array(0)
    return found
  }

  private isTarget(state: Int32Array): boolean {
    const { code, slots, targets, words } = this
    const mask = slots.length - 1
    for (let s = code.hash(state, 0) & mask; slots[s] !== 0; s = (s + 1) & mask)
      if (code.equal(targets, (slots[s] - 1) * words, state, 0)) return true
    return false
  }

  /** The states of a level for which a test is true, one after the other. */
  private pick(level: number, test: (states: Int32Array, at: number) => boolean): Int32Array {
    const { store, words } = this
    let found = new Int32Array(256 * words)
    let n = 0
    for (let p = this.me; p < this.partitions; p += this.workers) {
      const states = store.statesOf(p)
      const end = store.levelStart(p, level + 1)
      for (let i = store.levelStart(p, level); i < end; i++) {
        if (!test(states, i * words)) continue
        if (n === found.length) {
          const bigger = new Int32Array(n * 2)
          bigger.set(found)
          found = bigger
        }
        this.code.copy(states, i * words, found, n)
        n += words
      }
    }
    return found.slice(0, n)
  }

  successors(state: Int32Array): Int32Array {
    return this.aside('successors', () => {
      this.expandState(state, 0)
      return Int32Array.from(this.captured)
    })
  }

  orbit(state: Int32Array, thread: number): Int32Array {
    const image = this.code.canonicalize(thread, state, 0)
    return Int32Array.of(...this.canonical, image)
  }

  images(state: Int32Array): Int32Array {
    const all = new Int32Array(this.shape.threads)
    for (let t = 0; t < all.length; t++) all[t] = this.code.canonicalize(t, state, 0)
    return all
  }

  // The graph of all states.

  number(): number {
    return this.store.number()
  }

  numberOf(state: Int32Array): number {
    this.code.canonicalize(0, state, 0)
    return this.store.find(this.canonical, 0)
  }

  stateAt(number: number): Int32Array {
    return this.store.stateAt(number)
  }

  levelOf(number: number): number {
    return this.store.levelOf(number)
  }

  threadsAt(state: Int32Array): { started: number; can: number } {
    this.moving = 0
    this.aside('count', () => this.expandState(state, 0))
    return { started: this.code.started(state, 0), can: this.moving }
  }

  outline(graph: Outline, from: number, to: number): void {
    this.aside('count', () =>
      this.store.forEach(from, to, (i, states, at) => {
        this.edges = this.moving = 0
        this.expandState(states, at)
        graph.offsets[i + 1] = graph.offsets[i] + this.edges
        graph.started[i] = this.code.started(states, at)
        graph.can[i] = this.moving
      }),
    )
  }

  link(graph: Graph, from: number, to: number): void {
    this.graph = graph
    this.edges = graph.offsets[from]
    this.aside('graph', () =>
      this.store.forEach(from, to, (i, states, at) => {
        this.begun = graph.started[i]
        this.expandState(states, at)
      }),
    )
    this.graph = undefined
  }

  private edge(graph: Graph): void {
    const { thread } = this
    const ended = this.begun & ~this.code.started(this.successor, 0) & (1 << thread)
    this.code.canonicalize(0, this.successor, 0)
    graph.to[this.edges] = this.store.find(this.canonical, 0)
    graph.who[this.edges++] = ended === 0 ? thread : thread | this.shape.endsBit
  }
}
