// SPDX-License-Identifier: GPL-2.0-or-later
import { type Arena, plainArena } from './arena.ts'
import { CHUNK } from './hot-layout.ts'
import { NumberIndex } from './number-index.ts'

/** Rows of pages by pfn. Pfns are divided into chunks, each with its rows in one piece. */
export class PfnIndex {
  /** By chunk, where its rows begin. */
  readonly chunks: NumberIndex
  /** By place in the chunk, the row; -1 for none. */
  rows: Int32Array
  readonly #arena: Arena
  #lastChunk = -1
  #lastBase = 0

  constructor(arena: Arena = plainArena()) {
    this.#arena = arena
    this.chunks = new NumberIndex(arena)
    this.rows = arena.column(Int32Array, CHUNK * 16).fill(-1)
  }

  /** Returns the row of a pfn, -1 if it has none. */
  find(pfn: number): number {
    const chunk = Math.floor(pfn / CHUNK)
    if (chunk !== this.#lastChunk) {
      const base = this.chunks.get(chunk)
      if (base < 0) return -1
      this.#lastChunk = chunk
      this.#lastBase = base
    }
    return this.rows[this.#lastBase + (pfn - chunk * CHUNK)]!
  }

  /** Gives a pfn its row. */
  set(pfn: number, row: number): void {
    const chunk = Math.floor(pfn / CHUNK)
    let base = this.chunks.get(chunk)
    if (base < 0) {
      base = this.chunks.size * CHUNK
      if (base === this.rows.length) this.rows = this.#arena.grown(this.rows, base * 2, -1)
      this.chunks.add(chunk, base)
    }
    this.rows[base + (pfn - chunk * CHUNK)] = row
  }
}
