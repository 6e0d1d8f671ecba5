// SPDX-License-Identifier: GPL-2.0-or-later
import { grown } from '../../util/growable.ts'
import type { EventPool } from './event-pool.ts'

/** Ints per event of a shape: call-site key, change of the count, task and mapping bits. */
export const SHAPE_STRIDE = 3

/** Bits of a shape's third int; the rest is the number of the task within the lifetime, in order of appearance. */
export const MAPPED = 1
export const SHAPE_TASK_SHIFT = 1

/** Distinct shapes kept. Real recordings have hundreds; lifetimes beyond the limit are counted but teach nothing. */
const MAX_SHAPES = 1 << 16
const MAX_ARENA = 1 << 23

/**
 * Lifetimes by shape: which call sites took and gave back how much in which order. Most lifetimes of a driver have one of a
 * few shapes, so each is stored and solved once, with the number of lifetimes that had it.
 */
export class LifetimeShapes {
  /** Events of shape s: `arena[offset[s] .. offset[s + 1])`. */
  arena = new Int32Array(1 << 14)
  readonly offset: number[] = [0]
  /** Lifetimes of that shape, and the longest of them in ns. */
  readonly lives: number[] = []
  readonly longest: number[] = []
  /** Lifetimes that found no place. */
  unlearned = 0
  #slots = new Int32Array(1 << 12).fill(-1)
  /** The shape that is being made, and the tasks in it. */
  #made = new Int32Array(256 * SHAPE_STRIDE)
  readonly #tasks: number[] = []

  get size(): number {
    return this.lives.length
  }

  /** Counts a closed lifetime of so many events; its chain must not be empty. */
  addChain(nodes: EventPool, head: number, tail: number, events: number): void {
    const length = events * SHAPE_STRIDE
    if (length > this.#made.length) this.#made = new Int32Array(length * 2)
    const shape = this.#made
    const tasks = this.#tasks
    tasks.length = 0
    let at = 0
    for (let node = head; node >= 0; node = nodes.next[node]!) {
      let task = tasks.indexOf(nodes.pid[node]!)
      if (task < 0) task = tasks.push(nodes.pid[node]!) - 1
      shape[at] = nodes.signature[node]!
      shape[at + 1] = nodes.delta[node]!
      shape[at + 2] = (task << SHAPE_TASK_SHIFT) | (nodes.mapped[node]! ? MAPPED : 0)
      at += SHAPE_STRIDE
    }
    this.add(shape, at, nodes.time[tail]! - nodes.time[head]!)
  }

  /** Counts a lifetime whose `length` ints stand in `events`; returns the shape, -1 if there is no room for a new one. */
  add(events: Int32Array, length: number, duration: number): number {
    const mask = this.#slots.length - 1
    let slot = hashOf(events, 0, length) & mask
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
    while (start + length > this.arena.length) this.arena = grown(this.arena, this.arena.length * 2)
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
      let slot = hashOf(this.arena, this.offset[shape]!, this.offset[shape + 1]!) & mask
      while (slots[slot]! >= 0) slot = (slot + 1) & mask
      slots[slot] = shape
    }
    this.#slots = slots
  }
}

function hashOf(ints: Int32Array, start: number, end: number): number {
  let hash = end - start
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ ints[i]!, 0x9e3779b1) ^ (hash >>> 13)
  return hash
}
