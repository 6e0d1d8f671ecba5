// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drivers/dax/fsdev.c (7.1 and later): a dax device as the memory of a file system, and what fs/dax.c does there to folios of
 * two pages. Two pages become a folio when a block of that size is mapped (dax_folio_init()), and single pages again when the
 * file loses the block (dax_folio_put()). While they are a folio, a reference on either page is one on the head.
 *
 * The model has one file of two blocks. Address 0 maps both by one entry if they are free or a folio already. Address 1 maps
 * only the second, whether or not it is part of a folio. Not modelled: the same as in fs/dax.ts.
 */
import { AGAIN, type Cell, call, cell, repeat, type Shared, type Steps, step } from '../../../checker/index.ts'
import { driver } from '../../driver.ts'
import { prepare_to_wait, schedule, wait_entry, wake_up_var } from '../../kernel/sched/wait_bit.ts'
import { compound_pages } from '../../mm/folio.ts'
import { irqs_off_cell } from '../../mm/gup.ts'
import { memunmap_pages, warn_if_dying } from '../../mm/memremap.ts'
import {
  page_exists,
  page_ref_add_unless_zero,
  page_ref_count,
  page_ref_get_idle,
  page_ref_inc,
  page_ref_put_testzero,
  touch_page,
  try_get_page,
} from '../../mm/page_ref.ts'
import { mapcount, mk_pte, PTE_NONE, pte_page } from '../../mm/pgtable.ts'
import { file_free, hand_out } from '../../page_list.ts'
import { type Address, BUSY, IDLE, type Kernel, MAPPINGS_GO_AWAY, type Page } from '../../types.ts'

