// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The border between what is the same for every search (`state-store.ts`, `runtime.ts`) and what is generated for one system:
 * functions over its packed states, in which every shift, mask and table is a constant.
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
  /** Takes every step of every thread, or of one that may go alone. */
  steps(states: Int32Array, at: number): void
  /** Reports the invariants that do not hold in a state. */
  invariants(states: Int32Array, at: number): void
  /** Bits of the threads whose run has begun, of the first 32. */
  started(states: Int32Array, at: number): number
  /** True if some thread's run has begun, of all threads. */
  anyStarted(states: Int32Array, at: number): boolean
  /** Writes the canonical form to {@link Registers.canonical}; returns the thread that takes the place of `thread` in it. */
  canonicalize(thread: number, states: Int32Array, at: number): number
}

/** What generated code reads and writes while it expands a state, and whom it tells. */
export interface Registers {
  /** The thread whose step is being taken. */
  thread: number
  /** Steps taken. */
  transitions: number
  /** Steps that the state being expanded can take. */
  enabled: number
  /** True in a search: successors are made canonical and go into {@link buffer}. Otherwise {@link visit} is told of them. */
  readonly storing: boolean
  /** True if steps that the reductions make superfluous are left out. */
  readonly reducing: boolean
  /** True if executions end where they violate a property. */
  readonly cut: boolean
  /** Successors, by partition. */
  readonly buffer: Int32Array
  /** One state: what {@link SystemCode.canonicalize} writes. */
  readonly canonical: Int32Array
  /** One state: the successor that {@link visit} is told of. */
  readonly successor: Int32Array
  /** Takes room for a state of this hash; returns its position in {@link buffer}. */
  reserve(hash: number): number
  /** Does with {@link successor} what is asked for, when this is no search. */
  visit(): void
  violated(kind: FoundViolation['kind'], property: number): void
  /** A step ends the execution. */
  stop(): void
}

/** Generated code, once it is given the registers of one search. */
export type SystemCodeOf = (search: Registers) => SystemCode
