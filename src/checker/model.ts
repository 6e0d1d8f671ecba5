// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The modelling language: bounded integers that threads share, threads written as generators, and what must hold.
 *
 * A thread's code is ordinary TypeScript. Each `yield*` of {@link step} (or of the operations made from it: {@link read},
 * {@link write}, {@link add}, ...) is one atomic step on shared memory; whatever lies between two steps is local, free and
 * must be deterministic: it may depend on nothing but what earlier steps of the same body returned.
 */

import { type Cell, type Member, ModelError, member, members, type Shared, type Sort, type View } from './memory.ts'
import {
  type AGAIN,
  type CallRequest,
  Operation,
  type Order,
  type Steps,
  tracked,
  untracked,
  type Value,
} from './operations.ts'

import { isRunning } from './usage.ts'

export * from './memory.ts'
export {
  AGAIN,
  type CallRequest,
  type Order,
  type Request,
  type Standing,
  type StepRequest,
  type Steps,
  type Value,
  WHERE,
} from './operations.ts'

const ORDERS: ReadonlySet<unknown> = new Set(['plain', 'release', 'relaxed', undefined])

/**
 * One atomic step, in which a pure function reads and writes any cells. The step returns what `body` returns.
 * @param order which other accesses may overtake the step's; only store buffers make a difference. Fully ordered if omitted.
 * @throws ModelError when `body` is no function or `order` is unknown.
 */
export function step<T>(name: string, body: (shared: Shared) => T, order?: Order): Steps<T> {
  if (typeof body !== 'function') throw new ModelError(`step "${name}" has no body: it is step(name, s => ...)`)
  if (!ORDERS.has(order)) throw new ModelError(`step "${name}": its order is plain, release or relaxed, or left out`)
  return new Operation({ kind: 'step', name, body, ...(order === undefined ? {} : { order }) }) as unknown as Steps<T>
}

/** READ_ONCE() */
export function read(cell: Cell): Steps<number> {
  return step(`read ${cell.name}`, s => s.get(cell), 'plain')
}
/** WRITE_ONCE() */
export function write(cell: Cell, value: number): Steps<void> {
  return step(`write ${cell.name}`, s => s.set(cell, value), 'plain')
}
/** smp_store_release() */
export function store_release(cell: Cell, value: number): Steps<void> {
  return step(`release ${cell.name}`, s => s.set(cell, value), 'release')
}
/** smp_mb(): with store buffers, all threads see the earlier stores of this thread before the fence ends. */
export function fence(): Steps<void> {
  return step('fence', () => undefined)
}
/** Adds `delta` and returns the new value, as atomic_add_return() does. */
export function add(cell: Cell, delta: number): Steps<number> {
  return step(`add ${cell.name}`, s => s.add(cell, delta))
}
/** Stores `value` and returns the old one. */
export function xchg(cell: Cell, value: number): Steps<number> {
  return step(`xchg ${cell.name}`, s => {
    const old = s.get(cell)
    s.set(cell, value)
    return old
  })
}
/** Stores `value` if the cell holds `expected`; returns whether it stored. */
export function cmpxchg(cell: Cell, expected: number, value: number): Steps<boolean> {
  return step(`cmpxchg ${cell.name}`, s => {
    if (s.get(cell) !== expected) return false
    s.set(cell, value)
    return true
  })
}
/** Adds `delta` unless the cell holds `unless`; returns whether it added. */
export function add_unless(cell: Cell, delta: number, unless: number): Steps<boolean> {
  return step(`add_unless ${cell.name}`, s => {
    if (s.get(cell) === unless) return false
    s.add(cell, delta)
    return true
  })
}
/** Blocks until the condition over shared memory holds. */
export function wait_until(name: string, condition: (view: View) => boolean): Steps<void> {
  return step(name, s => s.wait(condition(s)))
}
/** Takes a lock, which is a cell that holds 0 while the lock is free; blocks until then. */
export function lock(cell: Cell): Steps<void> {
  return step(`lock ${cell.name}`, s => {
    s.wait(s.get(cell) === 0)
    s.set(cell, 1)
  })
}
export function trylock(cell: Cell): Steps<boolean> {
  return step(`trylock ${cell.name}`, s => {
    if (s.get(cell) !== 0) return false
    s.set(cell, 1)
    return true
  })
}
export function unlock(cell: Cell): Steps<void> {
  const body = (s: Shared) => {
    s.warn(s.get(cell) === 0, 'unlock', `${cell.name} is not locked`)
    s.set(cell, 0)
  }
  return step(`unlock ${cell.name}`, body, 'release')
}
/** Returns any of `options`, of which the checker explores each. A number n stands for the options 0 .. n-1. */
export function choose(n: number): Steps<number>
export function choose<T>(options: readonly T[]): Steps<T>
export function choose<T>(options: number | readonly T[]): Steps<T | number> {
  return step('choose', s => (typeof options === 'number' ? s.choose(options) : options[s.choose(options.length)]))
}
/** WARN_ON: violates `property` if the condition, which is over local values, holds. Takes no step if it does not. */
export const warn_on = tracked(function* warn_on(
  condition: boolean,
  property: string,
  message?: string,
): Steps<boolean> {
  if (condition) yield* step(`WARN_ON ${property}`, s => s.warn(true, property, message))
  return condition
})
/** BUG_ON: as {@link warn_on}, but also ends the execution. */
export const bug_on = tracked(function* bug_on(condition: boolean, property: string, message?: string): Steps<void> {
  if (condition) yield* step(`BUG_ON ${property}`, s => s.fail(property, message))
})

