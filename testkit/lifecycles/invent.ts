// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Generates random drivers: kinds of objects whose state machines are correct by construction. Each path through a machine keeps
 * track of the filled slots, and ends by putting exactly their references.
 */
import type { Random } from '../random.ts'
import {
  type Act,
  type Driver,
  type Edge,
  END,
  type Give,
  type Kind,
  type Spawn,
  type Take,
  type Where,
} from './machine.ts'
import type { Names, Site } from './names.ts'

const WHERES: readonly Where[] = ['same', 'same', 'same', 'other', 'other', 'work', 'work', 'softirq', 'timer', 'rcu']

/** How a driver's operations are distributed over functions: the probabilities that an operation is in a shared function. */
interface Style {
  byKind: number
  byDriver: number
  /** Factor on all durations. */
  pace: number
  depth: number
  /** True if some objects of a kind stay until the teardown while others of the kind do not. */
  keeps: boolean
}

class Inventor {
  readonly kinds: Kind[] = []
  readonly caches: Driver['caches'] = []
  readonly #r: Random
  readonly #names: Names
  readonly #protocol: Driver['protocol']
  readonly #style: Style
  readonly #outer: string[]
  readonly #wrappers: { take: string; give: string }
  /** Call sites that edges of the present kind share. */
  #shared = new Map<string, string>()
  #edges = 0

