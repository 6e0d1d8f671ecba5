// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The interface between the code that is the same for every search (`state-store.ts`, `runtime.ts`) and the code that is
 * generated for one system: functions over its packed states, in which every shift, mask and table is a constant.
 */
import type { FoundViolation } from './search-program.ts'

/** Numbers that the runtime needs to know of a system. */
export interface ProgramShape {
  /** 32-bit words of a state. */
  readonly words: number
  readonly threads: number
  readonly properties: number
  /** The most successors that one state can have. */
  readonly mostSuccessors: number
  /** The property that a deadlock violates; -1 if deadlocks are not asked for. */
  readonly deadlock: number
  readonly partitionBits: number
  /** The bit that marks an edge of the graph which ends a run. */
  readonly endsBit: number
}

/** Generated functions. A state is given as a list and the position of its first word. */
export interface SystemCode {
  hash(states: Int32Array, at: number): number
  /** Position of the first word of the state with this index in a list. */
  place(index: number): number
  equal(a: Int32Array, i: number, b: Int32Array, j: number): boolean
  copy(from: Int32Array, i: number, to: Int32Array, j: number): void
  /** Takes all steps of a state or, with reductions, those of one thread that suffice. */
  steps(states: Int32Array, at: number): void
  /** Reports the invariants that do not hold in a state. */
  invariants(states: Int32Array, at: number): void
  /** Bits of those of the first 32 threads that are inside a run. */
  started(states: Int32Array, at: number): number
  /** True if any thread, also one beyond the first 32, is inside a run. */
  anyStarted(states: Int32Array, at: number): boolean
  /** Writes the canonical form to {@link Registers.canonical}; returns the thread that takes the place of `thread` in it. */
  canonicalize(thread: number, states: Int32Array, at: number): number
}

/** The variables that generated code reads and writes while it expands a state, and the functions that it calls. */
export interface Registers {
  /** The thread whose step is being taken. */
  thread: number
  /** Number of steps taken. */
  transitions: number
  /** Counts the steps that are possible in the state being expanded; 0 if no thread can move. */
  enabled: number
  /** True in a search: successors are made canonical and go into {@link buffer}. Otherwise {@link visit} is called for each. */
  readonly storing: boolean
  /** True if steps that the reductions make superfluous are left out. */
  readonly reducing: boolean
  /** True if executions end where they violate a property. */
  readonly cut: boolean
  /** The successors, grouped by partition. */
  readonly buffer: Int32Array
  /** Room for one state, to which {@link SystemCode.canonicalize} writes. */
  readonly canonical: Int32Array
  /** Room for one state: the successor for which {@link visit} is called. */
  readonly successor: Int32Array
  /** Reserves room for a state with this hash; returns its position in {@link buffer}. */
  reserve(hash: number): number
  /** Handles {@link successor} as the current query requires, outside of a search. */
  visit(): void
  violated(kind: FoundViolation['kind'], property: number): void
  /** Called for a step that ends the execution. */
  stop(): void
}

/** Makes the generated functions for the registers of one search. */
export type SystemCodeOf = (search: Registers) => SystemCode
