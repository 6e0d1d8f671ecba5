// SPDX-License-Identifier: GPL-2.0-or-later
/** Shared memory of a model: cells (bounded integers), the sorts that they belong to, and the views of steps and invariants. */

/** A set of interchangeable things (pages, addresses, identical threads), numbered from 0. */
export interface Sort {
  readonly name: string
  readonly size: number
}

/** A member of a sort. A cell or a thread that belongs to it says so in its `of`. */
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
  /** Text of a value, for counterexamples. */
  readonly show: (value: number) => string
  /** True if the cell is no memory of the modelled machine; see {@link CellSpec.ghost}. */
  readonly ghost: boolean
}

export interface CellSpec {
  /** Smallest value, 0 if omitted. */
  min?: number
  /** Largest value. A step that would leave min..max violates property `bounds`; values never wrap. */
  max: number
  /** Value at the start, `min` if omitted. */
  init?: number
  of?: readonly Member[]
  /**
   * Returns a value's image under a permutation. Needed if values name members of a sort, since symmetry reduction would
   * otherwise be unsound. For a PTE that is 0 when empty and `1 + page` when it maps one:
   * `(v, image) => v === 0 ? 0 : 1 + image(pages, v - 1)`.
   */
  refers?: (value: number, image: Image) => number
  show?: (value: number) => string
  /**
   * True for the model's own bookkeeping (who holds what), and for state that the hardware keeps coherent by itself. Store
   * buffers never delay stores to such a cell. Default false.
   */
  ghost?: boolean
}

/** An error in the user's model. Where the model's code threw, `cause` is what it threw. */
export class ModelError extends Error {
  override name = 'ModelError'
}

/**
 * Thrown where code of a model asks for chance or for the time, by the functions that a host puts in the place of Math.random
 * and the like. A random number that came out equal each time while the checker learns would pass for deterministic, and the
 * verdict would be wrong.
 */
export class Indeterminate extends Error {
  override name = 'Indeterminate'

  /**
   * @param what what the model uses
   * @param instead what to use in its place
   */
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

/** Makes a cell. @throws ModelError when the bounds are not integers, or `init` lies outside them. */
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
   * Returns the sum of `weight(value, position)`, by default of the values, over the cells. To learn a step, its body is run
   * for each different sum; had it read the cells one by one, it would be run for each combination of their values.
   */
  sum(cells: readonly Cell[], weight?: (value: number, position: number) => number): number
}

/** Shared memory as the body of one atomic step sees it. Bodies must be pure: they run once for every combination of values. */
export interface Shared extends View {
  /** Stores a value. One outside of the cell's bounds violates `bounds` and ends the execution. */
  set(cell: Cell, value: number): void
  /** Adds and returns the new value. */
  add(cell: Cell, delta: number): number
  /** Returns any of 0 .. n-1, of which the checker explores each. */
  choose(n: number): number
  /** Blocks the thread while the condition is false: the step cannot be taken, and nothing of it happens. */
  wait(condition: boolean): void
  /** Violates `property` if the condition holds. The step goes on, as a kernel does after WARN_ON. */
  warn(condition: boolean, property: string, message?: string): void
  /**
   * Receives the events of a step, for whoever executes it; they have no effect on the state. Absent while the checker explores,
   * so that events cost nothing there.
   */
  readonly observe?: ((event: unknown) => void) | undefined
  /** Violates `property` and ends the execution, as a kernel stops at BUG_ON. */
  fail(property: string, message?: string): never
}
