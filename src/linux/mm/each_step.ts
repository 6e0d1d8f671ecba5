// SPDX-License-Identifier: GPL-2.0-or-later
/** A rule that every step of a function must keep, put around a function that somebody else wrote: a driver's callback. */
import type { CallRequest, Request, Shared, Standing, Steps } from '../../checker/index.ts'

type Fn = CallRequest['fn']

/** A rule, and the functions that it was already put around: what is called is told from others by identity. */
export interface StepRule {
  readonly before: (s: Shared) => void
  readonly known: WeakMap<Fn, Fn>
}

export function step_rule(before: (s: Shared) => void): StepRule {
  return { before, known: new WeakMap() }
}

/** `steps`, each of which keeps the rule first, also those of the functions that are called on the way. */
export function each_step<T>(steps: Steps<T>, rule: StepRule): Steps<T> {
  // No generator of its own, so that none stands in the stacks of a counterexample.
  const next = (...result: [] | [unknown]) => {
    const at = steps.next(...(result as [unknown]))
    return at.done ? at : { done: false, value: kept(at.value, rule) }
  }
  return { next, [Symbol.iterator]: () => ({ next }) } as unknown as Steps<T>
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

function kept(request: Request | Standing, rule: StepRule): Request | Standing {
  // What is no request is for the checker to refuse.
  if (request?.kind === 'step') return { ...request, body: after(rule.before, request.body) }
  if (request?.kind === 'call' || request?.kind === 'repeat') return { ...request, fn: called(request.fn, rule) }
  return request
}

function called(fn: Fn, rule: StepRule): Fn {
  let made = rule.known.get(fn)
  if (!made) {
    made = (...args) => each_step(fn(...args), rule)
    Object.defineProperty(made, 'name', { value: fn.name })
    rule.known.set(fn, made)
  }
  return made
}
