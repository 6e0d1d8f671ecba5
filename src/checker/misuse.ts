// SPDX-License-Identifier: GPL-2.0-or-later
/** Errors for a model whose code makes a step or a generator that it does not run, or runs it otherwise than by `yield*`. */
import { ModelError } from './memory.ts'
import { userFunction } from './stack.ts'
import { leftovers, type Made } from './usage.ts'

/** Makes an error whose place is that of `stack`, a JavaScript stack in the model's code. */
export function errorAt(message: string, stack: string | undefined): ModelError {
  return new ModelError(message, stack === undefined ? {} : { cause: Object.assign(new Error('made here'), { stack }) })
}

/**
 * Makes the error for a run that left a step or generator unrun, or whose operations handed out more requests than were answered.
 * @param name of the function, for where the stack does not lead to the user's code
 * @param again runs the function again, and returns the requests that nobody answered
 */
export function misuse(name: string, again: () => readonly Made[]): ModelError {
  let taken: readonly Made[] = []
  const { open } = leftovers(() => {
    try {
      taken = again()
    } catch {
      // The caller already has what the function throws.
    }
  })
  const [first] = taken
  if (first)
    return errorAt(
      `${userFunction(first.stack) ?? name} takes ${first.name} apart: it is run by yield* alone, not by a loop, a spread or next()`,
      first.stack,
    )
  const [dropped] = open
  if (!dropped) return new ModelError(`${name} is not deterministic: it does not run what it makes, and run again does`)
  return errorAt(
    `${userFunction(dropped.stack) ?? name} drops ${dropped.name}: nothing runs it without a yield* in front`,
    dropped.stack,
  )
}

/** Makes the error for the body of a step, or an invariant, that itself makes steps. */
export function stepsInside(name: string, again: () => void): ModelError {
  const { open, asked } = leftovers(again)
  const inner = open[0] ?? asked[0]
  return errorAt(
    `${name} has ${inner?.name ?? 'another step'} inside: what is one step has no steps of its own, so take it before or after`,
    inner?.stack,
  )
}
