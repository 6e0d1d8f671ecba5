// SPDX-License-Identifier: GPL-2.0-or-later
/** Errors for a model whose code does not run all that it makes, or runs it in another way than by yield*. */
import { ModelError } from './memory.ts'
import { userFunction } from './stack.ts'
import { leftovers, type Made } from './usage.ts'

/** An error that stands where something of the model stands. */
export function errorAt(message: string, stack: string | undefined): ModelError {
  return new ModelError(message, stack === undefined ? {} : { cause: Object.assign(new Error('made here'), { stack }) })
}

/**
 * The error for a run that left something open, or whose operations handed out more requests than were answered.
 * @param name of the function, where the stack does not say whose code it is
 * @param again runs it again, and returns the requests that nobody answered
 */
export function misuse(name: string, again: () => readonly Made[]): ModelError {
  let taken: readonly Made[] = []
  const { open } = leftovers(() => {
    try {
      taken = again()
    } catch {
      // What it throws is known.
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

/** The error for a body, or an invariant, that makes steps. */
export function stepsInside(name: string, again: () => void): ModelError {
  const { open, asked } = leftovers(again)
  const inner = open[0] ?? asked[0]
  return errorAt(
    `${name} has ${inner?.name ?? 'another step'} inside: what is one step has no steps of its own, so take it before or after`,
    inner?.stack,
  )
}
