// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The interface of the search program of one system. A state is `words` 32-bit integers; a list has states one after the other.
 */

export interface SearchProgram extends LevelSearch, PathSearch, GraphSearch {
  stats(): ProgramStats
  /** Copies all states of owned partitions. */
  states(): Int32Array
}

export interface ProgramStats {
  /** States stored in owned partitions. */
  readonly states: number
  /** Number of steps that the search has taken. */
  readonly transitions: number
  /** Bytes of arrays, tables and the buffer; infinite once a partition is full, so that the memory limit ends the search. */
  readonly bytes: number
  readonly level: number
}

/** Breadth-first search, level by level. */
interface LevelSearch {
  /** Inserts the initial state if its partition is owned. */
  seed(state: Int32Array): void
  /** Expands states of the frontier until some partition's buffer is nearly full (returns true) or no state is left (false). */
  expand(): boolean
  /** Inserts the successors that all workers have buffered for the owned partitions. */
  insert(): void
  /** Makes the states inserted since the last call the frontier; returns how many there are. */
  advance(): number
  /**
   * Replaces the buffers of all workers at once, between rounds.
   * @param capacity states in the buffer of one partition.
   */
  rebuffer(buffers: readonly Int32Array[], positions: readonly Int32Array[], capacity: number): void
  /** Violations that the search has met so far. */
  violations(): FoundViolation[]
}

/** Queries from which counterexamples are made. */
interface PathSearch {
  /** States of `level` that violate one of the properties, or from which one step does. */
  violating(level: number, kind: FoundViolation['kind'], properties: readonly number[]): Int32Array
  /** Threads whose next step violates one of the properties. */
  violators(state: Int32Array, properties: readonly number[]): Int32Array
  /** States of `level` with a successor whose canonical form is among `states`. */
  predecessors(level: number, states: Int32Array): Int32Array
  /** Successors of a state, not made canonical: [thread, words...] one after the other. */
  successors(state: Int32Array): Int32Array
  /** The canonical form, then the thread that takes the place of `thread` in it. */
  orbit(state: Int32Array, thread: number): Int32Array
  /** By thread, the thread that takes its place in the canonical form: a permutation. */
  images(state: Int32Array): Int32Array
}

/** The graph of all states, by number, with all edges. Only for a program that owns every partition, and at most 32 threads. */
interface GraphSearch {
  /** Numbers the states; returns how many there are. */
  number(): number
  /** Number of a state's canonical form; -1 if it was not reached. */
  numberOf(state: Int32Array): number
  stateAt(number: number): Int32Array
  /** The level of the state with this number: the fewest steps that lead to it. */
  levelOf(number: number): number
  /** Bits of the threads that are inside a run, and of those that can move. */
  threadsAt(state: Int32Array): { started: number; can: number }
  /** Fills in {@link Outline} for the states from .. to - 1. */
  outline(graph: Outline, from: number, to: number): void
  /** Fills in the edges of states from .. to - 1. */
  link(graph: Graph, from: number, to: number): void
}

/** Bit of {@link Graph.who}: the step ends the run of its thread. */
export const ENDS = 32

export interface Outline {
  /** The edges of state i are those from offsets[i] to offsets[i + 1] - 1. */
  readonly offsets: Int32Array
  /** By state: bits of the threads that are inside a run. */
  readonly started: Int32Array
  /** By state: bits of the threads that can move, even if the step ends the execution. */
  readonly can: Int32Array
}

export interface Graph extends Outline {
  readonly to: Int32Array
  /** By edge: the thread that takes the step, by its name in the state where the edge begins; plus {@link ENDS}. */
  readonly who: Uint8Array
}

export interface FoundViolation {
  /** `deadlock`: no thread can move in a state. `step`: a step violates the property. `state`: a state itself does. */
  readonly kind: 'deadlock' | 'step' | 'state'
  readonly property: number
}

/** One worker's part of a search. */
export interface ProgramEnv {
  /** Index of this worker, and the number of workers: it owns every `workers`-th partition. */
  readonly me: number
  readonly workers: number
  /** True if executions end where they violate a property. */
  readonly cut?: boolean
}

/** log2 of the number of partitions. */
export const PARTITION_BITS = 6
export const PARTITIONS = 1 << PARTITION_BITS
