// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The modelling language: bounded integers that threads share, threads written as generators, and what must hold.
 *
 * A thread's code is ordinary TypeScript. Each `yield*` of {@link step} (or of the operations made from it: {@link read},
 * {@link write}, {@link add}, ...) is one atomic step on shared memory; whatever lies between two steps is local, free and
 * must be deterministic: it may depend on nothing but what earlier steps of the same body returned.
 */

/** A set of interchangeable things (pages, addresses, identical threads), numbered from 0. */
export interface Sort {
  readonly name: string
  readonly size: number
}

/** A member of a sort: what a cell or a thread is *of*. */
export interface Member {
  readonly sort: Sort
  readonly index: number
}

/** Where a permutation sends member `index` of `sort`. */
export type Image = (sort: Sort, index: number) => number

/** A bounded integer in shared memory. */
export interface Cell {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly init: number
  /** The members that this cell belongs to: `pte[1]` belongs to address 1. */
  readonly of: readonly Member[]
  /** For values that name members of a sort: the value after a permutation. */
  readonly refers: ((value: number, image: Image) => number) | undefined
  /** How a value reads in a counterexample. */
  readonly show: (value: number) => string
}

export interface CellSpec {
  /** Smallest value, 0 if omitted. */
  min?: number
  /** Largest value. A step that would leave min..max is a violation of property `bounds`, never a wrap. */
  max: number
  /** Value at the start, `min` if omitted. */
  init?: number
  of?: readonly Member[]
  /**
   * Needed if values name members of a sort, or symmetry would be wrong about them. For a PTE that is 0 when empty and
   * `1 + page` when it maps one: `(v, image) => v === 0 ? 0 : 1 + image(pages, v - 1)`.
   */
  refers?: (value: number, image: Image) => number
  show?: (value: number) => string
}

/** Says what is wrong with a model. Where its code threw, `cause` is what it threw. */
export class ModelError extends Error {
  override name = 'ModelError'
}

/**
 * Thrown by what a host puts in place of chance and clock in the thread of a model: a coin that falls the same way each time
 * it is learned would be a verdict.
 */
export class Indeterminate extends Error {
  override name = 'Indeterminate'

  /** @param what the model uses, @param instead what to do about it */
  constructor(what: string, instead: string) {
    super(`uses ${what}; ${instead}`)
  }
}

/** @throws ModelError when the sort would be empty. */
export function sort(name: string, size: number): Sort {
  if (!Number.isInteger(size) || size < 1) throw new ModelError(`sort ${name}: size ${size} is not a positive integer`)
  return { name, size }
}

export function member(of: Sort, index: number): Member {
  return { sort: of, index }
}

/** `[0, 1, ... size - 1]`, for loops over a sort's members. */
export function members(of: Sort): number[] {
  return Array.from({ length: of.size }, (_, i) => i)
}

/** One cell. @throws ModelError when the bounds are not integers, or `init` lies outside them. */
export function cell(name: string, spec: CellSpec): Cell {
  const min = spec.min ?? 0
  const init = spec.init ?? min
  for (const [what, v] of [
    ['min', min],
    ['max', spec.max],
    ['init', init],
  ] as const)
    if (!Number.isSafeInteger(v)) throw new ModelError(`cell ${name}: ${what} is ${v}, not an integer`)
  if (spec.max < min) throw new ModelError(`cell ${name}: max ${spec.max} is below min ${min}`)
  if (init < min || init > spec.max) throw new ModelError(`cell ${name}: init ${init} lies outside ${min}..${spec.max}`)
  return { name, min, max: spec.max, init, of: spec.of ?? [], refers: spec.refers, show: spec.show ?? String }
}

type FamilySpec = Omit<CellSpec, 'init' | 'of'> & { init?: number | ((index: number) => number) }

/** One cell for each member of a sort: `cells(pages, '_refcount', { max: 4 })[p]` is named `_refcount[p]`. */
export function cells(of: Sort, name: string, spec: FamilySpec): Cell[] {
  const { init, ...rest } = spec
  return members(of).map(i =>
    cell(`${name}[${i}]`, {
      ...rest,
      ...(init === undefined ? {} : { init: typeof init === 'function' ? init(i) : init }),
      of: [member(of, i)],
    }),
  )
}

