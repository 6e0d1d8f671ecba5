// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Turns a system into one on processors with store buffers. What a thread stores by a plain step (see {@link Order}) goes into
 * its buffer, where only the thread itself sees it; a later step of the buffer's own thread writes it to memory.
 *
 * `tso` is total store order, as on x86 (Sewell and others 2010, x86-TSO): stores reach memory in program order, and an atomic
 * operation waits until the buffer is empty. `pso` is SPARC's partial store order, in which stores to different cells overtake
 * each other, as they do on ARM and POWER too. There only a fully ordered operation waits until the buffer is empty, and only a
 * release store reaches memory after all earlier stores.
 *
 * Not modelled: loads that are executed early or late, so that bugs that need one (load buffering, a missing read barrier) are
 * not found. The stores in a fully ordered step are visible at once, together: a critical section stays atomic.
 */

import { Decisions } from './learn/decision.ts'
import { Unfolder } from './learn/unfold.ts'
import { mapSteps, stepMap } from './map-steps.ts'
import {
  type Cell,
  cell,
  type Image,
  ModelError,
  type Property,
  type Shared,
  type StepRequest,
  type Steps,
  type System,
  sort,
  step,
  type Thread,
  thread,
  type View,
} from './model.ts'
import { familyKey } from './reduce/symmetry.ts'

export type StoreOrder = 'tso' | 'pso'

/** A store that may stand in a buffer. */
interface Store {
  readonly cell: Cell
  readonly value: number
  /** True if all earlier stores reach memory before this one. */
  readonly release: boolean
}

/**
 * Default for the stores that a buffer holds. Two suffice for a reordering. A thread whose buffer is full waits; a buffer is
 * always large enough for the stores of one step.
 */
const ENTRIES = 2

export function withStoreBuffers(of: System, order: StoreOrder, atLeast = ENTRIES): System {
  const stores = new StoreTable(of)
  const entries = Math.max(atLeast, stores.mostAtOnce)
  const storing = of.threads.filter(t => stores.of(t).length > 0)
  const members = membersOf(storing)
  const buffers = new Map(
    storing.map(t => [t, new StoreBuffer(t, order, stores, { entries, of: members.get(t)! })] as const),
  )
  const all = [...buffers.values()]
  const threads = new Map(of.threads.map(t => [t, buffers.get(t)?.owner() ?? t] as const))
  return {
    ...of,
    cells: [...of.cells, ...all.flatMap(b => b.slots)],
    threads: [...threads.values(), ...all.map(b => b.drain())],
    properties: of.properties.map(p => withBuffers(p, all, threads)),
    bounds: `${of.bounds}, store buffers of ${entries} (${order.toUpperCase()})`,
  }
}

/** Adapts a property: no thread is at rest while a buffer holds a store, and a progress property is about the changed threads. */
function withBuffers(p: Property, buffers: readonly StoreBuffer[], threads: ReadonlyMap<Thread, Thread>): Property {
  if (p.kind === 'always') return p
  if (p.kind === 'progress') return { ...p, threads: p.threads.map(t => threads.get(t) ?? t) }
  return { ...p, holds: view => buffers.some(b => !b.isEmpty(view)) || p.holds(view) }
}

/**
 * By thread, the members that it and its buffer are `of`, so that interchangeable threads stay interchangeable. The checker sees
 * that threads without an `of` are alike by their code, but no longer once each has a buffer of its own. So those that have the
 * same name up to an index get a sort here.
 */
function membersOf(storing: readonly Thread[]): ReadonlyMap<Thread, Thread['of']> {
  const members = new Map(storing.map(t => [t, t.of]))
  const roles = new Map<string, Thread[]>()
  for (const t of storing.filter(t => t.of.length === 0)) {
    const role = t.name.replace(/\[\d+\]/g, '')
    roles.set(role, [...(roles.get(role) ?? []), t])
  }
  for (const [role, alike] of roles) {
    if (alike.length < 2) continue
    const of = sort(role, alike.length)
    for (const [index, t] of alike.entries()) members.set(t, [{ sort: of, index }])
  }
  return members
}

