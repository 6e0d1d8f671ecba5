// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * From automata to the search for one system: its generated code, and the runtime, compiled together.
 *
 * The runtime is source like any other, but it is compiled anew for each system from its own text (`Function.toString`). One
 * compiled runtime for all systems would call the code of each of them from the same places, which a JavaScript engine can then
 * neither predict nor inline; compiled beside one system's code, it is as fast as if it had been written for it. And the whole
 * is text, because worker threads of any host take text.
 */

import type { Automata } from '../learn/automaton.ts'
import type { InvariantDiagram } from '../learn/decision.ts'
import type { Layout } from '../pack/layout.ts'
import type { AmpleSets } from '../reduce/ample-sets.ts'
import type { Symmetry } from '../reduce/symmetry.ts'
import { CanonicalForm } from './emit-canonical.ts'
import { Fields } from './emit-fields.ts'
import { invariantsFunction, mostSuccessors, stepFunctions } from './emit-steps.ts'
import { stepsFunction, successorFunctions } from './emit-successors.ts'
import { overList, wordFunctions } from './emit-words.ts'
import { SearchRuntime } from './runtime.ts'
import { ENDS, PARTITION_BITS, type ProgramEnv, type SearchProgram } from './search-program.ts'
import { StateStore } from './state-store.ts'
import type { ProgramShape, SystemCodeOf } from './system-code.ts'

export interface ProgramSpec {
  readonly automata: Automata
  readonly layout: Layout
  readonly symmetry: Symmetry
  readonly ampleSets: AmpleSets | undefined
  /** Properties that outcomes and invariants refer to by position: invariants first. */
  readonly properties: readonly string[]
  readonly invariants: readonly InvariantDiagram[]
  readonly deadlock: boolean
}

/** What is generated for a system. */
export interface GeneratedCode {
  readonly shape: ProgramShape
  /** The body of a function that takes `search`, its registers, and returns a {@link SystemCode}. */
  readonly text: string
}

export function generate(spec: ProgramSpec): GeneratedCode {
  const { automata, layout, symmetry, properties, invariants } = spec
  const fields = new Fields(automata, layout)
  const canonical = new CanonicalForm(fields, symmetry)
  const parts = [
    wordFunctions(fields),
    successorFunctions(fields, canonical),
    invariantsFunction(fields, invariants),
    fields.startedFunction(),
    fields.anyStartedFunction(),
    fields.valueFunction(),
    stepFunctions(fields, properties),
    stepsFunction(fields, canonical, spec.ampleSets),
    overList('steps', 'stepsOf', fields),
    overList('invariants', 'invariantsOf', fields),
    overList('started', 'startedIn', fields),
    overList('anyStarted', 'anyStartedIn', fields),
    'return { hash, place, equal, copy, steps, invariants, started, anyStarted, canonicalize }',
  ]
  const shape = {
    words: layout.words,
    threads: automata.typeOf.length,
    properties: properties.length,
    mostSuccessors: mostSuccessors(automata),
    deadlock: spec.deadlock ? properties.indexOf('deadlock') : -1,
    partitionBits: PARTITION_BITS,
    endsBit: ENDS,
  }
  return { shape, text: [fields.declarations(), ...parts].join('\n') }
}

/** The body of a function that takes `env`, a {@link ProgramEnv}, and returns a {@link SearchProgram}. */
export function programText({ shape, text }: GeneratedCode): string {
  return `'use strict'
function codeOf(search) {
${text}
}
return new (${SearchRuntime})(env, ${JSON.stringify(shape)}, codeOf, ${StateStore})`
}

/** The search as a worker runs it, in this thread. */
export function programOf(code: GeneratedCode, env: ProgramEnv): SearchProgram {
  return new Function('env', programText(code))(env) as SearchProgram
}

/**
 * The same search with the runtime as it is imported, for debuggers and for tests that measure what they cover: slower, as
 * soon as there is a second system.
 */
export function unspecializedProgramOf({ shape, text }: GeneratedCode, env: ProgramEnv): SearchProgram {
  const codeOf = new Function('search', `'use strict'\n${text}`) as SystemCodeOf
  return new SearchRuntime(env, shape, codeOf, StateStore)
}
