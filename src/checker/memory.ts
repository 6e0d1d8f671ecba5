// SPDX-License-Identifier: GPL-2.0-or-later
/** Shared memory of a model: bounded integers, what they belong to, and how steps and invariants see them. */

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
  /** Whether it is no memory of the modelled machine's: store buffers hold nothing of it back. */
  readonly ghost: boolean
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
  /**
   * Bookkeeping of the model (who holds what), or what hardware keeps exact for all processors: never held back in a store buffer.
   */
  ghost?: boolean
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
  return Object.freeze({ name, size })
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
  return Object.freeze({
    name,
    min,
    max: spec.max,
    init,
    of: Object.freeze([...(spec.of ?? [])]),
    refers: spec.refers,
    show: spec.show ?? String,
    ghost: spec.ghost ?? false,
  })
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