export default driver({
  name: 'fsdev',
  type: 'FS_DAX',
  protocols: ['G'],
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: the functions of a driver share its locks and counters, which are local.
  setup(kernel: Kernel) {
    const { pgmap, mm, fixes } = kernel
    const { page_folio, folio_pages, folio_order, prep_compound_page, reset } = compound_pages(kernel)
    const readers = cell('invalidate_lock.readers', { max: kernel.threads })
    const writer = cell('invalidate_lock.writer', { max: 1 })
    const i_mmap = cell('i_mmap', { max: 1, show: v => (v ? 'mapped' : 'not mapped') })
    const unmounted = cell('unmounted', { max: 1 })
    const open_files = cell('open_files', { max: kernel.threads })
    const alive = cell('dax_alive', { max: 1, init: 1 })
    kernel.cells.push(readers, writer, i_mmap, unmounted, open_files, alive)
    const extent = pgmap.pages.slice(0, 2)
    const at = (index: number) => mm.addresses[index % mm.addresses.length]!
    const page_of = (address: Address) => extent[address.index % extent.length]!
    const tasks = new Map<string, Cell>()
    const sleeps = (task: string) => {
      if (!tasks.has(task)) tasks.set(task, wait_entry(kernel, task))
    }

    function* folio_put(page: Page): Steps<void> {
      const last = yield* step('folio_put', s => {
        const folio = page_folio(s, page)
        return page_ref_put_testzero(s, folio) ? folio : undefined
      })
      if (last) yield* wake_up_var(last)
    }

    /** dax_insert_entry(): gives the block to the file; an entry for both pages makes them one folio. */
    function dax_insert_entry(s: Shared, address: Address): Page {
      const page = page_of(address)
      const whole = page === extent[0] && extent.length === 2
      const pages = whole && extent.every(p => s.get(p.life) === IDLE) ? extent : [page]
      for (const p of pages.filter(p => s.get(p.life) === IDLE)) {
        warn_if_dying(s, pgmap)
        s.warn(
          folio_order(s, p) !== 0 || page_folio(s, p) !== p,
          'warn',
          `dax_folio_init(): page ${p.index} is part of a folio`,
        )
        hand_out(s, p)
      }
      if (pages.length === 2) prep_compound_page(s, extent[0]!, extent[1]!)
      return page_folio(s, page)
    }

    /** dax_iomap_pmd_fault() and dax_iomap_pte_fault(). The folio is found by its entry, which stays locked until the end. */
    function* dax_iomap_fault(index: number): Steps<void> {
      const address = at(index)
      const mounted = yield* step('filemap_invalidate_lock_shared', s => {
        if (s.get(unmounted) === 1) return false
        s.wait(s.get(writer) === 0)
        s.add(readers, 1)
        s.set(i_mmap, 1)
        return true
      })
      if (!mounted) return
      // kill_dax() waits only for callers inside dax_direct_access(), not for what they do after it.
      if (yield* step('dax_iomap_direct_access', s => s.get(alive) === 1)) yield* dax_map(address)
      yield* step('filemap_invalidate_unlock_shared', s => s.add(readers, -1))
    }

    function* dax_map(address: Address): Steps<void> {
      const folio = yield* step('dax_insert_entry', s => dax_insert_entry(s, address))
      yield* step('folio_ref_inc', s => page_ref_get_idle(s, folio))
      yield* step('vmf_insert_folio', s => {
        if (s.get(address.pte) !== PTE_NONE) return
        page_ref_inc(s, folio)
        s.set(address.pte, mk_pte(folio))
      })
      yield* call(folio_put, folio)
    }

    function* zap(address: Address, of?: Page): Steps<void> {
      const page = yield* step('zap_pte_range', s => {
        const page = pte_page(address, s.get(address.pte))
        if (!page || (of && page !== page_folio(s, of))) return undefined
        s.set(address.pte, PTE_NONE)
        return page
      })
      if (page) yield* call(folio_put, page)
    }

    /** Unmaps the folio of a page; returns the folio if somebody else still holds it. */
    function* dax_layout_busy_page(page: Page): Steps<Page | undefined> {
      for (const address of mm.addresses) yield* zap(address, page)
      return yield* step('dax_busy_page', s => {
        const folio = page_folio(s, page)
        return page_ref_count(s, folio) === mapcount(s, folio) ? undefined : folio
      })
    }

    function* lock_layout(): Steps<void> {
      yield* step('filemap_invalidate_lock', s => {
        s.wait(s.get(writer) === 0)
        s.set(writer, 1)
      })
      yield* step('filemap_invalidate_lock acquired', s => s.wait(s.get(readers) === 0))
    }

    function* unlock_layout(): Steps<void> {
      yield* step('filemap_invalidate_unlock', s => s.set(writer, 0))
    }

    /** One round of dax_break_layout() over the whole file, which starts again from the first page after each wait. */
    function* break_layout(entry: Cell, locked: boolean): Steps<typeof AGAIN | undefined> {
      for (const page of extent) {
        const busy = yield* dax_layout_busy_page(page)
        if (!busy) continue
        yield* repeat(wait_page_idle, busy, entry, locked)
        return AGAIN
      }
      return undefined
    }

    function* wait_page_idle(folio: Page, entry: Cell, locked: boolean): Steps<typeof AGAIN | undefined> {
      if (yield* prepare_to_wait(entry, folio, s => page_ref_count(s, folio) === 0)) return undefined
      if (locked) yield* unlock_layout()
      yield* schedule(entry)
      if (locked) yield* lock_layout()
      return fixes.has('layout_break_unmaps_again') ? undefined : AGAIN
    }

    /** dax_folio_put(): splits the folio into single pages, and frees its blocks. */
    function* dax_disassociate_entry(page: Page): Steps<void> {
      yield* step('dax_disassociate_entry', s => {
        if (s.get(page.life) !== BUSY) return
        const pages = folio_pages(s, page_folio(s, page))
        for (const p of pages) {
          reset(s, p)
          s.warn(page_ref_count(s, p) !== 0, 'warn', `dax_folio_reset_order(): page ${p.index} is in use`)
          file_free(s, p)
        }
      })
    }

    function* truncate(index: number): Steps<void> {
      const mounted = yield* step('open', s => {
        if (s.get(unmounted) === 1) return false
        s.add(open_files, 1)
        return true
      })
      if (!mounted) return
      const entry = tasks.get(`truncate[${index}]`)!
      yield* lock_layout()
      yield* repeat(break_layout, entry, true)
      for (const page of extent) yield* dax_disassociate_entry(page)
      yield* unlock_layout()
      yield* step('close', s => s.add(open_files, -1))
    }

    function* exit_mmap(): Steps<void> {
      for (const address of mm.addresses) yield* call(zap, address)
      yield* step('unlink_file_vma', s => {
        if (mm.addresses.every(a => s.get(a.pte) === PTE_NONE) && s.get(readers) === 0) s.set(i_mmap, 0)
      })
    }

    /** Unmounts the file system, which waits for its pages (dax_break_layout_final()), then unbinds the driver. */
    function* unbind(): Steps<void> {
      yield* step('umount', s => {
        s.wait(s.get(i_mmap) === 0 && s.get(open_files) === 0)
        s.set(unmounted, 1)
      })
      yield* repeat(break_layout, tasks.get('unbind')!, false)
      for (const page of extent) yield* dax_disassociate_entry(page)
      yield* fsdev_unbind()
    }

    /** Unbinds the driver while the file system is still mounted. */
    function* unplug(): Steps<void> {
      yield* fsdev_unbind()
    }

    /** devres undoes the driver's setup in reverse order: kill_dev_dax(), the state of all folios, the pagemap. */
    function* fsdev_unbind(): Steps<void> {
      yield* step('kill_dax', s => s.set(alive, 0))
      if (fixes.has('fsdev_waits_for_pages')) yield* wait_for_pages()
      for (const page of pgmap.pages) yield* fsdev_clear_folio_state(page)
      yield* memunmap_pages(pgmap)
    }

    /** What the driver would have to wait for: no fault is in progress that may still map, and nobody holds a page. */
    function* wait_for_pages(): Steps<void> {
      const entry = tasks.get('unbind')!
      yield* lock_layout()
      yield* repeat(break_layout, entry, true)
      for (const page of extent) yield* dax_disassociate_entry(page)
      yield* unlock_layout()
    }

    /** Resets the state of a page's folio, even if it is mapped or pinned. */
    function* fsdev_clear_folio_state(page: Page): Steps<void> {
      yield* step('fsdev_clear_folio_state', s => {
        const folio = page_folio(s, page)
        if (folio_order(s, folio) === 0) return
        for (const p of folio_pages(s, folio)) reset(s, p)
      })
    }

    /** The page that an address maps; undefined if none. If address 0 maps a folio of two pages, either of them, by choice. */
    function mapped_page(s: Shared, address: Address): Page | undefined {
      const folio = pte_page(address, s.get(address.pte))
      if (!folio) return undefined
      page_exists(s, folio)
      if (folio_order(s, folio) === 0) return folio
      return address.index % 2 === 1 ? extent[1] : extent[s.choose(2)]
    }

    /** gup_fast_pmd_leaf(), gup_fast_pte_range(): try_get_folio() checks that the page is still part of the folio it got. */
    function* gup_fast(address: Address, irqs_off: Cell): Steps<Page | undefined> {
      const page = yield* step('gup_fast_pmd_leaf', s => {
        const page = mapped_page(s, address)
        if (page) s.set(irqs_off, 1)
        return page
      })
      if (!page) return undefined
      const folio = yield* step('page_folio', s => page_folio(s, page), 'plain')
      const taken = yield* step('try_get_folio', s => page_ref_add_unless_zero(s, folio))
      const same =
        taken &&
        (yield* step(
          'pmd_same',
          s => page_folio(s, page) === folio && pte_page(address, s.get(address.pte)) === folio,
          'plain',
        ))
      if (taken && !same) yield* call(folio_put, folio)
      yield* step('local_irq_restore', s => s.set(irqs_off, 0))
      return same ? page : undefined
    }

    function* follow_page(address: Address): Steps<Page | undefined> {
      return yield* step('follow_pmd_mask', s => {
        const page = mapped_page(s, address)
        return page && try_get_page(s, page_folio(s, page)) ? page : undefined
      })
    }

    const irqs_off = mm.addresses.map((_, i) => irqs_off_cell(kernel, i))
    function* gup(index: number): Steps<void> {
      const address = at(index)
      const page = (yield* call(gup_fast, address, irqs_off[index % irqs_off.length]!)) ?? (yield* follow_page(address))
      if (!page) return
      yield* touch_page(page, 'DMA')
      // unpin_user_page() puts the folio that the page is part of by now, which may be another.
      yield* call(folio_put, page)
    }

    return {
      ops: {},
      roles: {
        fault: { body: dax_iomap_fault, times: 2 },
        gup: { body: gup, times: 2, finishes: true },
        truncate: { body: truncate, times: 1, finishes: true, prepare: i => sleeps(`truncate[${i}]`) },
        exit: { body: exit_mmap, finishes: true, assumes: MAPPINGS_GO_AWAY },
        unbind: { body: unbind, times: 1, finishes: true, prepare: () => sleeps('unbind') },
        unplug: { body: unplug, times: 1, finishes: true, prepare: () => sleeps('unbind') },
      },
      threads: { fault: 1, gup: 1, exit: 1, unbind: 1 },
      scenarios: {
        'users only': { fault: 1, gup: 1, truncate: 1, exit: 1 },
        'unguarded unplug': { fault: 1, gup: 1, exit: 1, unplug: 1 },
      },
    }
  },
})
