// SPDX-License-Identifier: GPL-2.0-or-later
/** Free lists of the pages' owners. Taking a page from one and putting it back also sets `page.life`, which properties check. */
import { type Cell, cell, cells, type Shared } from '../checker/index.ts'
import { probe_page } from './mm/trace_events.ts'
import { BUSY, IDLE, type Kernel, type Page } from './types.ts'

/**
 * Takes a page from its owner's free list, for the caller to use.
 * @param seen true if the step emits a probe; false where the page may go back before anybody has used it.
 */
export function hand_out(s: Shared, page: Page, seen = true): void {
  if (seen) probe_page(s, 'lastput_alloc', page)
  if (s.get(page.life) === BUSY) s.fail('free-twice', `page ${page.index} is handed out twice`)
  s.set(page.life, BUSY)
}

/** Puts a page on its owner's free list, from where anybody may get it. @param seen as in {@link hand_out}. */
export function file_free(s: Shared, page: Page, seen = true): void {
  if (seen) probe_page(s, 'lastput_free', page)
  if (s.get(page.life) === IDLE) s.fail('free-twice', `page_free() on page ${page.index}, which is free`)
  s.set(page.life, IDLE)
}

/** A singly linked list through `page->zone_device_data`, as test_hmm and nouveau have it; each call is under its lock. */
export interface PageList {
  push(s: Shared, page: Page, seen?: boolean): void
  pop(s: Shared, seen?: boolean): Page | undefined
  /** Empties the list, so that nobody gets a page any more. */
  clear(s: Shared): void
}

export function page_list(kernel: Kernel): PageList {
  const { pages } = kernel.pgmap
  const link = {
    max: pages.length,
    refers: (v: number, image: (of: Kernel['page_sort'], i: number) => number) =>
      v === 0 ? 0 : 1 + image(kernel.page_sort, v - 1),
    show: (v: number) => (v === 0 ? 'NULL' : `page ${v - 1}`),
  }
  const head: Cell = cell('free_pages', { ...link, init: 1 })
  const next = cells(kernel.page_sort, 'zone_device_data', { ...link, init: i => (i + 2) % (pages.length + 1) })
  kernel.cells.push(head, ...next)
  return {
    push(s, page, seen) {
      file_free(s, page, seen)
      s.set(next[page.index]!, s.get(head))
      s.set(head, page.index + 1)
    },
    pop(s, seen) {
      const page = pages[s.get(head) - 1]
      if (!page) return undefined
      hand_out(s, page, seen)
      s.set(head, s.get(next[page.index]!))
      s.set(next[page.index]!, 0)
      return page
    },
    clear: s => s.set(head, 0),
  }
}

/** A bitmap as in book3s_hv_uvmem. `find_first_zero_bit()` returns any free page here, which keeps pages interchangeable. */
export function page_bitmap(kernel: Kernel): PageList {
  const { pages } = kernel.pgmap
  const used = cells(kernel.page_sort, 'bitmap', { max: 1, show: v => (v ? 'used' : 'free') })
  kernel.cells.push(...used)
  return {
    push(s, page, seen) {
      file_free(s, page, seen)
      s.set(used[page.index]!, 0)
    },
    pop(s, seen) {
      const free = pages.filter(p => s.get(used[p.index]!) === 0)
      if (free.length === 0) return undefined
      const page = free[s.choose(free.length)]!
      s.set(used[page.index]!, 1)
      hand_out(s, page, seen)
      return page
    },
    clear(s) {
      for (const u of used) s.set(u, 1)
    },
  }
}
