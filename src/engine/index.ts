// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput/engine`: the modelling language, and explorers that try every interleaving. */
export { check, promises } from './check.ts'
export { Concrete, type Outcome, type Place, type State } from './concrete.ts'
export { describeStep } from './explain.ts'
export type { SearchProgress } from './limits.ts'
export * from './model.ts'
export { explore, type NaiveOptions } from './naive.ts'
export { type CheckOptions, type Prepared, prepare } from './prepare.ts'
export type { Spawn, WorkerThread } from './search.ts'
export { type PropertyVerdict, type SurveyOptions, survey } from './survey.ts'
export type { CounterexampleStep, Verdict, Violation } from './verdict.ts'
