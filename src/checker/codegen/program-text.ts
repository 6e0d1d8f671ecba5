// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Makes the search program of one system from its automata: generated code and the runtime, compiled together.
 *
 * The runtime is an ordinary source file, but is compiled anew for each system from its own text (`Function.toString`). One
 * compiled runtime for all systems would call the code of each from the same call sites, which a JavaScript engine can then
 * neither predict nor inline. Compiled with the code of one system, it is as fast as if written for that system. The program
 * is text, because that is what worker threads take on any host.
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
  /** Names of properties, to which outcomes and invariants refer by position; the invariants come first. */
  readonly properties: readonly string[]
  readonly invariants: readonly InvariantDiagram[]
  readonly deadlock: boolean
}

/** The code that is generated for a system. */
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

/** Compiles the search program of a worker, for this thread. */
export function programOf(code: GeneratedCode, env: ProgramEnv): SearchProgram {
  return new Function('env', programText(code))(env) as SearchProgram
}

/**
 * The same search program with the imported runtime instead of a compiled copy, for debuggers and for tests that measure
 * coverage. It becomes slower as soon as there is a second system.
 */
export function unspecializedProgramOf({ shape, text }: GeneratedCode, env: ProgramEnv): SearchProgram {
  const codeOf = new Function('search', `'use strict'\n${text}`) as SystemCodeOf
  return new SearchRuntime(env, shape, codeOf, StateStore)
}