/** One cell for each pair of members: `grid(gups, pages, 'held', { max: 1 })[t][p]`. */
export function grid(rows: Sort, columns: Sort, name: string, spec: Omit<CellSpec, 'of'>): Cell[][] {
  return members(rows).map(r =>
    members(columns).map(c => cell(`${name}[${r}][${c}]`, { ...spec, of: [member(rows, r), member(columns, c)] })),
  )
}

/** Shared memory as an invariant sees it. */
export interface View {
  get(cell: Cell): number
  /**
   * Sum of `weight(value, position)` (by default of the values) over cells. One read of a sum costs the learner the
   * number of different sums, where reading the cells one by one costs the product of their ranges.
   */
  sum(cells: readonly Cell[], weight?: (value: number, position: number) => number): number
}

/** Shared memory as the body of one atomic step sees it. Bodies are pure: run again for every combination of values. */
export interface Shared extends View {
  /** Out of bounds: the step is a violation of `bounds`, and ends the execution. */
  set(cell: Cell, value: number): void
  /** Adds and returns the new value. */
  add(cell: Cell, delta: number): number
  /** Any of 0 .. n-1: the explorer tries each. */
  choose(n: number): number
  /** The step cannot be taken while the condition is false: the thread is blocked, nothing of the step happens. */
  wait(condition: boolean): void
  /** A violation of `property`; the step goes on (a kernel goes on after WARN_ON). */
  warn(condition: boolean, property: string, message?: string): void
  /**
   * Where events go of which a step tells whoever executes it: they change nothing. Absent while systems are explored, so
   * that what only events need costs nothing.
   */
  readonly observe?: ((event: unknown) => void) | undefined
  /** A violation of `property` that ends the execution (a kernel stops at BUG_ON). */
  fail(property: string, message?: string): never
}

/** Results of steps and arguments of calls: primitives, arrays of them, or objects that are the same each time. */
export type Value = unknown

export interface StepRequest {
  readonly kind: 'step'
  readonly name: string
  readonly body: (shared: Shared) => Value
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

function standing(): Standing {
  return { kind: 'standing', stack: new Error().stack ?? '' }
}

/** One atomic step: reads and writes of any cells by a pure function. Its result is the body's. */
export function* step<T>(name: string, body: (shared: Shared) => T): Steps<T> {
  const result = yield { kind: 'step', name, body }
  if (result === WHERE) yield standing()
  return result as T
}

export function read(cell: Cell): Steps<number> {
  return step(`read ${cell.name}`, s => s.get(cell))
}
export function write(cell: Cell, value: number): Steps<void> {
  return step(`write ${cell.name}`, s => s.set(cell, value))
}
/** Adds; the result is the new value (add_return). */
export function add(cell: Cell, delta: number): Steps<number> {
  return step(`add ${cell.name}`, s => s.add(cell, delta))
}
/** Stores; the result is the old value. */
export function xchg(cell: Cell, value: number): Steps<number> {
  return step(`xchg ${cell.name}`, s => {
    const old = s.get(cell)
    s.set(cell, value)
    return old
  })
}
/** Stores `value` if the cell holds `expected`; the result says whether it did. */
export function cmpxchg(cell: Cell, expected: number, value: number): Steps<boolean> {
  return step(`cmpxchg ${cell.name}`, s => {
    if (s.get(cell) !== expected) return false
    s.set(cell, value)
    return true
  })
}
/** Adds unless the cell holds `unless`; the result says whether it did. */
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
/** A lock in a cell that is 0 when free: blocks until it is. */
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
  return step(`unlock ${cell.name}`, s => {
    s.warn(s.get(cell) === 0, 'unlock', `${cell.name} is not locked`)
    s.set(cell, 0)
  })
}
/** Any of `options`, a number n standing for 0 .. n-1: the explorer tries each. */
export function choose(n: number): Steps<number>
export function choose<T>(options: readonly T[]): Steps<T>
export function choose<T>(options: number | readonly T[]): Steps<T | number> {
  return step('choose', s => (typeof options === 'number' ? s.choose(options) : options[s.choose(options.length)]))
}
/** WARN_ON: a violation of `property` if the (local) condition holds. No step if it does not. */
export function* warn_on(condition: boolean, property: string, message?: string): Steps<boolean> {
  if (condition) yield* step(`WARN_ON ${property}`, s => s.warn(true, property, message))
  return condition
}
/** BUG_ON: as {@link warn_on}, and ends the execution. */
export function* bug_on(condition: boolean, property: string, message?: string): Steps<void> {
  if (condition) yield* step(`BUG_ON ${property}`, s => s.fail(property, message))
}

