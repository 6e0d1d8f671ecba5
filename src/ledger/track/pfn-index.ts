// SPDX-License-Identifier: GPL-2.0-or-later
import { type Arena, plainArena } from './arena.ts'
import { CHUNK } from './hot-layout.ts'

/** Number of slots at first; a power of two. */
const SLOTS = 64

/**
 * Rows of pages by pfn. Pfns are divided into chunks; a hash table says where the rows of a chunk begin. All of it is in columns,
 * so that the hot loop can look pages up, too. A chunk is in the first free slot from its hash on.
 */
export class PfnIndex {
  /** By slot: the chunk, and where its rows begin; -1 for an empty slot. */
  chunk: Float64Array
  base: Int32Array
  /** By place in the chunk, the row; -1 for none. */
  rows: Int32Array
  readonly #arena: Arena
  #chunks = 0
  #lastChunk = -1
  #lastBase = 0

  constructor(arena: Arena = plainArena()) {
    this.#arena = arena
    this.chunk = arena.column(Float64Array, SLOTS)
    this.base = arena.column(Int32Array, SLOTS).fill(-1)
    this.rows = arena.column(Int32Array, CHUNK * 16).fill(-1)
  }

  /** Returns the row of a pfn, -1 if it has none. */
  find(pfn: number): number {
    const chunk = Math.floor(pfn / CHUNK)
    if (chunk !== this.#lastChunk) {
      const base = this.base[this.#slot(chunk)]!
      if (base < 0) return -1
      this.#lastChunk = chunk
      this.#lastBase = base
    }
    return this.rows[this.#lastBase + (pfn - chunk * CHUNK)]!
  }

  /** Gives a pfn its row. */
  set(pfn: number, row: number): void {
    const chunk = Math.floor(pfn / CHUNK)
    let base = this.base[this.#slot(chunk)]!
    if (base < 0) base = this.#add(chunk)
    this.rows[base + (pfn - chunk * CHUNK)] = row
  }

  /** Makes room for the rows of a chunk, and returns where they begin. */
  #add(chunk: number): number {
    const base = this.#chunks++ * CHUNK
    if (base === this.rows.length) this.rows = this.#arena.grown(this.rows, base * 2, -1)
    if (this.#chunks * 2 > this.base.length) this.#grow()
    this.#put(chunk, base)
    return base
  }

  #put(chunk: number, base: number): void {
    const slot = this.#slot(chunk)
    this.chunk[slot] = chunk
    this.base[slot] = base
  }

  #slot(chunk: number): number {
    const mask = this.base.length - 1
    let slot = hashOf(chunk) & mask
    while (this.base[slot]! >= 0 && this.chunk[slot] !== chunk) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const { chunk, base } = this
    this.chunk = this.#arena.column(Float64Array, chunk.length * 2)
    this.base = this.#arena.column(Int32Array, chunk.length * 2).fill(-1)
    for (let slot = 0; slot < chunk.length; slot++) if (base[slot]! >= 0) this.#put(chunk[slot]!, base[slot]!)
  }
}

/** Returns the hash of a chunk; the hot loop computes the same. */
function hashOf(chunk: number): number {
  const mixed = Math.imul((chunk >>> 0) ^ Math.imul((chunk / 0x1_0000_0000) >>> 0, 0x85ebca6b), 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}