/**
 * Calls a modelled function. The checker learns it once for each tuple of arguments. `yield* fn(x)` means the same, but the
 * checker learns `fn` anew inside each caller, which is fine for a function of a few steps and slow for one of many. Recursion
 * is refused; for loops see {@link repeat}.
 */
export function call<A extends unknown[], T>(fn: (...args: A) => Steps<T>, ...args: A): Steps<T> {
  return called('call', fn, args)
}

function called<T>(kind: CallRequest['kind'], fn: unknown, args: readonly unknown[]): Steps<T> {
  if (typeof fn !== 'function')
    throw new ModelError(
      `${kind}() takes a function and its arguments, as ${kind}(put_page, page), not what it returns`,
    )
  return new Operation({ kind, fn: untracked(fn as CallRequest['fn']), args }) as unknown as Steps<T>
}

/**
 * Calls `fn(...args)` until it returns something other than {@link AGAIN}. A loop without a bound (`goto retry`) has to be
 * written this way, because a plain `while` around steps has an endless tree of histories. Local variables do not survive from
 * one turn to the next; only shared memory does.
 */
export function repeat<A extends unknown[], T>(
  fn: (...args: A) => Steps<T | typeof AGAIN>,
  ...args: A
): Steps<Exclude<T, typeof AGAIN>> {
  return called('repeat', fn, args)
}

export interface Thread {
  readonly name: string
  readonly body: () => Steps<Value>
  /** How often the body runs; `Infinity` for again and again. */
  readonly times: number
  readonly of: readonly Member[]
  /** True if liveness is checked: each run that has taken its first step must end eventually. */
  readonly finishes: boolean
  /**
   * True if weak fairness also applies between runs, so that the thread begins its next run when it can: a
   * kernel thread does, while a user need not make another system call.
   */
  readonly daemon: boolean
  /**
   * The assumption that makes the thread a daemon, in words. A verdict of `holds` that would be another without the assumption
   * lists it in `assumes`.
   */
  readonly assumed?: string
}

export interface ThreadSpec {
  /** How often the body runs; `Infinity` (default): again and again. */
  times?: number
  of?: readonly Member[]
  finishes?: boolean
  daemon?: boolean
  assumed?: string
}

