// SPDX-License-Identifier: GPL-2.0-or-later

/** Ints per event of a shape: signature, change of the count, task and mapping bits. */
export const SHAPE_STRIDE = 3

/** Bits of a shape's third int; the rest is the number of the task within the life, in order of appearance. */
export const MAPPED = 1
export const SHAPE_TASK_SHIFT = 1

/** Distinct shapes kept. Real recordings have hundreds; lives beyond the limit are counted but teach nothing. */
const MAX_SHAPES = 1 << 16
const MAX_ARENA = 1 << 23

/**
 * Lives by shape: which sites took and gave back how much in which order. Most lives of a driver have one of a few
 * shapes, so each is stored and solved once, with the number of lives that had it.
 */
export class Shapes {
  /** Events of shape s: `arena[offset[s] .. offset[s + 1])`. */
  arena = new Int32Array(1 << 14)
  readonly offset: number[] = [0]
  /** Lives of that shape, and the longest of them in ns. */
  readonly lives: number[] = []
  readonly longest: number[] = []
  /** Lives that found no place. */
  unlearned = 0
  #slots = new Int32Array(1 << 12).fill(-1)

  get size(): number {
    return this.lives.length
  }

  /** Counts a life whose `length` ints stand in `events`; returns the shape, -1 if there is no room for a new one. */
  add(events: Int32Array, length: number, duration: number): number {
    let hash = length
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ events[i]!, 0x9e3779b1) ^ (hash >>> 13)
    const mask = this.#slots.length - 1
    let slot = hash & mask
    for (let shape = this.#slots[slot]!; shape >= 0; shape = this.#slots[slot]!) {
      if (this.#equals(shape, events, length)) {
        this.lives[shape]!++
        if (duration > this.longest[shape]!) this.longest[shape] = duration
        return shape
      }
      slot = (slot + 1) & mask
    }
    return this.#insert(slot, events, length, duration)
  }

  #equals(shape: number, events: Int32Array, length: number): boolean {
    const start = this.offset[shape]!
    if (this.offset[shape + 1]! - start !== length) return false
    for (let i = 0; i < length; i++) if (this.arena[start + i] !== events[i]) return false
    return true
  }

  #insert(slot: number, events: Int32Array, length: number, duration: number): number {
    const start = this.offset[this.size]!
    if (this.size >= MAX_SHAPES || start + length > MAX_ARENA) {
      this.unlearned++
      return -1
    }
    while (start + length > this.arena.length) {
      const arena = new Int32Array(this.arena.length * 2)
      arena.set(this.arena)
      this.arena = arena
    }
    for (let i = 0; i < length; i++) this.arena[start + i] = events[i]!
    this.#slots[slot] = this.size
    this.lives.push(1)
    this.longest.push(duration)
    this.offset.push(start + length)
    if (this.size * 2 > this.#slots.length) this.#rehash()
    return this.size - 1
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 4).fill(-1)
    const mask = slots.length - 1
    for (let shape = 0; shape < this.size; shape++) {
      const start = this.offset[shape]!
      const end = this.offset[shape + 1]!
      let hash = end - start
      for (let i = start; i < end; i++) hash = Math.imul(hash ^ this.arena[i]!, 0x9e3779b1) ^ (hash >>> 13)
      let slot = hash & mask
      while (slots[slot]! >= 0) slot = (slot + 1) & mask
      slots[slot] = shape
    }
    this.#slots = slots
  }
}
