// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The search for one system as JavaScript text: successors, canonical form, visited set and queue, with every shift, mask
 * and table a constant. Text, because worker threads of any host take text.
 *
 * States are spread over partitions by hash. A round of the search expands states of the frontier into one buffer for each
 * partition, then inserts partition by partition: the inserts of one partition stay within the processor's cache, and with
 * several workers each partition has one owner, so the tables need no atomics (Stern and Dill 1997).
 */
import type { Automata } from '../learn/automaton.ts'
import type { InvariantDiagram } from '../learn/decision.ts'
import type { Layout } from '../pack/layout.ts'
import type { Independence } from '../reduce/ample-sets.ts'
import type { Symmetry } from '../reduce/symmetry.ts'
import { CanonicalWriter } from './emit-canonical.ts'
import { emitFunctions, expandFunction } from './emit-expand.ts'
import { Fields } from './emit-fields.ts'
import { brokenFunction, mostSuccessors, stepFunctions } from './emit-steps.ts'
import { declarations, METHODS, storeFunctions } from './emit-store.ts'

export interface KernelSpec {
  readonly automata: Automata
  readonly layout: Layout
  readonly symmetry: Symmetry
  readonly independence: Independence | undefined
  /** Properties that outcomes and invariants refer to by position: invariants first. */
  readonly properties: readonly string[]
  readonly invariants: readonly InvariantDiagram[]
  readonly deadlock: boolean
}

/** What the text, given a {@link KernelEnv}, evaluates to. States are words; lists of states stand one after the other. */
export interface Kernel extends SearchKernel, PathKernel, GraphKernel {
  stats(): { states: number; transitions: number; bytes: number; level: number }
  /** Copies all states of owned partitions. */
  states(): Int32Array
}

interface SearchKernel {
  /** Inserts a state if it is new. Its partition must be owned. */
  seed(state: Int32Array): void
  /** Expands states of the frontier until a buffer is nearly full (true) or none is left (false). */
  expand(): boolean
  /** Inserts what all workers expanded into owned partitions. */
  insert(): void
  /** Makes the states inserted since the last call the frontier; returns how many they are. */
  advance(): number
  /** Gives the kernel other buffers (all workers at once, between rounds). */
  rebuffer(buffers: readonly Int32Array[], positions: readonly Int32Array[], capacity: number): void
  /** What the search has met so far. */
  violations(): FoundViolation[]
}

/** What lies before a violation. */
interface PathKernel {
  /** States of `level` that violate one of the properties, or from which one step does. */
  violating(level: number, kind: FoundViolation['kind'], properties: readonly number[]): Int32Array
  /** Threads whose next step violates one of the properties. */
  violators(state: Int32Array, properties: readonly number[]): Int32Array
  /** States of `level` with a successor among `states`. */
  predecessors(level: number, states: Int32Array): Int32Array
  /** Successors of a state, not made canonical: [thread, words...] one after the other. */
  successors(state: Int32Array): Int32Array
  /** The canonical form, then the thread that takes the place of `thread` in it. */
  orbit(state: Int32Array, thread: number): Int32Array
  /** By thread, the thread that takes its place in the canonical form: a permutation. */
  images(state: Int32Array): Int32Array
}

/** States by number, with all edges: of a kernel that owns every partition. At most 32 threads. */
interface GraphKernel {
  /** Numbers the states; returns how many they are. */
  number(): number
  /** Of a state's canonical form; -1 if it was not reached. */
  numberOf(state: Int32Array): number
  stateAt(number: number): Int32Array
  /** Fewest steps that lead to it. */
  levelOf(number: number): number
  /** Bits of the threads that have begun a run, and of those that can move. */
  threadsAt(state: Int32Array): { started: number; can: number }
  /** Fills in the offsets and threads of states from .. to - 1. */
  outline(graph: Outline, from: number, to: number): void
  /** Fills in the edges of states from .. to - 1. */
  link(graph: Graph, from: number, to: number): void
}

/** Bit of {@link Graph.who}: the step ends the run of its thread. */
export const ENDS = 32

export interface Outline {
  /** Edges of state i stand at offsets[i] .. offsets[i + 1]. */
  readonly offsets: Int32Array
  /** By state: bits of the threads whose run has begun. */
  readonly started: Int32Array
  /** By state: bits of the threads that can move, if only to end the execution. */
  readonly can: Int32Array
}

export interface Graph extends Outline {
  readonly to: Int32Array
  /** The thread that takes the step, as it is called in the state where the edge begins, and {@link ENDS}. */
  readonly who: Uint8Array
}

export interface FoundViolation {
  /** Nothing moves in a state; a step violates the property; a state itself does. */
  readonly kind: 'deadlock' | 'step' | 'state'
  readonly property: number
}

export interface KernelEnv {
  /** Which worker this is, and of how many. */
  readonly me: number
  readonly workers: number
  /** Executions end where they break a property. */
  readonly cut?: boolean
}

/** The text of a function body that takes `env` and returns a {@link Kernel}. */
export function kernelText(spec: KernelSpec): string {
  const { automata, layout, symmetry, properties, invariants } = spec
  const fields = new Fields(automata, layout)
  const canonical = new CanonicalWriter(fields, symmetry)
  const deadlock = spec.deadlock ? properties.indexOf('deadlock') : undefined
  const parts = [
    declarations(mostSuccessors(automata), automata.typeOf.length, layout.words, properties.length),
    storeFunctions(fields),
    emitFunctions(fields, canonical),
    brokenFunction(fields, invariants),
    fields.startedFunction(),
    fields.valueFunction(),
    stepFunctions(fields, properties),
    expandFunction(fields, canonical, spec.independence, deadlock),
    METHODS,
  ]
  return [`'use strict'`, fields.declarations(), ...parts].join('\n')
}

/** Builds the kernel in this thread. */
export function kernelOf(text: string, env: KernelEnv): Kernel {
  return new Function('env', text)(env) as Kernel
}
