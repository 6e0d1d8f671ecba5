// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Hooks for code of a model that was instrumented (src/cli/instrument.ts): they notice generators of the model's own that nobody
 * runs, and state that outlives the run that made it. A verdict is about code whose only memory is in cells.
 */
import { ModelError } from './memory.ts'
import { begun, currentRun, isInBody, made } from './usage.ts'

/** In which run an object was made. */
const births = new WeakMap<object, number>([[globalThis, 0]])
/** Generators that were run. */
const over = new WeakSet<object>()

/** The functions that instrumented code calls. */
export interface Hooks {
  made(name: string): number
  begun(ticket: number): void
  delegate<T>(steps: T): T
  born<T>(value: T): T
  changes<T>(value: T): T
  mutates<T>(value: T): T
  run(): number
  assigns(run: number, name: string): void
}

export const hooks: Hooks = {
  made: name => made(name, true),
  begun,
  delegate,
  born,
  changes,
  mutates,
  run: currentRun,
  assigns,
}

/** Something is run by yield*. @throws ModelError for a generator that was: it would do nothing, without a word */
function delegate<T>(steps: T): T {
  if (typeof steps === 'function')
    throw new ModelError(`yield* of ${steps.name || 'a function'} itself, which takes no step: call it`)
  if (Object.prototype.toString.call(steps) !== '[object Generator]') return steps
  if (over.has(steps as object))
    throw new ModelError('a generator is run a second time, and does nothing: call the function again instead')
  over.add(steps as object)
  return steps
}

/** Notes in which run an object is seen first. */
function born<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !births.has(value)) births.set(value, currentRun())
  return value
}

/** An object is about to be changed. @throws ModelError if it is older than the run */
function changes<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const birth = births.get(value)
  if (birth !== undefined && birth !== currentRun()) throw outlives('an object')
  return value
}

/** The same for who calls a method that changes what JavaScript itself has, but for weak maps: these remember what was made for an object. */
function mutates<T>(value: T): T {
  const isData = Array.isArray(value) || value instanceof Map || value instanceof Set || ArrayBuffer.isView(value)
  return isData ? changes(value) : value
}

/** A variable is assigned by an inner function. @param run in which it was declared */
function assigns(run: number, name: string): void {
  if (run !== currentRun()) throw outlives(name)
}

function outlives(what: string): ModelError {
  return new ModelError(
    isInBody()
      ? `a step's body changes ${what}, which is not its own: what a body finds out it returns, or keeps in a cell`
      : `${what} is changed, which other runs share: what outlives a run is kept in cells`,
  )
}
