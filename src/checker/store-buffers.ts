// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The same system on processors with store buffers: what a thread stores by a plain step (see {@link Order}) is seen by others
 * only later, by a step of the thread's buffer, and until then by nobody but itself. In between the thread goes on.
 *
 * `tso` is what x86 does (Sewell and others 2010, x86-TSO): stores reach memory in their order, and each atomic operation waits
 * until they have. `pso` lets stores to different cells overtake each other (SPARC's partial store order), as ARM and POWER do
 * too; there only what is fully ordered, or a release, makes them wait.
 *
 * Left out: loads that are late or early, so that what needs such a load (load buffering, a read barrier left out) does not show;
 * and stores in a step that is fully ordered are seen at once, with it: a critical section stays whole.
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
  /** Whether it waits for those before it. */
  readonly release: boolean
}

/**
 * Stores that a buffer holds unless said: two are what it takes to be reordered. More wait until there is room; the stores of one step
 * always have it.
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

/** Nobody is at rest while a store of his is under way. */
function withBuffers(p: Property, buffers: readonly StoreBuffer[], threads: ReadonlyMap<Thread, Thread>): Property {
  if (p.kind === 'always') return p
  if (p.kind === 'progress') return { ...p, threads: p.threads.map(t => threads.get(t) ?? t) }
  return { ...p, holds: view => buffers.some(b => !b.isEmpty(view)) || p.holds(view) }
}

/**
 * What threads and their buffers are *of*, so that interchangeable threads stay so. Of threads that say nothing the engine finds out by
 * their code that they are alike; with buffers of their own they are not, so that here those of one name get a number among each other.
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

/** Every store that some thread may leave in its buffer, numbered: which, its code says, for whatever values cells have. */
class StoreTable {
  readonly all: readonly Store[]
  /** Stores of one step. */
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

  /** Where a permutation sends a store; -1 if nothing makes that one. */
  image(number: number, image: Image): number {
    const { cell, value, release } = this.all[number]!
    return this.numbers.get(keyOf(cell, cell.refers?.(value, image) ?? value, release, image)) ?? -1
  }
}

function keyOf(cell: Cell, value: number, release: boolean, image?: Image): string {
  return `${familyKey(cell, image)} ${value} ${release}`
}

/** Learns a thread to see what its plain steps store, and how much at once. What is wrong with its code is for the check to say. */
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

/** `s`, but that cells are read and written in another way. */
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

/** A buffer's first slot holds the oldest store; empty slots are the last ones. */
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

  /** The thread, with its steps through this buffer. */
  owner(): Thread {
    const { body } = this.thread
    const map = stepMap(request => ({ ...request, body: this.bodyOf(request) }))
    return { ...this.thread, of: this.of, body: () => mapSteps(body(), map) }
  }

  /** The thread of the buffer: one store reaches memory. */
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

  /** Its own stores to a cell come before an atomic operation on it, in every order. */
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

  /** What the thread last stored to the cell, if that has not reached memory. */
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
