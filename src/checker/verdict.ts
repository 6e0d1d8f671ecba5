// SPDX-License-Identifier: GPL-2.0-or-later
/** Verdicts and counterexamples: shared by the checker and by the reference checker that tests compare it with. */

/** One step of a counterexample. */
export interface CounterexampleStep {
  /** From 1. */
  readonly step: number
  readonly thread: string
  /** Innermost modelled function. `stack` has this function and its callers, innermost first. */
  readonly function: string
  readonly stack: readonly string[]
  readonly operation: string
  /** Where the step is written, `file:line:column`, if the JavaScript engine tells. */
  readonly source?: string
  readonly changes: readonly { readonly cell: string; readonly from: number; readonly to: number }[]
  /** What the step returned to its thread. */
  readonly result: unknown
  /** The choices that the step made, in order. With the thread, they suffice to take the step again. */
  readonly choices: readonly number[]
}

export interface Violation {
  /** `bounds`, `deadlock`, `finishes`, or the name of an invariant or a warning. */
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
  /** The largest distance of a state from the initial one, in steps. */
  readonly depth: number
  readonly seconds: number
  readonly bounds: string
  readonly reductions: readonly string[]
  /** If `holds`: the properties asked for that hold vacuously, since nothing in the model can violate them. */
  readonly vacuous?: readonly string[]
  /** If `holds`: the assumptions (`assumed` of a thread) without which a property would be violated. */
  readonly assumes?: readonly string[]
  readonly counterexample?: readonly CounterexampleStep[]
  /** For an endless execution: the step (from 1) that follows the last one, where the cycle begins. */
  readonly loop?: number
}
