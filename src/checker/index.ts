// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput/engine`: the modelling language, and checkers that explore every interleaving. */
export { check, promises } from './check.ts'
export { mapSteps, type StepMap, stepMap } from './map-steps.ts'
export * from './model.ts'
export { allTracked, isGeneratorFunction, tracked } from './operations.ts'
export type { CheckOptions, SearchProgress, Spawn, Stop, Watch, WorkerThread } from './options.ts'
export { type Prepared, prepare } from './prepare.ts'
export { describeStep } from './reference/describe-step.ts'
export { Interpreter, type Outcome, type Place, type State } from './reference/interpreter.ts'
export { explore, type ReferenceOptions } from './reference/reference-checker.ts'
export { type StoreOrder, withStoreBuffers } from './store-buffers.ts'
export { type PropertyVerdict, type SurveyOptions, survey } from './survey.ts'
export type { CounterexampleStep, Verdict, Violation } from './verdict.ts'
