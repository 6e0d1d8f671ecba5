// SPDX-License-Identifier: GPL-2.0-or-later
import type { Frame, StackTable } from '../events.ts'
import type { SymbolTable } from './symbols.ts'

/**
 * Limits of the numbers of distinct stacks and frames of a recording. Real recordings have thousands; without limits, damage
 * would exhaust memory.
 */
export const MAX_STACKS = 1 << 20
const MAX_FRAMES = 1 << 20

/** Maximum number of frames of a stack. The kernel records at most a few hundred. */
export const MAX_STACK_DEPTH = 1024

const NO_STACK = new Uint32Array(0)

/** Interns frames and stacks. Readers add them. `symbols` resolves an address when its frame is first asked for. */
export class StackInterner implements StackTable {
  readonly #symbols: SymbolTable
  /** By frame id, its return address or its text label. Frame id 0 is unused. */
  readonly #sources: (bigint | Frame)[] = [0n]
  readonly #resolved: (Frame | undefined)[] = [undefined]
  readonly #byAddress = new Map<bigint, number>()
  readonly #byLabel = new Map<string, number>()
  readonly #stacks: Uint32Array[] = [NO_STACK]
  /** Hash table with open addressing over the frame ids: stack ids, 0 for free. */
  #slots = new Uint32Array(1 << 10)

  constructor(symbols: SymbolTable) {
    this.#symbols = symbols
  }

  get size(): number {
    return this.#stacks.length
  }

  frames(stack: number): Uint32Array {
    return this.#stacks[stack] ?? NO_STACK
  }

  frame(frameId: number): Frame {
    return (this.#resolved[frameId] ??= this.#resolve(frameId))
  }

  /** Returns the frame id of a return address; 0 if the table is full. */
  addressFrame(address: bigint): number {
    return this.#intern(this.#byAddress, address, address)
  }

  /** Returns the frame id of a frame in a text. Frames that are equal in all parts share an id. */
  labelFrame(frame: Frame): number {
    const key = `${frame.name}+${frame.offset}[${frame.module}]${frame.address}`
    return this.#intern(this.#byLabel, key, frame)
  }

  /** Returns the stack id of frame ids, innermost first; 0 for an empty stack or if the table is full. The array is copied. */
  stack(frames: ArrayLike<number>): number {
    const length = Math.min(frames.length, MAX_STACK_DEPTH)
    if (length === 0) return 0
    const mask = this.#slots.length - 1
    let slot = hashFrames(frames, length) & mask
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      if (same(this.#stacks[this.#slots[slot]!]!, frames, length)) return this.#slots[slot]!
    }
    if (this.#stacks.length >= MAX_STACKS) return 0
    this.#slots[slot] = this.#stacks.length
    this.#stacks.push(Uint32Array.from({ length }, (_, i) => frames[i]!))
    if (this.#stacks.length * 2 > this.#slots.length) this.#rehash()
    return this.#stacks.length - 1
  }

  #intern<K>(ids: Map<K, number>, key: K, source: bigint | Frame): number {
    const known = ids.get(key)
    if (known !== undefined) return known
    if (this.#sources.length >= MAX_FRAMES) return 0
    ids.set(key, this.#sources.length)
    this.#sources.push(source)
    return this.#sources.length - 1
  }

  #resolve(frameId: number): Frame {
    const source = this.#sources[frameId] ?? 0n
    if (typeof source !== 'bigint') return source
    const symbol = this.#symbols.find(source)
    if (!symbol) return { address: source, name: `0x${source.toString(16)}`, offset: undefined, module: undefined }
    return { address: source, name: symbol.name, offset: Number(source - symbol.address), module: symbol.module }
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 4)
    const mask = slots.length - 1
    for (let id = 1; id < this.#stacks.length; id++) {
      const frames = this.#stacks[id]!
      let slot = hashFrames(frames, frames.length) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = id
    }
    this.#slots = slots
  }
}

function hashFrames(frames: ArrayLike<number>, length: number): number {
  let hash = length
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ frames[i]!, 0x9e3779b1) ^ (hash >>> 15)
  return hash
}

function same(known: Uint32Array, frames: ArrayLike<number>, length: number): boolean {
  if (known.length !== length) return false
  for (let i = 0; i < length; i++) if (known[i] !== frames[i]) return false
  return true
}
