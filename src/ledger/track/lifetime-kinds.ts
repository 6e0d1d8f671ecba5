// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Lifetimes by kind. The kind is the multiset of references that each call site took and gave back, regardless of order. Most
 * lifetimes of a driver are of few kinds, so each kind is stored once, with the number of its lifetimes.
 *
 * A kind is looked up by a hash that is linear in the units: each event updates it with two multiplications, and a lifetime of a
 * known kind is counted without another look at its events.
 */
import { grown, lengthFor } from '../../util/growable.ts'
import { type Arena, plainArena } from './arena.ts'
import type { LifetimeCounts, UnitKey } from './unit-key.ts'

/**
 * Most kinds kept, and most entries of them. Lifetimes of further kinds are still judged by the laws, but no law is learned from
 * them.
 */
const MAX_KINDS = 1 << 16
const MAX_ENTRIES = 1 << 22

/** Slots of the table of kinds at first: twice as many as kinds. A power of two. */
const FIRST_SLOTS = 1 << 10

/** In place of a kind: the lifetime is not counted by kind, because there was no room. */
export const NO_KIND = -1

export class LifetimeKinds implements LifetimeCounts {
  /** Entries of kind k: `keys` and `units` in `[offset[k], offset[k + 1])`, ascending by key. */
  keys = new Int32Array(1 << 12)
  units = new Int32Array(1 << 12)
  readonly offset: number[] = [0]
  /** Number of kinds, and of lifetimes of each. */
  size = 0
  lifetimes: Int32Array
  /** Number of lifetimes that are not counted by kind, because there was no room. */
  uncounted = 0
  /** The hash of each kind, in two halves, and the kinds by slot: each is in the first free one from its hash on. */
  low: Int32Array
  high: Int32Array
  slots: Int32Array
  readonly #arena: Arena

  constructor(arena: Arena = plainArena()) {
    this.#arena = arena
    this.slots = arena.column(Int32Array, FIRST_SLOTS).fill(-1)
    this.lifetimes = arena.column(Int32Array, FIRST_SLOTS / 2)
    this.low = arena.column(Int32Array, FIRST_SLOTS / 2)
    this.high = arena.column(Int32Array, FIRST_SLOTS / 2)
  }

  /** Counts a lifetime of that hash if its kind is known; returns the kind, `NO_KIND` otherwise. */
  count(low: number, high: number): number {
    const kind = this.slots[this.#slot(low, high)]!
    if (kind >= 0) this.lifetimes[kind]!++
    return kind
  }

  /** Counts the first lifetime of its kind. */
  add(low: number, high: number, units: ReadonlyMap<UnitKey, number>): number {
    const start = this.offset[this.size]!
    if (this.size >= MAX_KINDS || start + units.size > MAX_ENTRIES) {
      this.uncounted++
      return NO_KIND
    }
    let end = start
    if (start + units.size > this.keys.length) this.#growEntries(units.size)
    for (const [key, n] of [...units].sort((a, b) => a[0] - b[0])) {
      if (n === 0) continue
      this.keys[end] = key
      this.units[end++] = n
    }
    this.offset.push(end)
    if (this.size === this.lifetimes.length) this.#grow()
    const kind = this.size++
    this.low[kind] = low
    this.high[kind] = high
    this.lifetimes[kind] = 1
    this.slots[this.#slot(low, high)] = kind
    return kind
  }

  unitsOf(kind: number): Map<UnitKey, number> {
    const units = new Map<UnitKey, number>()
    for (let i = this.offset[kind]!; i < this.offset[kind + 1]!; i++) units.set(this.keys[i]!, this.units[i]!)
    return units
  }

  forEach(each: (units: ReadonlyMap<UnitKey, number>, lifetimes: number) => void): void {
    for (let kind = 0; kind < this.size; kind++) each(this.unitsOf(kind), this.lifetimes[kind]!)
  }

  #slot(low: number, high: number): number {
    const mask = this.slots.length - 1
    let slot = (low ^ Math.imul(high, 0x9e3779b1)) & mask
    for (let kind = this.slots[slot]!; kind >= 0; kind = this.slots[slot]!) {
      if (this.low[kind] === low && this.high[kind] === high) break
      slot = (slot + 1) & mask
    }
    return slot
  }

  #grow(): void {
    const size = this.size * 4
    this.lifetimes = this.#arena.grown(this.lifetimes, size)
    this.low = this.#arena.grown(this.low, size)
    this.high = this.#arena.grown(this.high, size)
    this.slots = this.#arena.column(Int32Array, size * 2).fill(-1)
    for (let kind = 0; kind < this.size; kind++) this.slots[this.#slot(this.low[kind]!, this.high[kind]!)] = kind
  }

  #growEntries(more: number): void {
    const size = Math.max(this.keys.length * 2, this.keys.length + more)
    this.keys = grown(this.keys, size)
    this.units = grown(this.units, size)
  }
}

/** The weights of keys in the hash of a lifetime, in two halves. */
export class KeyWeights {
  low: Int32Array
  high: Int32Array
  readonly #arena: Arena

  constructor(arena: Arena = plainArena()) {
    this.#arena = arena
    this.low = arena.column(Int32Array, 0)
    this.high = arena.column(Int32Array, 0)
  }

  /** Makes room for a key. */
  grow(key: UnitKey): void {
    const length = Math.max(lengthFor(key, this.low.length), 256)
    this.low = this.#arena.column(Int32Array, length)
    this.high = this.#arena.column(Int32Array, length)
    for (let each = 0; each < length; each++) {
      this.low[each] = weight(each, 0x2545f491)
      this.high[each] = weight(each, 0x1b873593)
    }
  }
}

/** Returns a pseudo-random weight for a key, by the finalizer of MurmurHash3. */
function weight(key: UnitKey, salt: number): number {
  let x = Math.imul(key + 1, 0x9e3779b1) ^ salt
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}
