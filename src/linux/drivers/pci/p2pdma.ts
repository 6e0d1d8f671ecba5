// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drivers/pci/p2pdma.c: memory of a PCI BAR behind a gen_pool. Each allocation, by the kernel or by mmap, holds the
 * pagemap's ref besides the reference that memremap_pages() took for the page. One page for each mmap.
 *
 * The pool itself is destroyed after memunmap_pages(), when no reader of `pdev->p2pdma` is left (RCU). Until then kernel
 * users can allocate from it, and give a page back untouched if they find the ref killed.
 */
import { call, cell, type Shared, type Steps, step } from '../../../checker/index.ts'
import { driver } from '../../driver.ts'
import { irqs_off_cell, pin_user_page } from '../../mm/gup.ts'
import { vm_insert_page, zap_pte } from '../../mm/memory.ts'
import {
  memunmap_pages,
  percpu_ref_get,
  percpu_ref_put_many,
  percpu_ref_tryget_live,
  put_page,
  warn_if_dying,
} from '../../mm/memremap.ts'
import { idle_count } from '../../mm/page_count.ts'
import { page_ref_count, page_ref_set, page_ref_set_freed, touch_page } from '../../mm/page_ref.ts'
import { probe_page } from '../../mm/trace_events.ts'
import { page_bitmap } from '../../page_list.ts'
import { type Address, GONE, type Kernel, MAPPINGS_GO_AWAY, type Page } from '../../types.ts'