  constructor(r: Random, names: Names, protocol: Driver['protocol']) {
    this.#r = r
    this.#names = names
    this.#protocol = protocol
    this.#style = {
      byKind: r.pick([0, 0.2, 0.5]),
      byDriver: r.pick([0, 0, 0.1, 0.4]),
      pace: 10 ** (r() * 1.2 - 0.6),
      depth: r.int(1, 3),
      keeps: r.chance(0.3),
    }
    this.#outer = Array.from({ length: r.int(1, 4) }, () => names.function())
    this.#wrappers = { take: names.function(), give: names.function() }
  }

  write(): Driver {
    const r = this.#r
    for (let n = r.int(1, 3); n > 0; n--) this.#kind('parent', [])
    for (let n = r.int(0, 2); n > 0; n--) this.#kind('carried', [])
    const leaves = this.kinds.map(kind => kind.id)
    if (this.#style.depth > 1)
      for (let n = r.int(0, 2); n > 0; n--) this.#kind(r.pick(['parent', 'holder'] as const), leaves)
    const inner = this.kinds.map(kind => kind.id)
    // Idle pages of file systems have a count of 1, so that a lookup cannot tell by the count whether a page is in use.
    if (this.#protocol === 'private') for (let n = r.int(0, 2); n > 0; n--) this.#kind('lookup', leaves)
    for (let n = r.int(1, 4); n > 0; n--) this.#kind('fresh', inner)
    const setUp = this.#names.site(this.#names.function(), [])
    return { protocol: this.#protocol, kinds: this.kinds, caches: this.caches, keeps: this.#style.keeps, setUp }
  }

  #kind(origin: Kind['origin'], spawnable: readonly number[]): void {
    const r = this.#r
    this.#shared = new Map()
    const wide = r.chance(0.3)
    const kind: Kind = {
      id: this.kinds.length,
      origin,
      pages: origin === 'lookup' && wide ? [2, r.int(3, 24)] : wide ? [1, r.int(2, 8)] : [1, 1],
      slots: 1,
      edges: [],
      weight: 10 ** (-1.5 * r()),
      mapped: origin !== 'lookup' && origin !== 'carried' && r.chance(0.15),
    }
    const filled = new Set<number>()
    const middle = r.int(1, origin === 'fresh' ? 4 : 3)
    // The first edge leaves state 0 at once, in the context of the object's creator.
    for (let state = 0; state < middle; state++) this.#step(kind, state, filled, spawnable)
    this.#ending(kind, middle, filled)
    this.kinds.push(kind)
  }

  #step(kind: Kind, state: number, filled: Set<number>, spawnable: readonly number[]): void {
    const r = this.#r
    const edge = this.#edge(state, state + 1, 1)
    const functions = this.#functions()
    if (state > 0 && r.chance(0.35)) this.#exit(kind, state, filled, r() * 0.3 + 0.03)
    if (state === 0 && kind.origin !== 'carried' && kind.origin !== 'holder')
      edge.acts.push(this.#take(kind, 0, functions))
    if (state === 0 && kind.origin !== 'holder') filled.add(0)
    const takes = kind.origin === 'holder' && state === 0 ? 0.8 : 0.3
    if (r.chance(takes) && (kind.origin !== 'carried' || state > 0)) {
      const slot = kind.slots++
      edge.acts.push(this.#take(kind, slot, functions))
      filled.add(slot)
    }
    if (r.chance(0.3)) edge.acts.push(this.#pause())
    if (spawnable.length > 0 && r.chance(kind.origin === 'fresh' ? 0.7 : 0.35))
      edge.acts.push(this.#spawn(kind, spawnable, filled))
    const early = [...filled].filter(slot => slot > 0)
    if (early.length > 0 && r.chance(0.3)) {
      const slot = r.pick(early)
      edge.acts.push(this.#give(kind, slot, 'all', functions))
      filled.delete(slot)
    }
    kind.edges.push(edge)
  }

  /** Adds an early exit that puts the references of the filled slots only. */
  #exit(kind: Kind, state: number, filled: ReadonlySet<number>, weight: number): void {
    const edge = this.#edge(state, END, weight)
    edge.acts.push(...this.#giveAll(kind, filled))
    kind.edges.push(edge)
  }

  #ending(kind: Kind, state: number, filled: ReadonlySet<number>): void {
    const r = this.#r
    const cached = r.chance(kind.origin === 'fresh' ? 0.3 : 0.12)
    const splits = filled.size > 1 && r.chance(0.4)
    for (let n = r.pick([1, 1, 2, 2, 3]); n > 0; n--) {
      const edge = this.#edge(state, END, n === 1 ? 1 : 10 ** -r())
      if (cached && n === 1) edge.when = { by: 'cache', cache: this.#cache() }
      else if (n > 1 && this.#style.keeps && r.chance(0.4)) edge.when = { by: 'end' }
      if (splits && n === 1) this.#split(kind, edge, filled)
      else edge.acts.push(...this.#giveAll(kind, filled))
      kind.edges.push(edge)
    }
  }

  /** Splits the puts of an edge: some happen now, the rest in a further step by another queue of the kernel. */
  #split(kind: Kind, edge: Edge, filled: ReadonlySet<number>): void {
    const slots = [...filled].reverse()
    const now = this.#r.int(1, slots.length - 1)
    edge.to = edge.from + 1
    edge.acts.push(...this.#giveAll(kind, new Set(slots.slice(0, now))))
    const rest = this.#edge(edge.to, END, 1)
    rest.where = this.#r.pick(['work', 'rcu', 'softirq', 'timer'] as const)
    rest.acts.push(...this.#giveAll(kind, new Set(slots.slice(now))))
    kind.edges.push(rest)
  }

  #giveAll(kind: Kind, filled: ReadonlySet<number>): Act[] {
    const functions = this.#functions()
    const acts: Act[] = []
    for (const slot of filled) {
      if (this.#r.chance(0.15)) acts.push(this.#give(kind, slot, 'one', functions))
      if (this.#r.chance(0.15)) acts.push(this.#pause())
      acts.push(this.#give(kind, slot, 'all', functions))
    }
    return acts
  }

  #edge(from: number, to: number, weight: number): Edge {
    const r = this.#r
    const low = 10 ** (3 + 3.3 * r()) * this.#style.pace
    const when: Edge['when'] = { by: 'time', low, high: low * 10 ** r() }
    return { id: this.#edges++, from, to, weight, when, where: r.pick(WHERES), acts: [] }
  }

  #cache(): number {
    const r = this.#r
    if (this.caches.length === 0 || r.chance(0.5))
      this.caches.push({ capacity: Math.floor(4 * 10 ** r()), policy: r.pick(['lru', 'random'] as const) })
    return r.int(0, this.caches.length - 1)
  }

  /** Draws the functions of one edge, from the innermost outwards. */
  #functions(): string[] {
    const own = Array.from({ length: this.#r.int(1, 2) }, () => this.#names.function())
    return [...own, this.#r.pick(this.#outer)]
  }

  #site(what: 'take' | 'give', slot: number, functions: readonly string[]): Site {
    const { byKind, byDriver } = this.#style
    const share = this.#r()
    if (share < byDriver) return this.#names.site(this.#wrappers[what], functions)
    if (share > byDriver + byKind) return this.#names.site(functions[0]!, functions.slice(1))
    const key = `${what} ${slot}`
    const name = this.#shared.get(key) ?? this.#names.function()
    this.#shared.set(key, name)
    return this.#names.site(name, functions)
  }

  #take(kind: Kind, slot: number, functions: readonly string[]): Take {
    const r = this.#r
    const common = { act: 'take', slot, units: 1, site: this.#site('take', slot, functions) } as const
    if (slot === 0 && kind.origin === 'fresh') return { ...common, how: 'out' }
    if (slot === 0 && kind.origin === 'lookup') return { ...common, how: 'try' }
    const how = r.pick(['each', 'each', 'each', 'bulk', 'pin'] as const)
    const units = how === 'pin' ? 1024 : how === 'bulk' ? r.int(2, 6) : r.pick([1, 1, 1, 1, 2, 3])
    return { ...common, how, units }
  }

  #give(_kind: Kind, slot: number, part: Give['part'], functions: readonly string[]): Give {
    const r = this.#r
    const how = r.pick(['each', 'each', 'bulk', 'pieces'] as const)
    return { act: 'give', slot, how, part, site: this.#site('give', slot, functions), backwards: r.chance(0.3) }
  }

  #pause(): Act {
    const low = 10 ** (2.5 + 2 * this.#r())
    return { act: 'pause', low, high: low * 5, sleep: this.#r.chance(0.4) }
  }

  #spawn(kind: Kind, spawnable: readonly number[], filled: Set<number>): Spawn {
    const r = this.#r
    const child = this.kinds[r.pick(spawnable)]!
    const times = r.pick([1, 1, 1, 2, 3])
    if (child.origin !== 'carried') {
      const hold = child.origin === 'holder' || r.chance(0.25)
      return { act: 'spawn', kind: child.id, times, chance: r.pick([1, 1, 0.5, 0.1]), carry: undefined, hold }
    }
    // Children get the references of a slot that the parent does not need otherwise.
    const slot = [...filled].find(each => each > 0)
    if (slot === undefined || kind.origin === 'lookup') {
      const other = spawnable.map(id => this.kinds[id]!).find(({ origin }) => origin === 'parent')
      return { act: 'spawn', kind: other!.id, times, chance: 0.5, carry: undefined, hold: false }
    }
    filled.delete(slot)
    return { act: 'spawn', kind: child.id, times, chance: 1, carry: slot, hold: r.chance(0.3) }
  }
}

export function invent(r: Random, names: Names, protocol: Driver['protocol']): Driver {
  return new Inventor(r, names, protocol).write()
}
