// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * lib/test_hmm.c of 6.19 and later with folios of order 0 and 1: what mm/memremap.c does to a folio's head, order and
 * pagemap references when its pages come and go at different orders. Only protocol G has such folios. Page 0 and 1 make up
 * the folio of order 1; a mapping is one entry for the whole folio.
 */
import { call, cell, cells, type Shared, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import {
  lock_page,
  memunmap_pages,
  percpu_ref_put_many,
  percpu_ref_tryget_many,
  trylock_page,
  unlock_page,
} from '../mm/memremap.ts'
import {
  page_exists,
  page_ref_count,
  page_ref_dec,
  page_ref_inc,
  page_ref_put_testzero,
  page_ref_set,
  touch_freed,
  touch_freed_page,
} from '../mm/page_ref.ts'
import { make_migration_entry, mk_pte, PTE_NONE, PTE_RAM, pte_page } from '../mm/pgtable.ts'
import { file_free, hand_out } from '../page_list.ts'
import { type Address, IDLE, type Kernel, type MemoryType, type Page } from '../types.ts'

export const test_hmm_large = driver_of('PRIVATE', 'test_hmm_large')
export const test_hmm_large_coherent = driver_of('COHERENT', 'test_hmm_large_coherent')

function driver_of(type: MemoryType, name: string) {
  return driver({ name, type, protocols: ['G'], setup })
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: the functions of a driver share its locks and counters, which are local.
function setup(kernel: Kernel) {
  const { pgmap, mm, fixes } = kernel
  const order = cells(kernel.page_sort, 'order', { max: 1 })
  const compound_head = cells(kernel.page_sort, 'compound_head', {
    max: pgmap.pages.length,
    refers: (v, image) => (v === 0 ? 0 : 1 + image(kernel.page_sort, v - 1)),
    show: v => (v === 0 ? 'none' : `page ${v - 1}`),
  })
  const users = cell('driver.users', { max: kernel.threads })
  const removed = cell('driver.removed', { max: 1 })
  kernel.cells.push(...order, ...compound_head, users, removed)
  const at = (index: number) => mm.addresses[index % mm.addresses.length]!

  function page_folio(s: Shared, page: Page): Page {
    page_exists(s, page)
    return pgmap.pages[s.get(compound_head[page.index]!) - 1] ?? page
  }

  function folio_pages(s: Shared, folio: Page): Page[] {
    return pgmap.pages.slice(folio.index, folio.index + (1 << s.get(order[folio.index]!)))
  }

  function reset(s: Shared, page: Page): void {
    page_exists(s, page)
    s.set(order[page.index]!, 0)
    s.set(compound_head[page.index]!, 0)
  }

  function* alloc_folio(wanted: 0 | 1): Steps<Page | undefined> {
    const folio = yield* step('dmirror_devmem_alloc_page', s => {
      const pair = pgmap.pages.slice(0, 2)
      const free = (wanted === 1 ? pair : pgmap.pages).filter(p => s.get(p.life) === IDLE)
      if (free.length < 1 << wanted) return undefined
      const folio = wanted === 1 ? pair[0]! : free[s.choose(free.length)]!
      for (const p of wanted === 1 ? pair : [folio]) hand_out(s, p)
      return folio
    })
    if (folio) yield* zone_device_page_init(folio, wanted)
    return folio
  }

  /** The order is the caller's; what the pages' own words say is left from their last life. */
  function* zone_device_page_init(folio: Page, wanted: 0 | 1): Steps<void> {
    const pages = pgmap.pages.slice(folio.index, folio.index + (1 << wanted))
    yield* step('zone_device_page_init', s => {
      for (const p of pages) {
        if (fixes.has('folio_init_resets')) reset(s, p)
        s.warn(page_ref_count(s, p) !== 0, 'warn', `VM_WARN_ON_FOLIO: page ${p.index} is handed out in use`)
      }
      s.warn(!percpu_ref_tryget_many(s, pgmap, pages.length), 'warn', 'the pagemap has drained')
    })
    yield* step('set_page_count', s => page_ref_set(s, page_folio(s, folio), 1))
    yield* lock_page(folio)
    if (wanted === 1) yield* prep_compound_page(pages)
  }

  function* prep_compound_page([head, tail]: readonly Page[]): Steps<void> {
    yield* step('prep_compound_page', s => {
      s.set(order[head!.index]!, 1)
      s.set(compound_head[tail!.index]!, head!.index + 1)
    })
  }

  function* folio_put(page: Page): Steps<void> {
    const [folio, zero] = yield* step('folio_put', s => {
      const folio = page_folio(s, page)
      return [folio, page_ref_put_testzero(s, folio)] as const
    })
    if (zero) yield* call(free_zone_device_folio, folio)
  }

  function* free_zone_device_folio(folio: Page): Steps<void> {
    const nr = yield* step('folio_nr_pages', s => folio_pages(s, folio).length)
    if (fixes.has('folio_free_resets_before')) yield* reset_folio(folio, nr)
    yield* dmirror_devmem_free(folio)
    if (fixes.has('folio_free_resets_after')) yield* reset_folio(folio, nr)
    if (!fixes.has('no_touch_after_folio_free')) yield* touch_freed_page(folio, 'folio->pgmap')
    const dropped = pgmap.type === 'COHERENT' && !fixes.has('coherent_puts_all') ? 1 : nr
    yield* percpu_ref_put_many(pgmap, dropped)
  }

  function* reset_folio(folio: Page, nr: number): Steps<void> {
    const pages = pgmap.pages.slice(folio.index, folio.index + nr)
    yield* step('free_zone_device_folio resets order and head', s => {
      for (const p of pages) {
        if (fixes.has('folio_free_resets_after')) touch_freed(s, p, 'the reset of order and head')
        reset(s, p)
      }
    })
  }

  function* dmirror_devmem_free(folio: Page): Steps<void> {
    yield* step('dmirror_devmem_free', s => {
      for (const p of folio_pages(s, folio)) file_free(s, p)
    })
  }

  function* populate(index: number, wanted: 0 | 1): Steps<void> {
    const opened = yield* step('open', s => {
      if (s.get(removed) === 1) return false
      s.add(users, 1)
      return true
    })
    if (!opened) return
    yield* migrate_to_device(index, wanted)
    yield* step('close', s => s.add(users, -1))
  }

  function* migrate_to_device(index: number, wanted: 0 | 1): Steps<void> {
    const folio = yield* alloc_folio(wanted)
    if (!folio) return
    yield* step('migrate_vma_insert_page', s => {
      if (s.get(at(index).pte) !== PTE_NONE) return
      page_ref_inc(s, page_folio(s, folio))
      s.set(at(index).pte, mk_pte(folio))
    })
    yield* unlock_page(folio)
    yield* folio_put(folio)
  }

  function* zap(address: Address): Steps<void> {
    const page = yield* step('zap_huge_pmd', s => {
      const page = pte_page(address, s.get(address.pte))
      s.set(address.pte, PTE_NONE)
      return page
    })
    if (page) yield* folio_put(page)
  }

  function* exit_mmap(): Steps<void> {
    for (const address of mm.addresses) yield* call(zap, address)
  }

  /** A migration to system memory that has small pages for a large folio: it splits the folio, or leaves all as it was. */
  function* split(index: number): Steps<void> {
    const address = at(index)
    const folio = yield* step('migrate_vma_collect_huge_pmd', s => {
      const page = pte_page(address, s.get(address.pte))
      if (!page || s.get(order[page.index]!) === 0 || !trylock_page(s, page)) return undefined
      page_ref_inc(s, page)
      s.set(address.pte, make_migration_entry(page))
      page_ref_dec(s, page)
      return page
    })
    if (!folio) return
    const tail = yield* migrate_vma_split_unmapped_folio(address, folio)
    yield* step('remove_migration_pte', s => {
      if (s.get(address.pte) !== make_migration_entry(folio)) return
      if (!tail) page_ref_inc(s, folio)
      s.set(address.pte, tail ? PTE_RAM : mk_pte(folio))
    })
    yield* unlock_page(folio)
    yield* folio_put(folio)
    if (tail) yield* folio_put(tail)
  }

  /**
   * The reference is for split_huge_pmd_address(), which puts one with the PMD that it splits. MADV_DONTNEED may have taken the
   * PMD away meanwhile: then nobody puts it, and the folio, which has a reference too many, is not split.
   */
  function* migrate_vma_split_unmapped_folio(address: Address, folio: Page): Steps<Page | undefined> {
    yield* step('folio_get', s => page_ref_inc(s, folio))
    const put = yield* step('split_huge_pmd_address', s => {
      const found = s.get(address.pte) === make_migration_entry(folio)
      if (found) page_ref_dec(s, folio)
      return found
    })
    const tail = yield* step('folio_split_unmapped', s => {
      const [head, tail] = folio_pages(s, folio)
      if (!tail || page_ref_count(s, folio) !== 1) return undefined
      reset(s, head!)
      reset(s, tail)
      page_ref_set(s, tail, 1)
      return tail
    })
    if (!put && fixes.has('split_failure_puts')) yield* folio_put(folio)
    return tail
  }

  function* unbind(): Steps<void> {
    yield* step('module_exit', s => {
      s.wait(s.get(users) === 0)
      s.set(removed, 1)
    })
    yield* memunmap_pages(pgmap)
  }

  return {
    ops: { page_free: dmirror_devmem_free },
    roles: {
      small: { body: (i: number) => populate(i, 0), times: 2, finishes: true },
      large: { body: (i: number) => populate(i, 1), times: 1, finishes: true },
      split: { body: split, times: 1 },
      exit: { body: exit_mmap, daemon: true, finishes: true },
      unbind: { body: unbind, times: 1, finishes: true },
    },
    threads: { small: 1, large: 1, exit: 1, unbind: 1 },
  }
}