export default driver({
  name: 'p2pdma',
  type: 'PCI_P2PDMA',
  protocols: ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G'],
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: the functions of a driver share its locks and counters, which are local.
  setup(kernel: Kernel) {
    const { pgmap, mm, protocol, fixes } = kernel
    const pool = page_bitmap(kernel)
    // The sysfs file that users map: the number of callers inside its mmap(), and whether the file was removed.
    const active = cell('kernfs.active', { max: kernel.threads })
    const deactivated = cell('kernfs.deactivated', { max: 1 })
    kernel.cells.push(active, deactivated)
    const at = (index: number) => mm.addresses[index % mm.addresses.length]!
    // Before 6.2 users could not map this memory, and there was no page_free().
    const mmappable = ['E', 'F', 'G'].includes(protocol.id)
    const zero_based = idle_count(pgmap) === 0

    /** @param used true if the caller will own the page even if it does not get the ref */
    function* gen_pool_alloc_owner(used = true): Steps<Page | undefined> {
      return yield* step('gen_pool_alloc_owner', s => pool.pop(s, used))
    }

    function* gen_pool_free(page: Page, used = true): Steps<void> {
      yield* step('gen_pool_free', s => {
        if (used && s.get(pgmap.state) === GONE)
          s.fail(
            'pagemap-gone',
            `gen_pool_free() of page ${page.index} after its pagemap was removed, and soon the pool`,
          )
        pool.push(s, page, used)
      })
    }

    /** Warns if the page came from the pool with an unexpected count, then gives it one reference for its first owner. */
    function init_count(s: Shared, page: Page): void {
      const expected = fixes.has('p2pdma_warns_at_nonzero') ? 0 : 1
      s.warn(
        page_ref_count(s, page) !== expected,
        'warn',
        `VM_WARN_ON: page ${page.index} came from the pool with a count`,
      )
      page_ref_set(s, page, 1)
    }

    /** kernfs_fop_mmap(): removal of the file waits for callers that are inside, and refuses later ones. */
    function* kernfs_fop_mmap(index: number): Steps<void> {
      const entered = yield* step('kernfs_get_active', s => {
        if (s.get(deactivated) === 1) return false
        s.add(active, 1)
        return true
      })
      if (!entered) return
      yield* p2pmem_alloc_mmap(index)
      yield* step('kernfs_put_active', s => s.add(active, -1))
    }

    /** Takes the ref, from which point on the page is the caller's. @param unseen the page, if no probe has shown it yet */
    function* percpu_ref_tryget_live_rcu(unseen?: Page): Steps<boolean> {
      return yield* step('percpu_ref_tryget_live', s => {
        if (!percpu_ref_tryget_live(s, pgmap)) return false
        warn_if_dying(s, pgmap)
        if (unseen) probe_page(s, 'lastput_alloc', unseen)
        return true
      })
    }

    function* p2pmem_alloc_mmap(index: number): Steps<void> {
      const page = yield* gen_pool_alloc_owner()
      if (!page) return
      if (!(yield* percpu_ref_tryget_live_rcu())) return yield* gen_pool_free(page)
      if (zero_based) yield* step('set_page_count', s => init_count(s, page), 'plain')
      if (!(yield* vm_insert_page(at(index), page))) return yield* undo_mmap(page)
      yield* step('percpu_ref_get', s => percpu_ref_get(s, pgmap))
      yield* call(put_page, page)
      yield* percpu_ref_put_many(pgmap, 1)
    }

    /** The error path of the kernel, which frees the page to the pool before it resets the count; up to 6.18 it never does. */
    function* undo_mmap(page: Page): Steps<void> {
      if (zero_based && fixes.has('p2pdma_error_puts_page')) return yield* call(put_page, page)
      yield* gen_pool_free(page)
      if (zero_based && fixes.has('p2pdma_error_resets_count'))
        yield* step(
          'set_page_count',
          s => page_ref_set_freed(s, page, 0, 'set_page_count(page, 0) of the error path'),
          'plain',
        )
      if (fixes.has('p2pdma_error_puts_ref')) yield* percpu_ref_put_many(pgmap, 1)
    }

    function* p2pdma_page_free(page: Page): Steps<void> {
      yield* gen_pool_free(page)
      yield* percpu_ref_put_many(pgmap, 1)
    }

    /** A kernel user, such as NVMe's submission queue, which takes the pagemap's ref and does not touch page counts. */
    function* pci_alloc_p2pmem(): Steps<void> {
      const page = yield* gen_pool_alloc_owner(false)
      if (!page) return
      const live = yield* percpu_ref_tryget_live_rcu(page)
      if (live) yield* touch_page(page, 'DMA of a kernel user')
      yield* gen_pool_free(page, live)
      if (live) yield* percpu_ref_put_many(pgmap, 1)
    }

    function* exit_mmap(): Steps<void> {
      for (const address of mm.addresses) yield* call(zap_pte, address)
    }

    function* unbind(): Steps<void> {
      if (mmappable) yield* pci_p2pdma_unmap_mappings()
      yield* memunmap_pages(pgmap)
    }

    /** Removal of the file waits for calls of mmap() in progress, then unmaps what they have mapped (kernfs_drain()). */
    function* pci_p2pdma_unmap_mappings(): Steps<void> {
      yield* step('kernfs_deactivate', s => s.set(deactivated, 1))
      yield* step('kernfs_drain', s => s.wait(s.get(active) === 0))
      for (const address of mm.addresses) yield* call(zap_pte, address)
    }

    const irqs_off = mm.addresses.map((_: Address, i) => irqs_off_cell(kernel, i))
    function* gup(index: number): Steps<void> {
      yield* pin_user_page(at(index), irqs_off[index % irqs_off.length]!)
    }

    return {
      ops: mmappable ? { page_free: p2pdma_page_free } : {},
      roles: {
        alloc: { body: pci_alloc_p2pmem },
        ...(mmappable ? { mmap: { body: kernfs_fop_mmap, times: 2, finishes: true } } : {}),
        gup: { body: gup, times: 2, finishes: true },
        exit: { body: exit_mmap, finishes: true, assumes: MAPPINGS_GO_AWAY },
        unbind: { body: unbind, times: 1, finishes: true },
      },
      threads: mmappable ? { mmap: 2, exit: 1, unbind: 1 } : { alloc: 2, gup: 1, unbind: 1 },
      // mmap and exit race for pages, mmap and gup for references. All three at once add states, but no other race.
      ...(mmappable
        ? {
            scenarios: {
              'mappings stay': { mmap: 2, gup: 1, unbind: 1 },
              pinned: { mmap: 1, gup: 1, exit: 1, unbind: 1 },
              'users only': { mmap: 2, gup: 1, exit: 1 },
              'kernel users': { mmap: 1, gup: 1, alloc: 1, exit: 1 },
            },
          }
        : {}),
    }
  },
})
