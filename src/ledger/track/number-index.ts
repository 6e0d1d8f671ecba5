// SPDX-License-Identifier: GPL-2.0-or-later
import { type Arena, plainArena } from './arena.ts'

/** Number of slots at first; a power of two. */
const SLOTS = 128

/**
 * A hash table from whole numbers, none negative, to places in columns. It is in two columns itself, so that the hot loop can look
 * numbers up, too. A number is in the first free slot from its hash on.
 */
export class NumberIndex {
  /** By slot: the number, and its place; -1 for an empty slot. */
  key: Float64Array
  place: Int32Array
  /** How many numbers have a place. */
  size = 0
  readonly #arena: Arena

  constructor(arena: Arena = plainArena()) {
    this.#arena = arena
    this.key = arena.column(Float64Array, SLOTS)
    this.place = arena.column(Int32Array, SLOTS).fill(-1)
  }

  /** Returns the place of a number, -1 if it has none. */
  get(key: number): number {
    return this.place[this.#slot(key)]!
  }

  /** Gives a place to a number that has none. */
  add(key: number, place: number): void {
    if (++this.size * 2 > this.place.length) this.#grow()
    this.#put(key, place)
  }

  #put(key: number, place: number): void {
    const slot = this.#slot(key)
    this.key[slot] = key
    this.place[slot] = place
  }

  #slot(key: number): number {
    const mask = this.place.length - 1
    let slot = hashOf(key) & mask
    while (this.place[slot]! >= 0 && this.key[slot] !== key) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const { key, place } = this
    this.key = this.#arena.column(Float64Array, key.length * 2)
    this.place = this.#arena.column(Int32Array, place.length * 2).fill(-1)
    for (let slot = 0; slot < key.length; slot++) if (place[slot]! >= 0) this.#put(key[slot]!, place[slot]!)
  }
}

/** Returns the hash of a number; the hot loop computes the same. */
function hashOf(key: number): number {
  const mixed = Math.imul((key >>> 0) ^ Math.imul((key / 0x1_0000_0000) >>> 0, 0x85ebca6b), 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}
