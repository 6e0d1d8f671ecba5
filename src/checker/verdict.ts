// SPDX-License-Identifier: GPL-2.0-or-later
/** What a search says: shared by the engine and by the naive explorer that the tests hold it against. */

/** One step of a counterexample. */
export interface CounterexampleStep {
  /** From 1. */
  readonly step: number
  readonly thread: string
  /** Innermost modelled function, and its callers outwards. */
  readonly function: string
  readonly stack: readonly string[]
  readonly operation: string
  /** Where the step is written, `file:line:column`, if the JavaScript engine tells. */
  readonly source?: string
  readonly changes: readonly { readonly cell: string; readonly from: number; readonly to: number }[]
  /** What the step returned to its thread. */
  readonly result: unknown
  /** What the step chose, in order: with the thread, enough to take it again. */
  readonly choices: readonly number[]
}

export interface Violation {
  /** `bounds`, `deadlock`, `finishes`, an invariant's or a warning's name. */
  readonly property: string
  readonly message: string
}

export interface Verdict {
  readonly system: string
  /** `inconclusive`: memory or time ran out, or the search was told to stop; `reason` says which and what was covered. */
  readonly verdict: 'holds' | 'violated' | 'inconclusive'
  readonly property?: string
  readonly message?: string
  readonly reason?: string
  /** Distinct states stored; with symmetry, orbits. */
  readonly states: number
  /** Steps taken, counting those that led to known states. */
  readonly transitions: number
  /** Steps on the longest of the shortest paths. */
  readonly depth: number
  readonly seconds: number
  readonly bounds: string
  readonly reductions: readonly string[]
  /** Where it holds: of the properties that were asked for, those that these threads are in no position to break. */
  readonly vacuous?: readonly string[]
  /** Where it holds: what is taken for granted (`assumed` of a thread) and without which it would be violated. */
  readonly assumes?: readonly string[]
  readonly counterexample?: readonly CounterexampleStep[]
  /** For an endless execution: the step (from 1) that is taken again after the last one. */
  readonly loop?: number
}
