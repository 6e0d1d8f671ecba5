// SPDX-License-Identifier: GPL-2.0-or-later
/** Stacks of a recording in memory, interned by the identity of their arrays and, where that is new, by their frames. */
import type { Frame, StackTable } from '../src/trace/events.ts'

export class Stacks implements StackTable {
  readonly #byArray = new Map<readonly Frame[], number>()
  readonly #byContent = new Map<string, number>()
  readonly #stacks: Uint32Array[] = [new Uint32Array(0)]
  readonly #frames: Frame[] = []
  readonly #frameIds = new Map<string | bigint, number>()

  get size(): number {
    return this.#stacks.length
  }
  frames(stack: number): Uint32Array {
    return this.#stacks[stack]!
  }
  frame(id: number): Frame {
    return this.#frames[id]!
  }
  id(stack: readonly Frame[] | undefined): number {
    if (stack === undefined) return 0
    let id = this.#byArray.get(stack)
    if (id === undefined) {
      const ids = Uint32Array.from(stack, frame => this.#frameId(frame))
      const key = ids.join()
      id = this.#byContent.get(key)
      if (id === undefined) {
        id = this.#stacks.length
        this.#stacks.push(ids)
        this.#byContent.set(key, id)
      }
      this.#byArray.set(stack, id)
    }
    return id
  }
  #frameId(frame: Frame): number {
    const key = frame.address === 0n ? frame.name : frame.address
    let id = this.#frameIds.get(key)
    if (id === undefined) {
      id = this.#frames.length
      this.#frames.push(frame)
      this.#frameIds.set(key, id)
    }
    return id
  }
}
