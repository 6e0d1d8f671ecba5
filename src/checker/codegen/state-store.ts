// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The visited states of one search, in partitions: each has an array of states in the order in which they were found, and an
 * open-addressing table of positions in it (linear probing, Knuth vol. 3). The last part of each array is the frontier, so
 * that no separate queue is needed.
 *
 * This class is compiled anew for each system, from its own source text (see `program-text.ts`): it may refer to nothing but
 * its arguments and globals of JavaScript.
 */
import type { ProgramShape, SystemCode } from './system-code.ts'

export class StateStore {
  /** By partition, its states; empty while it has none. */
  private readonly states: Int32Array[] = []
  /**
   * By partition, entries of 1 + the position of a state (24 bits) and 8 bits of its hash, which avoid most comparisons of
   * states; 0 for none.
   */
  private readonly tables: Int32Array[] = []
  /** By partition, the number of states stored; and the positions of the frontier's start and end. */
  private readonly counts: Int32Array
  private readonly frontierFrom: Int32Array
  private readonly frontierTo: Int32Array
  /** By partition and level, the number of states stored before the level. */
  private readonly levels: number[][] = []
  /** By partition, the number of states stored in the partitions before it; set by {@link number}. */
  private readonly base: Int32Array
  /** True once a partition had no position left for a state. */
  overflow = false
  private readonly partitions: number
  private readonly partitionBits: number
  private readonly words: number
  private readonly code: SystemCode

  /** Stores the states of a list that are new to the partition, and checks their invariants; `from` and `to` count words. */
  readonly insert: (p: number, list: Int32Array, from: number, to: number) => void

  constructor({ words, partitionBits }: ProgramShape, code: SystemCode) {
    this.words = words
    this.partitionBits = partitionBits
    this.code = code
    this.partitions = 1 << partitionBits
    this.counts = new Int32Array(this.partitions)
    this.frontierFrom = new Int32Array(this.partitions)
    this.frontierTo = new Int32Array(this.partitions)
    this.base = new Int32Array(this.partitions + 1)
    for (let p = 0; p < this.partitions; p++) {
      this.states.push(new Int32Array(0))
      this.tables.push(new Int32Array(0))
      this.levels.push([])
    }
    this.insert = this.inserter()
  }

  /**
   * Makes the hot loop of a search. What it needs of this object is kept in constants around it, which a compiler need not
   * load and check again at each use, as it must for properties.
   */
  private inserter(): (p: number, list: Int32Array, from: number, to: number) => void {
    const INDEX = 0xffffff
    const { words, partitionBits } = this
    const { hash, place, equal, copy, invariants } = this.code
    return (p, list, from, to) => {
      if (this.tables[p].length === 0) this.open(p)
      let states = this.states[p]
      let table = this.tables[p]
      let count = this.counts[p]
      let mask = table.length - 1
      outer: for (let at = from; at < to; at += words) {
        const h = hash(list, at)
        const tag = (h << partitionBits) & ~INDEX
        let slot = h & mask
        for (let entry = table[slot]; entry !== 0; entry = table[slot]) {
          if ((entry & ~INDEX) === tag && equal(states, place((entry & INDEX) - 1), list, at)) continue outer
          slot = (slot + 1) & mask
        }
        if (count >= INDEX - 1) {
          this.overflow = true
          continue
        }
        const end = place(count)
        if (end === states.length) states = this.grow(p)
        copy(list, at, states, end)
        table[slot] = tag | ++count
        invariants(list, at)
        if (count > (table.length * 3) >>> 2) {
          table = this.rehash(p, count)
          mask = table.length - 1
        }
      }
      this.counts[p] = count
    }
  }

  private open(p: number): void {
    this.states[p] = new Int32Array(256 * this.words)
    this.tables[p] = new Int32Array(512)
  }

  private grow(p: number): Int32Array {
    const room = this.states[p].length / this.words
    const bigger = new Int32Array((room + (room >>> 1)) * this.words)
    bigger.set(this.states[p])
    this.states[p] = bigger
    return bigger
  }

  /** A table of twice the size for the first `count` states of a partition. */
  private rehash(p: number, count: number): Int32Array {
    const INDEX = 0xffffff
    const { partitionBits } = this
    const { hash, place } = this.code
    const table = new Int32Array(this.tables[p].length * 2)
    const states = this.states[p]
    const mask = table.length - 1
    for (let i = 0; i < count; i++) {
      const h = hash(states, place(i))
      let slot = h & mask
      while (table[slot] !== 0) slot = (slot + 1) & mask
      table[slot] = ((h << partitionBits) & ~INDEX) | (i + 1)
    }
    this.tables[p] = table
    return table
  }

  /** Bytes of arrays and tables. */
  get bytes(): number {
    let bytes = 0
    for (let p = 0; p < this.partitions; p++) bytes += this.states[p].byteLength + this.tables[p].byteLength
    return bytes
  }

  statesOf(p: number): Int32Array {
    return this.states[p]
  }

  countOf(p: number): number {
    return this.counts[p]
  }

  /** Positions, in states, of the frontier of a partition: from and to. */
  frontierStart(p: number): number {
    return this.frontierFrom[p]
  }

  frontierEnd(p: number): number {
    return this.frontierTo[p]
  }

  /** Makes the states stored since the last call the frontier of a partition; returns how many there are. */
  advance(p: number): number {
    this.levels[p].push(this.frontierTo[p])
    this.frontierFrom[p] = this.frontierTo[p]
    this.frontierTo[p] = this.counts[p]
    return this.frontierTo[p] - this.frontierFrom[p]
  }

  /** Position of the first state of a level in a partition. The level after the last begins with the states stored since. */
  levelStart(p: number, level: number): number {
    const known = this.levels[p]
    return level < known.length ? known[level] : level === known.length ? this.frontierTo[p] : this.counts[p]
  }

  /** Gives each state a number, partition by partition; returns how many there are. */
  number(): number {
    for (let p = 0; p < this.partitions; p++) this.base[p + 1] = this.base[p] + this.counts[p]
    return this.base[this.partitions]
  }

  /** The number of a state, -1 if it is not stored; see {@link number}. */
  find(list: Int32Array, at: number): number {
    const INDEX = 0xffffff
    const h = this.code.hash(list, at)
    const p = h >>> (32 - this.partitionBits)
    const states = this.states[p]
    const table = this.tables[p]
    if (table.length === 0) return -1
    const mask = table.length - 1
    for (let slot = h & mask, entry = table[slot]; entry !== 0; entry = table[slot]) {
      const i = (entry & INDEX) - 1
      if (this.code.equal(states, this.code.place(i), list, at)) return this.base[p] + i
      slot = (slot + 1) & mask
    }
    return -1
  }

  /** The partition of the state with this number. */
  partitionOf(number: number): number {
    let p = 0
    while (this.base[p + 1] <= number) p++
    return p
  }

  stateAt(number: number): Int32Array {
    const p = this.partitionOf(number)
    const at = (number - this.base[p]) * this.words
    return this.states[p].slice(at, at + this.words)
  }

  levelOf(number: number): number {
    const p = this.partitionOf(number)
    const known = this.levels[p]
    let level = known.length - 1
    while (known[level] > number - this.base[p]) level--
    return level
  }

  /** Calls `visit` with each of the states numbered from .. to - 1, as its list and position, without a copy. */
  forEach(from: number, to: number, visit: (number: number, states: Int32Array, at: number) => void): void {
    for (let i = from, p = this.partitionOf(from); i < to; i++) {
      while (this.base[p + 1] <= i) p++
      visit(i, this.states[p], (i - this.base[p]) * this.words)
    }
  }
}