/** Numbers every store that some thread may put into its buffer. They are learned from the code, over all values of cells. */
class StoreTable {
  readonly all: readonly Store[]
  /** The most stores of one step. */
  readonly mostAtOnce: number
  private readonly byThread: ReadonlyMap<Thread, readonly Store[]>
  private readonly numbers: ReadonlyMap<string, number>

  constructor(system: System) {
    const notes = system.threads.map(t => [t, storesOf(system, t)] as const)
    this.byThread = new Map(notes.map(([t, { stores }]) => [t, stores]))
    this.mostAtOnce = Math.max(...notes.map(([, { most }]) => most))
    const all = new Map([...this.byThread.values()].flat().map(s => [keyOf(s.cell, s.value, s.release), s]))
    this.all = [...all.values()]
    this.numbers = new Map([...all.keys()].map((key, i) => [key, i]))
  }

  of(thread: Thread): readonly Store[] {
    return this.byThread.get(thread)!
  }

  numberOf(cell: Cell, value: number, release: boolean): number {
    return this.numbers.get(keyOf(cell, value, release)) ?? -1
  }

  /** The number of the store to which a permutation sends a store; -1 if no thread makes that one. */
  image(number: number, image: Image): number {
    const { cell, value, release } = this.all[number]!
    return this.numbers.get(keyOf(cell, cell.refers?.(value, image) ?? value, release, image)) ?? -1
  }
}

function keyOf(cell: Cell, value: number, release: boolean, image?: Image): string {
  return `${familyKey(cell, image)} ${value} ${release}`
}

/** Learns the stores of a thread's buffered steps, and the most in one step. Errors in its code are left to the check. */
function storesOf(
  system: System,
  { name, body }: Thread,
): { readonly stores: readonly Store[]; readonly most: number } {
  const stores = new Map<string, Store>()
  let most = 0
  const noting = stepMap(request => {
    if (!isBuffered(request)) return request
    const release = request.order === 'release'
    const noted: StepRequest['body'] = s => {
      let stored = 0
      const note = (cell: Cell, value: number) => {
        stores.set(keyOf(cell, value, release), { cell, value, release })
        most = Math.max(most, ++stored)
      }
      return request.body(notingStores(s, note))
    }
    return { ...request, body: noted }
  })
  try {
    new Unfolder(new Decisions(system.cells), true).learn({ fn: () => mapSteps(body(), noting), args: [] }, name)
  } catch (e) {
    if (!(e instanceof ModelError)) throw e
  }
  return { stores: [...stores.values()], most }
}

function isBuffered({ order }: StepRequest): boolean {
  return order === 'plain' || order === 'release'
}

function notingStores(s: Shared, note: (cell: Cell, value: number) => void): Shared {
  const set = (cell: Cell, value: number) => {
    if (!cell.ghost && isIn(cell, value)) note(cell, value)
    s.set(cell, value)
  }
  return through(s, { get: cell => s.get(cell), set })
}

function isIn(cell: Cell, value: number): boolean {
  return Number.isInteger(value) && value >= cell.min && value <= cell.max
}

/**
 * Returns `s` with other functions to read and write cells.
 * @param isOther true for cells that `get` may read otherwise than `s` does; sums without such a cell are read from `s` at once
 */
function through(
  s: Shared,
  { get, set }: Pick<Shared, 'get' | 'set'>,
  isOther: (cell: Cell) => boolean = () => false,
): Shared {
  return {
    get,
    set,
    add: (cell, delta) => {
      const value = get(cell) + delta
      set(cell, value)
      return value
    },
    sum: (cells, weight = value => value) =>
      cells.some(isOther) ? cells.reduce((sum, cell, i) => sum + weight(get(cell), i), 0) : s.sum(cells, weight),
    choose: n => s.choose(n),
    wait: condition => s.wait(condition),
    warn: (condition, property, message) => s.warn(condition, property, message),
    fail: (property, message) => s.fail(property, message),
    ...(s.observe ? { observe: s.observe } : {}),
  }
}

/** The store buffer of one thread. The first slot holds the oldest store; the empty slots come last. */
class StoreBuffer {
  readonly slots: readonly Cell[]
  private readonly thread: Thread
  private readonly order: StoreOrder
  private readonly stores: StoreTable
  private readonly of: Thread['of']
  private readonly cells: ReadonlySet<Cell>

