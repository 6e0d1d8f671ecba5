// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Modelled functions yield requests, each of which their caller answers. Objects stand for generators here, so that one
 * that nobody runs is noticed (usage.ts), and one that is kept may be run as often as it is said.
 */

import type { Shared } from './memory.ts'
import { asks, begun, made } from './usage.ts'

/** Results of steps and arguments of calls: primitives, arrays of them, or objects that are the same each time. */
export type Value = unknown

/**
 * What a step does not promise about the order of its accesses, in the words of the kernel's memory model; only store buffers
 * (store-buffers.ts) make a difference between them. Unless said a step is fully ordered: an atomic operation that returns a
 * value, or what happens under a lock.
 *
 * `plain`: loads and stores that nothing orders, as READ_ONCE(), WRITE_ONCE() and atomic_set(). `release`: the same, but that
 * no earlier store comes after its own. `relaxed`: an atomic operation, whose own effect is seen at once and which lets earlier
 * stores wait, as atomic_inc(); what acquires orders stores no better. A processor of TSO drains its buffer for either.
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
  /** JavaScript stack of the function and those that it was called by with `yield*`. */
  readonly stack: string
}

/**
 * Sent into a function instead of a step's result: it answers with {@link Standing}, and must not be run on. So a
 * counterexample can say where its steps are written, and exploring costs nothing for it.
 */
export const WHERE: unique symbol = Symbol('where')

/** What the body of {@link repeat} returns to be run again. */
export const AGAIN: unique symbol = Symbol('again')

function standing(): Standing {
  return { kind: 'standing', stack: new Error().stack ?? '' }
}

/** True for what a caller can answer; code of a model may yield anything. */
export function isRequest(value: unknown): value is Request {
  const kind = (value as Partial<Request> | undefined)?.kind
  return kind === 'step' || kind === 'call' || kind === 'repeat'
}

/** The words for a request: `step "open"`, `call of put_page()`. */
export function requestText(request: Request): string {
  return request.kind === 'step' ? `step "${request.name}"` : `${request.kind}() of ${request.fn.name || 'a function'}`
}

/** The words for what was yielded without being run, a step or a call of a function; undefined for anything else. */
export function unrunText(value: unknown): string | undefined {
  if (value instanceof Operation) return requestText(value.request)
  if (value instanceof Delegation) return `${value.fn.name}()`
  if (typeof (value as Partial<Generator> | undefined)?.next === 'function') return "what a function's call returns"
  return undefined
}

type Answer = IteratorResult<Request | Standing, unknown>

/** One request, as a generator that yields it and returns what it is answered. */
export class Operation {
  readonly request: Request
  private readonly ticket: number
  private state: 'made' | 'asked' | 'over' = 'made'

  constructor(request: Request) {
    this.request = request
    this.ticket = made(() => requestText(request))
  }

  /** A step that is kept in a variable is a step each time that it is run. */
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
 * The same function for code of others to call: to call it without running what it returns is noticed. What is called by
 * {@link CallRequest} is the function itself, so that both are learned as one.
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

/** The same functions, each of them {@link tracked}. */
export function allTracked<const M extends object>(functions: M): M {
  return Object.fromEntries(
    Object.entries(functions).map(([name, fn]) => [name, isGeneratorFunction(fn) ? tracked(fn) : fn]),
  ) as M
}

/** The function that a tracked one stands for; any other is itself. */
export function untracked(fn: Fn): Fn {
  return originals.get(fn) ?? fn
}

export function isGeneratorFunction(value: unknown): value is Fn {
  return typeof value === 'function' && Object.prototype.toString.call(value) === '[object GeneratorFunction]'
}

/** Returns the generator behind what a function returned: nothing stands between it and who runs it step by step. */
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

  /** The function's own generator, so that nothing stands between it and who runs it. */
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
