// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Hooks for code of a model that was instrumented (src/cli/instrument.ts). They notice generators of the model that nobody runs,
 * and state outside of cells that survives from one run of a function to another: the checker explores only what is in cells.
 */
import { ModelError } from './memory.ts'
import { begun, currentRun, isInBody, made } from './usage.ts'

/** By object, the number of the run in which it was made. */
const births = new WeakMap<object, number>([[globalThis, 0]])
/** Generators that a `yield*` has run already. */
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

/** Called with the operand of each `yield*`. @throws ModelError for a generator that was run before, which would do nothing */
function delegate<T>(steps: T): T {
  if (typeof steps === 'function')
    throw new ModelError(`yield* of ${steps.name || 'a function'} itself, which takes no step: call it`)
  if (Object.prototype.toString.call(steps) !== '[object Generator]') return steps
  if (over.has(steps as object))
    throw new ModelError('a generator is run a second time, and does nothing: call the function again instead')
  over.add(steps as object)
  return steps
}

/** Notes the current run as the one in which an object was made, unless a run is noted for the object already. */
function born<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !births.has(value)) births.set(value, currentRun())
  return value
}

/** Called before an object is changed. @throws ModelError if the object is older than the current run */
function changes<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const birth = births.get(value)
  if (birth !== undefined && birth !== currentRun()) throw outlives('an object')
  return value
}

/**
 * Called before a mutating method of a built-in collection is called. Weak maps are exempt, since a model may use them to keep
 * what it once made for an object.
 */
function mutates<T>(value: T): T {
  const isData = Array.isArray(value) || value instanceof Map || value instanceof Set || ArrayBuffer.isView(value)
  return isData ? changes(value) : value
}

/**
 * Called when an inner function assigns a variable of an outer one.
 * @param run in which the variable was declared
 * @throws ModelError if that is another run
 */
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