  constructor(thread: Thread, order: StoreOrder, stores: StoreTable, spec: { entries: number; of: Thread['of'] }) {
    this.thread = thread
    this.order = order
    this.stores = stores
    this.of = spec.of
    this.cells = new Set(stores.of(thread).map(s => s.cell))
    this.slots = Array.from({ length: spec.entries }, (_, i) =>
      cell(`store ${i} of ${thread.name}`, {
        max: stores.all.length,
        of: this.of,
        refers: (v, image) => (v === 0 ? 0 : 1 + stores.image(v - 1, image)),
        show: v => (v === 0 ? 'none' : showStore(stores.all[v - 1]!)),
      }),
    )
  }

  isEmpty(s: View): boolean {
    return s.sum([this.slots[0]!], v => (v === 0 ? 0 : 1)) === 0
  }

  /** The thread, changed so that its stores go through this buffer. */
  owner(): Thread {
    const { body } = this.thread
    const map = stepMap(request => ({ ...request, body: this.bodyOf(request) }))
    return { ...this.thread, of: this.of, body: () => mapSteps(body(), map) }
  }

  /** The buffer's own thread, each run of which writes one store to memory. */
  drain(): Thread {
    const { slots, stores } = this
    const reach = (s: Shared) => {
      const held = slots.map(slot => s.get(slot))
      const ready = held.flatMap((v, i) => (v > 0 && this.mayGo(held, i) ? [i] : []))
      s.wait(ready.length > 0)
      const at = ready[ready.length > 1 ? s.choose(ready.length) : 0]!
      const { cell, value } = stores.all[held[at]! - 1]!
      s.set(cell, value)
      for (let i = at; i < slots.length; i++) s.set(slots[i]!, held[i + 1] ?? 0)
    }
    function* store_buffer(): Steps<void> {
      yield* step('a store reaches memory', reach)
    }
    return thread(`store buffer of ${this.thread.name}`, store_buffer, { daemon: true, of: this.of })
  }

  private mayGo(held: readonly number[], at: number): boolean {
    if (at === 0) return true
    const { all } = this.stores
    const { cell, release } = all[held[at]! - 1]!
    return this.order === 'pso' && !release && held.slice(0, at).every(v => v === 0 || all[v - 1]!.cell !== cell)
  }

  private bodyOf(request: StepRequest): StepRequest['body'] {
    const { body, order } = request
    if (isBuffered(request)) return s => body(this.buffered(s, order === 'release'))
    if (order === 'relaxed' && this.order === 'pso') return s => body(this.unordered(s))
    return s => {
      s.wait(this.isEmpty(s))
      return body(s)
    }
  }

  private buffered(s: Shared, release: boolean): Shared {
    const set = (cell: Cell, value: number) => {
      if (cell.ghost || !isIn(cell, value)) return s.set(cell, value)
      const free = this.slots.find(slot => s.sum([slot], v => (v === 0 ? 0 : 1)) === 0)
      s.wait(free !== undefined)
      s.set(free!, 1 + this.stores.numberOf(cell, value, release))
    }
    return through(s, { get: cell => this.pending(s, cell) ?? s.get(cell), set }, cell => this.cells.has(cell))
  }

  /** A relaxed operation waits only for the thread's own stores to the cells that it accesses. */
  private unordered(s: Shared): Shared {
    const settled = (cell: Cell) => s.wait(this.pending(s, cell) === undefined)
    const get = (cell: Cell) => {
      settled(cell)
      return s.get(cell)
    }
    const set = (cell: Cell, value: number) => {
      settled(cell)
      s.set(cell, value)
    }
    return through(s, { get, set }, cell => this.cells.has(cell))
  }

  /** The value that the thread last stored to the cell; undefined if no store to it is in the buffer. */
  private pending(s: View, of: Cell): number | undefined {
    if (!this.cells.has(of)) return undefined
    const { all } = this.stores
    const weight = (v: number) => (v > 0 && all[v - 1]!.cell === of ? 1 + all[v - 1]!.value - of.min : 0)
    for (const slot of [...this.slots].reverse()) {
      const found = s.sum([slot], weight)
      if (found > 0) return of.min + found - 1
    }
    return undefined
  }
}

function showStore({ cell, value, release }: Store): string {
  return `${cell.name} = ${cell.show(value)}${release ? ' (release)' : ''}`
}