/**
 * Calls a modelled function, learned once for each tuple of arguments. `yield* fn(x)` means the same and learns `fn` anew
 * inside each caller: fine for a function of a few steps, slow for one of many. Not recursive: see {@link repeat}.
 */
export function* call<A extends unknown[], T>(fn: (...args: A) => Steps<T>, ...args: A): Steps<T> {
  const result = yield { kind: 'call', fn: fn as unknown as CallRequest['fn'], args }
  if (result === WHERE) yield standing()
  return result as T
}

/** What the body of {@link repeat} returns to be run again. */
export const AGAIN: unique symbol = Symbol('again')

/**
 * Calls `fn(...args)` until it returns something other than {@link AGAIN}. The way to write a loop without a bound
 * (`goto retry`): a plain `while` around steps has an endless tree of histories. Nothing survives from one turn to the
 * next but shared memory.
 */
export function* repeat<A extends unknown[], T>(
  fn: (...args: A) => Steps<T | typeof AGAIN>,
  ...args: A
): Steps<Exclude<T, typeof AGAIN>> {
  const result = yield { kind: 'repeat', fn: fn as unknown as CallRequest['fn'], args }
  if (result === WHERE) yield standing()
  return result as Exclude<T, typeof AGAIN>
}

export interface Thread {
  readonly name: string
  readonly body: () => Steps<Value>
  /** How often the body runs: a number, or again and again. */
  readonly times: number
  readonly of: readonly Member[]
  /** Liveness: each run that has taken its first step ends at last. */
  readonly finishes: boolean
  /** Whether weak fairness also makes it take the first step of a run: a kernel thread does, a user's system call need not. */
  readonly daemon: boolean
  /** A daemon only by assumption: what is taken for granted, in words. A verdict that would be another without it says so. */
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
  const times = spec.times ?? Number.POSITIVE_INFINITY
  if (times !== Number.POSITIVE_INFINITY && (!Number.isInteger(times) || times < 1))
    throw new ModelError(`thread ${name}: times is ${times}, not a positive integer`)
  const { of = [], finishes = false, assumed, daemon = assumed !== undefined } = spec
  return { name, body, times, of, finishes, daemon, ...(assumed === undefined ? {} : { assumed }) }
}

/** One thread for each member of a sort; interchangeable unless the body tells members apart by something not `of` them. */
export function threads(
  of: Sort,
  name: string,
  body: (index: number) => Steps<Value>,
  spec: Omit<ThreadSpec, 'of'> = {},
): Thread[] {
  return members(of).map(i => thread(`${name}[${i}]`, () => body(i), { ...spec, of: [member(of, i)] }))
}

/** Holds in every reachable state. */
export interface Invariant {
  readonly kind: 'always'
  readonly name: string
  readonly holds: (view: View) => boolean
}
/** Holds in every reachable state in which no run has begun: each thread at its start or at its end. How a leak shows. */
export interface AtRest {
  readonly kind: 'at rest'
  readonly name: string
  readonly holds: (view: View) => boolean
}
/** Livelock: under weak fairness there is no endless execution in which one of these threads has begun and none ever ends. */
export interface Progress {
  readonly kind: 'progress'
  readonly name: string
  readonly threads: readonly Thread[]
}
export type Property = Invariant | AtRest | Progress

export function always(name: string, holds: (view: View) => boolean): Invariant {
  return { kind: 'always', name, holds }
}
export function at_rest(name: string, holds: (view: View) => boolean): AtRest {
  return { kind: 'at rest', name, holds }
}
export function progress(name: string, threads: readonly Thread[]): Progress {
  return { kind: 'progress', name, threads }
}

export interface System {
  readonly name: string
  readonly cells: readonly Cell[]
  readonly threads: readonly Thread[]
  readonly properties: readonly Property[]
  /** Whether it is a violation that nothing can move while a thread has begun and not ended. Default true. */
  readonly deadlock: boolean
  /** What the verdict is limited to, in words: `2 pages, 2 addresses, 4 threads`. */
  readonly bounds: string
}

export interface SystemSpec {
  cells: readonly Cell[]
  threads: readonly Thread[]
  properties?: readonly Property[]
  deadlock?: boolean
  bounds?: string
}

/** @throws ModelError for two cells or two threads of one name, which a counterexample could not tell apart. */
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