export function thread(name: string, body: () => Steps<Value>, spec: ThreadSpec = {}): Thread {
  if (isRunning()) throw new ModelError(`thread ${name} is made by a run: threads are the system's, from its beginning`)
  if (typeof body !== 'function')
    throw new ModelError(`thread ${name} has no body: it is thread(name, function* () ...)`)
  const times = spec.times ?? Number.POSITIVE_INFINITY
  if (times !== Number.POSITIVE_INFINITY && (!Number.isInteger(times) || times < 1))
    throw new ModelError(`thread ${name}: times is ${times}, not a positive integer`)
  const { of = [], finishes = false, assumed, daemon = assumed !== undefined } = spec
  return { name, body, times, of, finishes, daemon, ...(assumed === undefined ? {} : { assumed }) }
}

/**
 * Makes one thread for each member of a sort. They are interchangeable unless the body tells members apart by something that is
 * not `of` them.
 */
export function threads(
  of: Sort,
  name: string,
  body: (index: number) => Steps<Value>,
  spec: Omit<ThreadSpec, 'of'> = {},
): Thread[] {
  return members(of).map(i => thread(`${name}[${i}]`, () => body(i), { ...spec, of: [member(of, i)] }))
}

/** Describes a state that violates a property, for the message of a counterexample. Called for the last state of one only. */
export type Why = (view: View) => string | undefined

/** A property that must hold in every reachable state. */
export interface Invariant {
  readonly kind: 'always'
  readonly name: string
  readonly holds: (view: View) => boolean
  /** Says in words what is wrong in a state in which the property does not hold. */
  readonly why?: Why
}
/**
 * A property that must hold in every reachable state in which no thread is inside a run: each is between runs or has ended. A
 * leak violates such a property.
 */
export interface AtRest {
  readonly kind: 'at rest'
  readonly name: string
  readonly holds: (view: View) => boolean
  /** As in {@link Invariant}. */
  readonly why?: Why
}
/**
 * Absence of livelock: under weak fairness there is no endless execution in which at every moment some of these threads is
 * inside a run, and none of them ever ends one.
 */
export interface Progress {
  readonly kind: 'progress'
  readonly name: string
  readonly threads: readonly Thread[]
}
export type Property = Invariant | AtRest | Progress

export function always(name: string, holds: (view: View) => boolean, why?: Why): Invariant {
  return { kind: 'always', name, holds, ...(why && { why }) }
}
export function at_rest(name: string, holds: (view: View) => boolean, why?: Why): AtRest {
  return { kind: 'at rest', name, holds, ...(why && { why }) }
}
export function progress(name: string, threads: readonly Thread[]): Progress {
  return { kind: 'progress', name, threads }
}

export interface System {
  readonly name: string
  readonly cells: readonly Cell[]
  readonly threads: readonly Thread[]
  readonly properties: readonly Property[]
  /** True (the default) if a state violates `deadlock` in which no thread can move and some thread is inside a run. */
  readonly deadlock: boolean
  /** The size of the model, to which the verdict is limited, in words: `2 pages, 2 addresses, 4 threads`. */
  readonly bounds: string
}

export interface SystemSpec {
  cells: readonly Cell[]
  threads: readonly Thread[]
  properties?: readonly Property[]
  deadlock?: boolean
  bounds?: string
}

/** @throws ModelError without threads, or for two cells or threads of one name, which a counterexample could not tell apart. */
export function system(name: string, spec: SystemSpec): System {
  for (const list of [spec.cells, spec.threads]) {
    const seen = new Set<string>()
    for (const { name: n } of list) {
      if (seen.has(n)) throw new ModelError(`system ${name}: two cells or two threads are named ${n}`)
      seen.add(n)
    }
  }
  if (spec.threads.length === 0) throw new ModelError(`system ${name}: no threads`)
  return {
    name,
    cells: spec.cells,
    threads: spec.threads,
    properties: spec.properties ?? [],
    deadlock: spec.deadlock ?? true,
    bounds: spec.bounds ?? `${spec.cells.length} cells, ${spec.threads.length} threads`,
  }
}
