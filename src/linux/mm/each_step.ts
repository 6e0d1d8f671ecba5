// SPDX-License-Identifier: GPL-2.0-or-later
/** A rule that every step of a function must keep, put around a function that somebody else wrote: a driver's callback. */
import { mapSteps, type Shared, type StepMap, type Steps, stepMap } from '../../checker/index.ts'

/** A rule that is kept before each step. */
export type StepRule = StepMap

export function step_rule(before: (s: Shared) => void): StepRule {
  return stepMap(request => ({ ...request, body: after(before, request.body) }))
}

/** `steps`, each of which keeps the rule first, also those of the functions that are called on the way. */
export function each_step<T>(steps: Steps<T>, rule: StepRule): Steps<T> {
  return mapSteps(steps, rule)
}

/**
 * `steps`, of which the first also does `before`: what stands at a function's entry takes no step of its own. Where that step is
 * another function's, behind a call(), it is left as it is.
 */
export function first_step<T>(steps: Steps<T>, before: (s: Shared) => void): Steps<T> {
  let first = true
  const next = (...result: [] | [unknown]) => {
    const at = steps.next(...(result as [unknown]))
    const entry = first && !at.done && at.value?.kind === 'step' ? at.value : undefined
    first = false
    return entry ? { done: false, value: { ...entry, body: after(before, entry.body) } } : at
  }
  return { next, [Symbol.iterator]: () => ({ next }) } as unknown as Steps<T>
}

function after<T>(before: (s: Shared) => void, body: (s: Shared) => T): (s: Shared) => T {
  return s => {
    before(s)
    return body(s)
  }
}
