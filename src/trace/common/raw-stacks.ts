// SPDX-License-Identifier: GPL-2.0-or-later
/** Interns kernel stacks in their form in the file, so that a known stack costs only one hash. */
import { grown, lengthFor } from '../../util/growable.ts'
import { MAX_STACK_DEPTH, MAX_STACKS } from './stacks.ts'

/** Maximum number of words of all distinct stacks (64 MB). Stacks beyond get the id 0, "no stack". */
const MAX_WORDS = 1 << 24

export class RawStacks {
  /** Number of 32-bit words in an address: 1 or 2. */
  readonly #addressWords: number
  /**
   * Signed because the words that they are compared with are: V8 handles signed words as small integers, even low halves of
   * kernel addresses.
   */
  #words = new Int32Array(1 << 12)
  #used = 0
  /** Index of the first word by stack id, with one more entry for the end of the last stack. Id 0 is "no stack". */
  readonly #starts = [0, 0]
  /** Hash table with open addressing: stack ids (0: free), and the hashes by stack id. */
  #slots = new Uint32Array(1 << 10)
  readonly #hashes = [0]
  /** By stack id, the stack that followed it last. A guess at the next stack. */
  readonly #successors = [0]
  /** The stack that was found last. */
  last = 0

  constructor(longSize: number) {
    this.#addressWords = longSize === 8 ? 2 : 1
  }

  /** Number of ids, including 0. */
  get size(): number {
    return this.#starts.length - 1
  }

  /** Returns the words of a stack as they are in the file. */
  words(id: number): Int32Array {
    return this.#words.subarray(this.#starts[id]!, this.#starts[id + 1]!)
  }

  /**
   * Returns the id of the stack of `count` addresses at word `start`; 0 for an empty stack or if the table is full. On old
   * kernels, an address of all ones ends the stack.
   */
  find(source: Int32Array, start: number, count: number): number {
    const limit = start + Math.min(count, MAX_STACK_DEPTH) * this.#addressWords
    // The same sequences of stacks recur, so the stack that followed last time is tried first.
    const expected = this.#successors[this.last]!
    if (expected !== 0 && this.#is(expected, source, start, limit)) return (this.last = expected)
    const id = this.#lookUp(source, start, limit)
    this.#successors[this.last] = id
    return (this.last = id)
  }

  /** True if a stack equals the words from `start` to `limit`, or to an end mark before it. */
  #is(id: number, source: Int32Array, start: number, limit: number): boolean {
    const end = start + this.#starts[id + 1]! - this.#starts[id]!
    if (end > limit || (end < limit && !this.#ends(source, end))) return false
    return this.#same(id, source, start, end - start)
  }

  #ends(source: Int32Array, at: number): boolean {
    return (source[at]! & source[at + this.#addressWords - 1]!) === -1
  }

  #lookUp(source: Int32Array, start: number, limit: number): number {
    const step = this.#addressWords
    let hash = 0
    let end = start
    for (; end < limit && !this.#ends(source, end); end += step) {
      hash = Math.imul(hash ^ source[end]!, 0x9e3779b1)
      hash = Math.imul(hash ^ source[end + step - 1]! ^ (hash >>> 15), 0x85ebca6b)
    }
    const length = end - start
    if (length === 0) return 0
    hash ^= hash >>> 13
    const mask = this.#slots.length - 1
    let slot = hash & mask
    for (let id = this.#slots[slot]!; id !== 0; id = this.#slots[slot]!) {
      if (this.#hashes[id] === hash && this.#same(id, source, start, length)) return id
      slot = (slot + 1) & mask
    }
    return this.#add(slot, hash, source, start, length)
  }

  #same(id: number, source: Int32Array, start: number, length: number): boolean {
    const at = this.#starts[id]!
    if (this.#starts[id + 1]! - at !== length) return false
    const words = this.#words
    for (let i = 0; i < length; i++) if (words[at + i] !== source[start + i]) return false
    return true
  }

  #add(slot: number, hash: number, source: Int32Array, start: number, length: number): number {
    const id = this.size
    if (id >= MAX_STACKS || this.#used + length > MAX_WORDS) return 0
    const end = this.#used + length
    if (end > this.#words.length) this.#words = grown(this.#words, lengthFor(end - 1, this.#words.length))
    this.#words.set(source.subarray(start, start + length), this.#used)
    this.#used += length
    this.#starts.push(this.#used)
    this.#hashes.push(hash)
    this.#successors.push(0)
    this.#slots[slot] = id
    if (id * 2 > this.#slots.length) this.#rehash()
    return id
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 4)
    const mask = slots.length - 1
    for (let id = 1; id < this.size; id++) {
      let slot = this.#hashes[id]! & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = id
    }
    this.#slots = slots
  }
}
