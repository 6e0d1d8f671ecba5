// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Free lists. A page that is freed twice is on the list twice. If the list is linked through the pages, as in drivers that link
 * by `zone_device_data`, it becomes a ring, and its pages are allocated again and again.
 */
import type { Random } from '../random.ts'

export const POLICIES = ['fifo', 'lifo', 'random', 'linked'] as const
export type Policy = (typeof POLICIES)[number]

export class FreeList {
  readonly policy: Policy
  readonly #random: Random
  readonly #list: number[] = []
  /** The first page of a linked list; below, the next page of each. */
  #head = -1
  readonly #next: Int32Array
  #size = 0

  constructor(policy: Policy, pages: number, random: Random) {
    this.policy = policy
    this.#random = random
    this.#next = new Int32Array(pages).fill(-1)
    for (let page = pages - 1; page >= 0; page--) this.push(page)
  }

  /** The nominal number of pages, counted by additions and removals, because a ring has no end. */
  get size(): number {
    return this.#size
  }

  push(page: number): void {
    this.#size++
    if (this.policy === 'linked') {
      this.#next[page] = this.#head
      this.#head = page
    } else this.#list.push(page)
  }

  pop(): number | undefined {
    if (this.policy === 'linked') {
      const page = this.#head
      if (page < 0) return undefined
      this.#head = this.#next[page]!
      this.#size--
      return page
    }
    const list = this.#list
    if (list.length === 0) return undefined
    this.#size--
    if (this.policy === 'fifo') return list.shift()
    if (this.policy === 'random') {
      const at = this.#random.int(0, list.length - 1)
      const page = list[at]!
      list[at] = list.at(-1)!
      list[list.length - 1] = page
    }
    return list.pop()
  }
}
