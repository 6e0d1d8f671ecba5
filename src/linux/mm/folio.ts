// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Folios of order 0 and 1 of device memory (6.19 and later): what mm/memremap.c does to a folio's head, order and pagemap
 * references when its pages are allocated and freed at different orders. Pages 0 and 1 make up the folio of order 1.
 *
 * Nothing resets head and order when a folio is freed: the struct pages keep their values until the next allocation.
 */
import { call, cells, type Shared, type Steps, step } from '../../checker/index.ts'
import type { Kernel, Page } from '../types.ts'
import { lock_page, percpu_ref_put_many, percpu_ref_tryget_many, warn_if_dying } from './memremap.ts'
import {
  page_exists,
  page_ref_count,
  page_ref_put_testzero,
  page_ref_set,
  touch_freed,
  touch_freed_page,
} from './page_ref.ts'

export type Order = 0 | 1

export interface Folios {
  page_folio(s: Shared, page: Page): Page
  /** The pages of a folio, by the order that its head has. */
  folio_pages(s: Shared, folio: Page): Page[]
  folio_order(s: Shared, folio: Page): Order
  zone_device_folio_init(folio: Page, order: Order): Steps<void>
  folio_put(page: Page): Steps<void>
  /** folio_split_unmapped(): returns the tail, now a folio with one reference; undefined if somebody else holds the folio. */
  folio_split_unmapped(folio: Page): Steps<Page | undefined>
}

/** What struct pages store about their folio: each page its head, and the head its order. */
export interface Compound {
  page_folio(s: Shared, page: Page): Page
  folio_pages(s: Shared, folio: Page): Page[]
  folio_order(s: Shared, folio: Page): Order
  prep_compound_page(s: Shared, head: Page, tail: Page): void
  reset(s: Shared, page: Page): void
}

/** Adds cells for heads and orders to the kernel, and returns the functions on them. */
export function compound_pages({ pgmap, page_sort, cells: all }: Kernel): Compound {
  const order = cells(page_sort, 'order', { max: 1 })
  const compound_head = cells(page_sort, 'compound_head', {
    max: pgmap.pages.length,
    refers: (v, image) => (v === 0 ? 0 : 1 + image(page_sort, v - 1)),
    show: v => (v === 0 ? 'none' : `page ${v - 1}`),
  })
  all.push(...order, ...compound_head)

  function folio_order(s: Shared, folio: Page): Order {
    return s.get(order[folio.index]!) as Order
  }

  return {
    folio_order,
    page_folio(s, page) {
      page_exists(s, page)
      return pgmap.pages[s.get(compound_head[page.index]!) - 1] ?? page
    },
    folio_pages: (s, folio) => pgmap.pages.slice(folio.index, folio.index + (1 << folio_order(s, folio))),
    prep_compound_page(s, head, tail) {
      s.set(order[head.index]!, 1)
      s.set(compound_head[tail.index]!, head.index + 1)
    },
    reset(s, page) {
      page_exists(s, page)
      s.set(order[page.index]!, 0)
      s.set(compound_head[page.index]!, 0)
    },
  }
}

/**
 * Adds cells for folios to the kernel, and returns the functions on them.
 * @param folio_free the driver's callback
 * @param folio_split what the driver does when one of its folios is split in two
 */
export function folios(
  kernel: Kernel,
  folio_free: (folio: Page) => Steps<void>,
  folio_split: (s: Shared, head: Page, tail: Page) => void = () => undefined,
): Folios {
  const { pgmap, fixes } = kernel
  const compound = compound_pages(kernel)
  const { page_folio, folio_pages, folio_order, reset } = compound

  function* zone_device_folio_init(folio: Page, wanted: Order): Steps<void> {
    const pages = pgmap.pages.slice(folio.index, folio.index + (1 << wanted))
    const init = (s: Shared) => {
      warn_if_dying(s, pgmap)
      for (const p of pages) {
        if (fixes.has('folio_init_resets')) reset(s, p)
        s.warn(page_ref_count(s, p) !== 0, 'warn', `VM_WARN_ON_FOLIO: page ${p.index} is handed out in use`)
      }
      s.warn(!percpu_ref_tryget_many(s, pgmap, pages.length), 'warn', 'the pagemap has drained')
    }
    yield* step('zone_device_page_init', init, 'plain')
    yield* step('set_page_count', s => page_ref_set(s, page_folio(s, folio), 1), 'plain')
    yield* lock_page(folio)
    if (wanted === 1) yield* prep_compound_page(pages)
  }

  function* prep_compound_page([head, tail]: readonly Page[]): Steps<void> {
    yield* step('prep_compound_page', s => compound.prep_compound_page(s, head!, tail!), 'plain')
  }

  function* folio_put(page: Page): Steps<void> {
    const [folio, zero] = yield* step('folio_put', s => {
      const folio = page_folio(s, page)
      return [folio, page_ref_put_testzero(s, folio)] as const
    })
    if (zero) yield* call(free_zone_device_folio, folio)
  }

  function* free_zone_device_folio(folio: Page): Steps<void> {
    const nr = yield* step('folio_nr_pages', s => folio_pages(s, folio).length, 'plain')
    if (fixes.has('folio_free_resets_before')) yield* reset_folio(folio, nr)
    yield* folio_free(folio)
    if (fixes.has('folio_free_resets_after')) yield* reset_folio(folio, nr)
    if (!fixes.has('no_touch_after_folio_free')) yield* touch_freed_page(folio, 'folio->pgmap')
    const dropped = pgmap.type === 'COHERENT' && !fixes.has('coherent_puts_all') ? 1 : nr
    yield* percpu_ref_put_many(pgmap, dropped)
  }

  function* reset_folio(folio: Page, nr: number): Steps<void> {
    const pages = pgmap.pages.slice(folio.index, folio.index + nr)
    const resets = (s: Shared) => {
      for (const p of pages) {
        if (fixes.has('folio_free_resets_after')) touch_freed(s, p, 'the reset of order and head')
        reset(s, p)
      }
    }
    yield* step('free_zone_device_folio resets order and head', resets, 'plain')
  }

  function* folio_split_unmapped(folio: Page): Steps<Page | undefined> {
    return yield* step('folio_split_unmapped', s => {
      const [head, tail] = folio_pages(s, folio)
      if (!tail || page_ref_count(s, folio) !== 1) return undefined
      reset(s, head!)
      reset(s, tail)
      page_ref_set(s, tail, 1)
      folio_split(s, head!, tail)
      return tail
    })
  }

  return { page_folio, folio_pages, folio_order, zone_device_folio_init, folio_put, folio_split_unmapped }
}
