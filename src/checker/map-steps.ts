// SPDX-License-Identifier: GPL-2.0-or-later
/** Changes every step of a modelled function, also in the functions that it calls, without touching its source. */
import type { CallRequest, Request, Standing, StepRequest, Steps } from './operations.ts'

type Fn = CallRequest['fn']

/**
 * A change to steps, and by function the changed version of it. The learner tells functions apart by identity, so that each must
 * have only one changed version.
 */
export interface StepMap {
  readonly change: (request: StepRequest) => StepRequest
  readonly known: WeakMap<Fn, Fn>
}

export function stepMap(change: StepMap['change']): StepMap {
  return { change, known: new WeakMap() }
}

/** Returns a generator that yields the requests of `steps`, changed by `map`. */
export function mapSteps<T>(steps: Steps<T>, map: StepMap): Steps<T> {
  // The checker refuses what is no generator, with a better message.
  if (typeof (steps as Partial<Steps<T>> | undefined)?.next !== 'function') return steps
  // A plain object instead of a generator function, so that no frame of it is in the stacks of a counterexample.
  const next = (...result: [] | [unknown]) => {
    const at = steps.next(...(result as [unknown]))
    return at.done ? at : { done: false, value: changed(at.value, map) }
  }
  return { next, [Symbol.iterator]: () => ({ next }) } as unknown as Steps<T>
}

function changed(request: Request | Standing, map: StepMap): Request | Standing {
  // The checker refuses what is no request.
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
