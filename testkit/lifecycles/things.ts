// SPDX-License-Identifier: GPL-2.0-or-later
/** The objects of a running driver, and when and in whose context each of their transitions is taken. */
import type { Random } from '../random.ts'
import type { Cause } from './faults.ts'
import type { Code, Kernel, Thread } from './kernel.ts'
import { type Driver, type Edge, END, type Kind } from './machine.ts'
import type { Token } from './operation.ts'

export interface Thing {
  kind: Kind
  pages: number[]
  slots: Token[][]
  home: Thread
  /** The object that it holds; below, the number of objects that hold it. */
  holds: Thing | undefined
  holders: number
  /** The transition that waits until no object holds this one. */
  deferred: Edge | undefined
  /** The transition that is planned: whoever starts it takes it away. */
  pending: { edge: Edge } | undefined
  cached: number | undefined
  /** By a fault, it does not hold its pages, or not all: the function whose fault that is. */
  unheld: { cause: Cause; function: string } | undefined
}

export type RunEdge = (thing: Thing, edge: Edge) => Code

export class Schedule {
  readonly live = new Set<Thing>()
  /** True during the teardown, when no object waits longer than necessary. */
  draining = false
  readonly #caches: Thing[][]
  readonly #driver: Driver
  readonly #kernel: Kernel
  readonly #random: Random
  readonly #pages: number
  readonly #run: RunEdge
  /** Number of pages of objects that stay until the end. */
  #kept = 0

  constructor(driver: Driver, kernel: Kernel, pages: number, random: Random, run: RunEdge) {
    this.#driver = driver
    this.#kernel = kernel
    this.#pages = pages
    this.#random = random
    this.#run = run
    this.#caches = driver.caches.map(() => [])
  }

  make(kind: Kind, pages: number[], home: Thread): Thing {
    const thing: Thing = {
      kind,
      pages,
      slots: Array.from({ length: kind.slots }, () => []),
      home,
      holds: undefined,
      holders: 0,
      deferred: undefined,
      pending: undefined,
      cached: undefined,
      unheld: undefined,
    }
    this.live.add(thing)
    return thing
  }

  /** Marks a cached object as used, so that others are evicted before it. */
  touch(): void {
    const cache = this.#caches.length > 0 ? this.#random.pick(this.#caches) : []
    if (cache.length > 0) cache.push(...cache.splice(this.#random.int(0, cache.length - 1), 1))
  }

  /** Enters a state, and schedules the transition that leaves it. */
  enter(thing: Thing, state: number, not?: Edge): void {
    if (state === END) return
    const edges = thing.kind.edges.filter(edge => edge.from === state && edge !== not)
    if (this.draining) {
      this.#plan(thing, edges.find(({ when }) => when.by === 'end') ?? edges[0]!, this.#random.int(500, 50_000))
      return
    }
    const edge = this.#choose(edges, thing)
    if (edge.when.by === 'time') this.#plan(thing, edge, this.#between(edge.when.low, edge.when.high))
    else thing.pending = { edge }
    if (edge.when.by === 'end') this.#kept += thing.pages.length
    if (edge.when.by === 'cache') this.#file(thing, edge.when.cache)
  }

  #between(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.#random())
  }

  #choose(edges: readonly Edge[], thing: Thing): Edge {
    // Objects that stay for good would use up all pages in the end, or all time of those that others wait for.
    const room = this.#kept < this.#pages / 5 || thing.kind.origin !== 'fresh'
    const open = edges.filter(({ when }) => room || when.by !== 'end')
    const from = open.length > 0 ? open : edges
    let rest = this.#random() * from.reduce((sum, { weight }) => sum + weight, 0)
    return from.find(({ weight }) => (rest -= weight) <= 0) ?? from.at(-1)!
  }

  #file(thing: Thing, at: number): void {
    const cache = this.#caches[at]!
    const { capacity, policy } = this.#driver.caches[at]!
    thing.cached = at
    cache.push(thing)
    while (cache.length > capacity) {
      const victim = policy === 'lru' ? cache[0]! : cache[this.#random.int(0, cache.length - 1)]!
      if (victim.pending) this.#plan(victim, victim.pending.edge, 0)
      this.#uncache(victim)
    }
  }

  /** Ends the wait of some objects because free pages are short. */
  shrink(): void {
    const waiting = [...this.live].filter(({ pending }) => pending && pending.edge.when.by !== 'time')
    for (let n = this.#random.int(1, 4); n > 0 && waiting.length > 0; n--) {
      const [thing] = waiting.splice(this.#random.int(0, waiting.length - 1), 1)
      this.#uncache(thing!)
      if (thing!.pending!.edge.when.by === 'end') this.#kept -= thing!.pages.length
      this.#plan(thing!, thing!.pending!.edge, this.#random.int(500, 20_000))
    }
  }

  #uncache(thing: Thing): void {
    if (thing.cached === undefined) return
    const cache = this.#caches[thing.cached]!
    cache.splice(cache.indexOf(thing), 1)
    thing.cached = undefined
  }

  #plan(thing: Thing, edge: Edge, delay: number): void {
    const pending = { edge }
    thing.pending = pending
    const { now } = this.#kernel
    this.#kernel.at(now + delay, () => {
      if (thing.pending === pending) this.#queue(thing, edge, this.#started(thing, pending))
    })
  }

  /** The transition as code, which does nothing if the object was taken down before it came to run. */
  *#started(thing: Thing, pending: { edge: Edge }): Code {
    if (thing.pending !== pending) return
    thing.pending = undefined
    yield { busy: this.#random.int(50, 1500) }
    yield* this.#run(thing, pending.edge)
  }

  #queue(thing: Thing, { where }: Edge, code: Code): void {
    const kernel = this.#kernel
    const cpu = this.#random.int(0, kernel.cpus - 1)
    switch (where) {
      case 'other':
        thing.home = this.#random.pick(kernel.tasks)
        kernel.submit(thing.home, code)
        return
      case 'same':
        kernel.submit(thing.home, code)
        return
      case 'work':
        kernel.submit(kernel.workers[cpu]!, code)
        return
      case 'rcu':
        kernel.afterGracePeriod(code)
        return
      default:
        kernel.raise(cpu, where, code)
        return
    }
  }

  /** Tears down all waiting objects in random order, like an unload of the driver. */
  drain(): void {
    this.draining = true
    const things = [...this.live].filter(thing => thing.pending)
    let delay = 0
    while (things.length > 0) {
      const [thing] = things.splice(this.#random.int(0, things.length - 1), 1)
      const { edge } = thing!.pending!
      this.#uncache(thing!)
      const last = thing!.kind.edges.find(other => other.from === edge.from && other.when.by === 'end')
      delay += this.#random.int(100, 4000)
      this.#plan(thing!, last ?? edge, delay)
    }
  }
}
