// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * fs/dax.c and ext4's use of it: a file whose blocks are device pages. Address i maps file page i; a page is busy while its
 * block belongs to the file. Not modelled: the entry lock except for writeback (the file's invalidate lock orders the
 * others), PMD entries, reflink, and signals, which end a truncate's sleep early.
 */
import { AGAIN, type Cell, call, cell, repeat, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import { prepare_to_wait, schedule, wait_entry, wake_up_var } from '../kernel/sched/wait_bit.ts'
import { irqs_off_cell, pin_user_page } from '../mm/gup.ts'
import { copy_pte, zap_pte } from '../mm/memory.ts'
import { memunmap_pages, put_page, warn_if_dying } from '../mm/memremap.ts'
import { idle_count } from '../mm/page_count.ts'
import { page_exists, page_ref_count, page_ref_get_idle, page_ref_inc } from '../mm/page_ref.ts'
import { mapcount, mk_pte, PTE_NONE, pte_page } from '../mm/pgtable.ts'
import { file_free, hand_out } from '../page_list.ts'
import { type Address, BUSY, IDLE, type Kernel, MAPPINGS_GO_AWAY, type Page } from '../types.ts'

export default driver({
  name: 'fsdax',
  type: 'FS_DAX',
  protocols: ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G'],
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: the functions of a driver share its locks and counters, which are local.
  setup(kernel: Kernel) {
    const { pgmap, mm, protocol, fixes } = kernel
    const readers = cell('invalidate_lock.readers', { max: kernel.threads })
    // A waiting writer keeps new readers out, as in a rw_semaphore. Otherwise faults could delay truncate for ever.
    const writer = cell('invalidate_lock.writer', { max: 1 })
    const i_mmap = cell('i_mmap', { max: 1, show: v => (v ? 'mapped' : 'not mapped') })
    const unmounted = cell('unmounted', { max: 1 })
    const open_files = cell('open_files', { max: kernel.threads })
    kernel.cells.push(readers, writer, i_mmap, unmounted, open_files)

    const at = (index: number) => mm.addresses[index % mm.addresses.length]!
    const page_of = (address: Address) => pgmap.pages[address.index % pgmap.pages.length]!
    const counted = protocol.pte_holds_reference('FS_DAX')
    const idle = fixes.has('dax_waits_for_zero') ? 0 : idle_count(pgmap)
    const unmaps_again = fixes.has('layout_break_unmaps_again')
    // One wait queue entry for each task that may wait for pages.
    const tasks = new Map<string, Cell>()
    const sleeps = (task: string) => {
      if (!tasks.has(task)) tasks.set(task, wait_entry(kernel, task))
    }

    /** dax_iomap_pte_fault(): finds or allocates the block and maps it; from 6.15 with a reference for the entry. */
    function* dax_iomap_pte_fault(index: number): Steps<void> {
      const address = at(index)
      const page = page_of(address)
      const mounted = yield* step('filemap_invalidate_lock_shared', s => {
        if (s.get(unmounted) === 1) return false
        s.wait(s.get(writer) === 0)
        s.add(readers, 1)
        s.set(i_mmap, 1)
        return true
      })
      if (!mounted) return
      yield* step('iomap_begin', s => {
        if (s.get(page.life) !== IDLE) return
        warn_if_dying(s, pgmap)
        hand_out(s, page)
      })
      if (counted) yield* step('folio_ref_inc', s => page_ref_get_idle(s, page))
      yield* step('vmf_insert_page_mkwrite', s => {
        if (s.get(address.pte) !== PTE_NONE) return
        page_exists(s, page)
        if (counted) page_ref_inc(s, page)
        s.set(address.pte, mk_pte(page))
      })
      if (counted && unmaps_again) yield* wake_up_var(page)
      if (counted) yield* call(put_page, page)
      yield* step('filemap_invalidate_unlock_shared', s => s.add(readers, -1))
    }

    // The lock of a page's entry in the file's xarray. Only writeback takes it without holding the invalidate lock.
    const entry_lock = new Map<Page, Cell>()
    const locks_entries = () => {
      for (const page of pgmap.pages) {
        const lock = cell(`entry[${page.index}].locked`, {
          max: 1,
          of: [{ sort: kernel.page_sort, index: page.index }],
        })
        kernel.cells.push(lock)
        entry_lock.set(page, lock)
      }
    }

    function* dax_writeback_one(index: number): Steps<void> {
      const lock = entry_lock.get(page_of(at(index)))!
      yield* step('dax_lock_entry', s => s.set(lock, 1))
      yield* step('dax_unlock_entry', s => s.set(lock, 0))
    }

    /** Unmaps the page everywhere, in parents before children: fork keeps that order in the mapping's tree. */
    function* unmap_mapping_pages(page: Page): Steps<void> {
      for (const address of mm.addresses) {
        const unmapped = yield* step('zap_pte_range', s => {
          if (pte_page(address, s.get(address.pte)) !== page) return false
          s.set(address.pte, PTE_NONE)
          return true
        })
        if (unmapped && counted) yield* call(put_page, page)
      }
    }

    /** Unmaps the page; returns true if somebody else still holds it. */
    function* dax_layout_busy_page(page: Page): Steps<boolean> {
      if (!fixes.has('layout_break_sees_unmapped') && (yield* step('mapping_mapped', s => s.get(i_mmap) === 0)))
        return false
      yield* unmap_mapping_pages(page)
      const lock = entry_lock.get(page)
      return yield* step('dax_busy_page', s => {
        const locked = lock !== undefined && s.get(lock) === 1
        if (fixes.has('busy_page_waits_for_entry')) s.wait(!locked)
        else if (locked) return false
        const mapped = counted ? mapcount(s, page) : 0
        return page_ref_count(s, page) - mapped !== idle
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

    /** One round of dax_break_layout(), or ext4_break_layouts() up to 6.14: unmaps the page, then waits until nobody holds it. */
    function* break_layout(page: Page, entry: Cell): Steps<typeof AGAIN | undefined> {
      if (!(yield* dax_layout_busy_page(page))) return undefined
      yield* repeat(wait_page_idle, page, entry)
      return AGAIN
    }

    /**
     * One round of ___wait_var_event() with ext4_wait_dax_page() or xfs_wait_dax_page(). The task sleeps without the
     * invalidate lock, so that faults can proceed, and checks the count again with the lock. It does not unmap again what the
     * faults have mapped.
     */
    function* wait_page_idle(page: Page, entry: Cell): Steps<typeof AGAIN | undefined> {
      if (yield* prepare_to_wait(entry, page, s => page_ref_count(s, page) === idle)) return undefined
      yield* unlock_layout()
      yield* schedule(entry)
      yield* lock_layout()
      return unmaps_again ? undefined : AGAIN
    }

    /** One round of dax_break_layout_final() (from 6.15), which holds no lock, since nobody uses the file any more. */
    function* break_layout_final(page: Page, entry: Cell): Steps<typeof AGAIN | undefined> {
      if (!(yield* dax_layout_busy_page(page))) return undefined
      yield* repeat(wait_page_idle_uninterruptible, page, entry)
      return AGAIN
    }

    function* wait_page_idle_uninterruptible(page: Page, entry: Cell): Steps<typeof AGAIN | undefined> {
      if (yield* prepare_to_wait(entry, page, s => page_ref_count(s, page) === idle)) return undefined
      yield* schedule(entry)
      return AGAIN
    }

    function* free_block(page: Page): Steps<void> {
      yield* step('dax_delete_mapping_entry', s => {
        if (s.get(page.life) !== BUSY) return
        s.warn(
          page_ref_count(s, page) !== idle,
          'warn',
          `WARN_ON in dax_disassociate_entry(): page ${page.index} is in use`,
        )
        file_free(s, page)
      })
    }

    function* truncate(index: number): Steps<void> {
      const page = page_of(at(index))
      const mounted = yield* step('open', s => {
        if (s.get(unmounted) === 1) return false
        s.add(open_files, 1)
        return true
      })
      if (!mounted) return
      yield* lock_layout()
      yield* repeat(break_layout, page, tasks.get(`truncate[${index}]`)!)
      yield* free_block(page)
      yield* unlock_layout()
      yield* step('close', s => s.add(open_files, -1))
    }

    function* exit_mmap(): Steps<void> {
      for (const address of mm.addresses) yield* call(zap_pte, address)
      yield* step('unlink_file_vma', s => {
        if (mm.addresses.every(a => s.get(a.pte) === PTE_NONE) && s.get(readers) === 0) s.set(i_mmap, 0)
      })
    }

    /** Evicts the inode, from 6.15 after a wait for its busy pages (dax_break_layout_final()), then removes the device. */
    function* unbind(): Steps<void> {
      yield* step('umount', s => {
        s.wait(s.get(i_mmap) === 0 && s.get(open_files) === 0)
        s.set(unmounted, 1)
      })
      for (const page of pgmap.pages) {
        if (counted) yield* repeat(break_layout_final, page, tasks.get('unbind')!)
        yield* free_block(page)
      }
      yield* memunmap_pages(pgmap)
    }

    /** Removes the pmem device while the file system is still mounted. */
    function* unplug(): Steps<void> {
      yield* memunmap_pages(pgmap)
    }

    function* fork(index: number): Steps<void> {
      yield* copy_pte(at(index), at(index + 1))
    }

    const irqs_off = mm.addresses.map((_, i) => irqs_off_cell(kernel, i))
    function* gup(index: number): Steps<void> {
      yield* pin_user_page(at(index), irqs_off[index % irqs_off.length]!)
    }

    return {
      ops: {},
      roles: {
        fault: { body: dax_iomap_pte_fault, times: 2 },
        gup: { body: gup, times: 2, finishes: true },
        truncate: { body: truncate, times: 1, finishes: true, prepare: i => sleeps(`truncate[${i}]`) },
        exit: { body: exit_mmap, finishes: true, assumes: MAPPINGS_GO_AWAY },
        fork: { body: fork },
        writeback: { body: dax_writeback_one, times: 1, prepare: i => i === 0 && locks_entries() },
        unbind: {
          body: unbind,
          times: 1,
          finishes: true,
          prepare: () => {
            if (counted) sleeps('unbind')
          },
        },
        unplug: { body: unplug, times: 1 },
      },
      threads: { fault: 1, gup: 1, truncate: 1, exit: 1, unbind: 1 },
      scenarios: {
        'mappings stay': { fault: 1, gup: 1, truncate: 1 },
        'users only': { fault: 2, gup: 1, truncate: 1, fork: 1, exit: 1 },
        'unguarded unplug': { fault: 1, gup: 1, exit: 1, unplug: 1 },
      },
    }
  },
})
