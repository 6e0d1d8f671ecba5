// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Modelled functions yield requests, each of which the caller answers. Steps and calls are objects of classes with the interface
 * of a generator instead of generators. So usage.ts notices one that nobody runs, and one that is kept in a variable may be run
 * several times.
 */

import type { Shared } from './memory.ts'
import { asks, begun, made } from './usage.ts'

/** A result of a step or an argument of a call: a primitive, an array of values, or an object, which is compared by identity. */
export type Value = unknown

/**
 * The order of a step's accesses where it is weaker than full, in the terms of the kernel's memory model. Only store buffers
 * (store-buffers.ts) make a difference between them. A step without one is fully ordered, as an atomic operation that returns a
 * value is, or a critical section.
 *
 * `plain`: loads and stores that nothing orders, as READ_ONCE(), WRITE_ONCE() and atomic_set().
 * `release`: the same, except that no earlier store becomes visible after the step's own.
 * `relaxed`: an atomic operation that is visible at once but does not wait for earlier stores, as atomic_inc(). An acquire
 * operation orders stores no better, and is `relaxed` too. Under TSO every atomic operation drains the store buffer.
 */
export type Order = 'plain' | 'release' | 'relaxed'

export interface StepRequest {
  readonly kind: 'step'
  readonly name: string
  readonly body: (shared: Shared) => Value
  readonly order?: Order | undefined
}
export interface CallRequest {
  readonly kind: 'call' | 'repeat'
  readonly fn: (...args: never[]) => Steps<Value>
  readonly args: readonly unknown[]
}
export type Request = StepRequest | CallRequest

/** What a modelled function returns: `function* put_page(page: number): Steps<void> { ... }`. */
export type Steps<T> = Generator<Request | Standing, T, unknown>

/** The answer to {@link WHERE}. */
export interface Standing {
  readonly kind: 'standing'
  /** JavaScript stack of the function and of its callers by `yield*`. */
  readonly stack: string
}

/**
 * Sent into a function in place of a step's result. The function answers with {@link Standing}, and must not be continued after
 * that. This is how a counterexample learns where its steps are written, without any cost to exploration.
 */
export const WHERE: unique symbol = Symbol('where')

/** What the body of {@link repeat} returns to be run again. */
export const AGAIN: unique symbol = Symbol('again')

function standing(): Standing {
  return { kind: 'standing', stack: new Error().stack ?? '' }
}

/** True for a request that a caller can answer. Code of a model may yield anything. */
export function isRequest(value: unknown): value is Request {
  const kind = (value as Partial<Request> | undefined)?.kind
  return kind === 'step' || kind === 'call' || kind === 'repeat'
}

/** Text of a request, for messages: `step "open"`, `call() of put_page`. */
export function requestText(request: Request): string {
  return request.kind === 'step' ? `step "${request.name}"` : `${request.kind}() of ${request.fn.name || 'a function'}`
}

/** Text of a step or call that was yielded instead of being run, for messages; undefined for any other value. */
export function unrunText(value: unknown): string | undefined {
  if (value instanceof Operation) return requestText(value.request)
  if (value instanceof Delegation) return `${value.fn.name}()`
  if (typeof (value as Partial<Generator> | undefined)?.next === 'function') return "what a function's call returns"
  return undefined
}

type Answer = IteratorResult<Request | Standing, unknown>

/** One request, as a generator that yields the request and returns the answer. */
export class Operation {
  readonly request: Request
  private readonly ticket: number
  private state: 'made' | 'asked' | 'over' = 'made'

  constructor(request: Request) {
    this.request = request
    this.ticket = made(() => requestText(request))
  }

  /** Returns a fresh operation for each run but the first, so that a step that is kept in a variable can be run again. */
  [Symbol.iterator](): Operation {
    return this.state === 'made' ? this : new Operation(this.request)
  }

  next(result?: unknown): Answer {
    if (this.state === 'made') {
      this.state = 'asked'
      begun(this.ticket)
      asks(this.ticket)
      return { done: false, value: this.request }
    }
    if (this.state === 'over') return { done: true, value: undefined }
    if (result === WHERE) return { done: false, value: standing() }
    this.state = 'over'
    return { done: true, value: result }
  }

  return(value: unknown): Answer {
    this.state = 'over'
    return { done: true, value }
  }

  throw(error: unknown): never {
    this.state = 'over'
    throw error
  }
}

type Fn = (...args: never[]) => Steps<unknown>

const originals = new WeakMap<object, Fn>()

/**
 * Wraps a generator function for models to call, so that a call whose result nobody runs is noticed. A {@link CallRequest} holds
 * the unwrapped function, so that it is learned only once, whichever of the two is called.
 */
export function tracked<F extends Fn>(fn: F): F {
  const of = function (this: unknown, ...args: unknown[]) {
    return new Delegation(fn, this, args)
  }
  Object.defineProperty(of, 'name', { value: fn.name })
  Object.defineProperty(of, 'length', { value: fn.length })
  originals.set(of, fn)
  return of as unknown as F
}

/** Returns the object with each of its generator functions {@link tracked}. */
export function allTracked<const M extends object>(functions: M): M {
  return Object.fromEntries(
    Object.entries(functions).map(([name, fn]) => [name, isGeneratorFunction(fn) ? tracked(fn) : fn]),
  ) as M
}

/** Returns the function that {@link tracked} wrapped; any other function is returned as it is. */
export function untracked(fn: Fn): Fn {
  return originals.get(fn) ?? fn
}

export function isGeneratorFunction(value: unknown): value is Fn {
  return typeof value === 'function' && Object.prototype.toString.call(value) === '[object GeneratorFunction]'
}

/** Returns the generator behind the result of a {@link tracked} function, so that no wrapper is between it and its caller. */
export function running(steps: Steps<Value>): Steps<Value> {
  return (steps as unknown) instanceof Delegation ? (steps[Symbol.iterator]() as Steps<Value>) : steps
}

/** A call of a modelled function that is yet to be run. */
class Delegation {
  readonly fn: Fn
  private readonly self: unknown
  private readonly args: readonly unknown[]
  private readonly ticket: number
  private inner: Steps<unknown> | undefined

  constructor(fn: Fn, self: unknown, args: readonly unknown[]) {
    this.fn = fn
    this.self = self
    this.args = args
    this.ticket = made(() => `${fn.name}()`)
  }

  /** Returns the function's own generator, so that no wrapper is between it and its caller. */
  [Symbol.iterator](): Steps<unknown> {
    begun(this.ticket)
    return this.fn.apply(this.self, this.args as never[])
  }

  next(result?: unknown): Answer {
    return this.running().next(result)
  }

  return(value: unknown): Answer {
    return this.running().return(value)
  }

  throw(error: unknown): Answer {
    return this.running().throw(error)
  }

  private running(): Steps<unknown> {
    this.inner ??= this[Symbol.iterator]()
    return this.inner
  }
}
