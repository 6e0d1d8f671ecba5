// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The free lists of drivers. They differ in the effect of a double free: a bitmap is unaffected, an array has the page twice, and
 * a list that is linked through the pages is corrupted.
 */
import type { Random } from '../random.ts'
import type { Page } from './pages.ts'

export interface FreeList {
  push(page: Page): void
  pop(): Page | undefined
  /** True if the page is on the list. */
  has(page: Page): boolean
}

class ArrayList implements FreeList {
  readonly #pages: Page[] = []
  readonly #next: (length: number) => number
  constructor(next: (length: number) => number) {
    this.#next = next
  }
  push(page: Page): void {
    this.#pages.push(page)
  }
  pop(): Page | undefined {
    if (this.#pages.length === 0) return undefined
    return this.#pages.splice(this.#next(this.#pages.length), 1)[0]
  }
  has(page: Page): boolean {
    return this.#pages.includes(page)
  }
}

class Bitmap implements FreeList {
  readonly #free = new Map<number, Page>()
  #cursor = -1
  push(page: Page): void {
    this.#free.set(page.index, page)
  }
  /** Returns the next free page after the one allocated last, like find_next_zero_bit() with a hint. */
  pop(): Page | undefined {
    let best: Page | undefined
    let first: Page | undefined
    for (const page of this.#free.values()) {
      if (page.index > this.#cursor && (best === undefined || page.index < best.index)) best = page
      if (first === undefined || page.index < first.index) first = page
    }
    const page = best ?? first
    if (page === undefined) return undefined
    this.#free.delete(page.index)
    this.#cursor = page.index
    return page
  }
  has(page: Page): boolean {
    return this.#free.has(page.index)
  }
}

/** A stack that is linked through the pages (zone_device_data). A double free makes it circular. */
class LinkedList implements FreeList {
  readonly #next = new Map<Page, Page | undefined>()
  #head: Page | undefined
  push(page: Page): void {
    this.#next.set(page, this.#head)
    this.#head = page
  }
  pop(): Page | undefined {
    const page = this.#head
    if (page !== undefined) this.#head = this.#next.get(page)
    return page
  }
  has(page: Page): boolean {
    const seen = new Set<Page>()
    for (let at = this.#head; at !== undefined && !seen.has(at); at = this.#next.get(at)) {
      if (at === page) return true
      seen.add(at)
    }
    return false
  }
}

export const FREE_LISTS = ['stack', 'queue', 'random', 'bitmap', 'linked'] as const
export type FreeListKind = (typeof FREE_LISTS)[number]

export function freeList(kind: FreeListKind, random: Random): FreeList {
  switch (kind) {
    case 'stack':
      return new ArrayList(length => length - 1)
    case 'queue':
      return new ArrayList(() => 0)
    case 'random':
      return new ArrayList(length => random.int(0, length - 1))
    case 'bitmap':
      return new Bitmap()
    case 'linked':
      return new LinkedList()
  }
}
