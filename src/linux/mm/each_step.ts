// SPDX-License-Identifier: GPL-2.0-or-later
/** Rules that every step of a function must keep, for functions that are not part of mm/, such as a driver's callback. */
import { mapSteps, type Shared, type StepMap, type Steps, stepMap } from '../../checker/index.ts'

/** A rule that is checked before each step. */
export type StepRule = StepMap

export function step_rule(before: (s: Shared) => void): StepRule {
  return stepMap(request => ({ ...request, body: after(before, request.body) }))
}

/** Returns `steps` with the rule checked at the beginning of each one, those of called functions included. */
export function each_step<T>(steps: Steps<T>, rule: StepRule): Steps<T> {
  return mapSteps(steps, rule)
}

/**
 * Returns `steps` with `before` done at the beginning of the first one, so that code at a function's entry takes no step of
 * its own. If the function begins with a call() of another one, `before` is not done at all.
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
