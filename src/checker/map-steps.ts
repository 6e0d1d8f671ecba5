// SPDX-License-Identifier: GPL-2.0-or-later
/** Puts something around every step of a function that somebody else wrote, also in the functions that it calls. */
import type { CallRequest, Request, Standing, StepRequest, Steps } from './operations.ts'

type Fn = CallRequest['fn']

/** A change to steps, and the functions that it was already put around: what is called is told from others by identity. */
export interface StepMap {
  readonly change: (request: StepRequest) => StepRequest
  readonly known: WeakMap<Fn, Fn>
}

export function stepMap(change: StepMap['change']): StepMap {
  return { change, known: new WeakMap() }
}

/** `steps`, each of them changed. */
export function mapSteps<T>(steps: Steps<T>, map: StepMap): Steps<T> {
  // What is no generator is for the checker to refuse.
  if (typeof (steps as Partial<Steps<T>> | undefined)?.next !== 'function') return steps
  // No generator of its own, so that none stands in the stacks of a counterexample.
  const next = (...result: [] | [unknown]) => {
    const at = steps.next(...(result as [unknown]))
    return at.done ? at : { done: false, value: changed(at.value, map) }
  }
  return { next, [Symbol.iterator]: () => ({ next }) } as unknown as Steps<T>
}

function changed(request: Request | Standing, map: StepMap): Request | Standing {
  // What is no request is for the checker to refuse.
  if (request?.kind === 'step') return map.change(request)
  if (request?.kind === 'call' || request?.kind === 'repeat') return { ...request, fn: around(request.fn, map) }
  return request
}

function around(fn: Fn, map: StepMap): Fn {
  let made = map.known.get(fn)
  if (!made) {
    made = (...args) => mapSteps(fn(...args), map)
    Object.defineProperty(made, 'name', { value: fn.name })
    map.known.set(fn, made)
  }
  return made
}
