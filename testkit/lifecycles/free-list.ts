// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Free pages. A page that is freed twice is on the list twice; on a list that is linked through the pages themselves that
 * makes a ring, and pages of it are handed out again and again, as in drivers that link by `zone_device_data`.
 */
import type { Random } from '../random.ts'

export const POLICIES = ['fifo', 'lifo', 'random', 'linked'] as const
export type Policy = (typeof POLICIES)[number]

export class FreeList {
  readonly policy: Policy
  readonly #random: Random
  readonly #list: number[] = []
  /** Of the linked list: the first page, and each page's next. */
  #head = -1
  readonly #next: Int32Array
  #size = 0

  constructor(policy: Policy, pages: number, random: Random) {
    this.policy = policy
    this.#random = random
    this.#next = new Int32Array(pages).fill(-1)
    for (let page = pages - 1; page >= 0; page--) this.push(page)
  }

  /** How many pages it should have: a ring has no end, so this counts what went in and out. */
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
