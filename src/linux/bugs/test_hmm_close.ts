// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * lib/test_hmm.c: a device page in use points to the `struct dmirror` of the open file for which it was migrated, and a CPU
 * fault on it uses that structure. close() frees it while the process still maps the page. From 2026 on, close() first evicts
 * all pages, once.
 */
import { call, cell, type Shared, type Steps, step } from '../../checker/index.ts'
import { device_private } from '../device_private.ts'
import { driver } from '../driver.ts'
import { zone_device_page_init } from '../mm/memremap.ts'
import { migrate_device_pfn, migrate_vma_to_ram } from '../mm/migrate_device.ts'
import { page_list } from '../page_list.ts'
import type { Fault, Kernel, Page, VmFault } from '../types.ts'

export const test_hmm_close = driver({
  name: 'test_hmm_close',
  type: 'PRIVATE',
  protocols: ['G'],
  setup(kernel: Kernel) {
    const { pages } = kernel.pgmap
    const free_pages = page_list(kernel)
    const freed = cell('dmirror', { max: 1, show: v => (v ? 'freed' : 'there') })
    kernel.cells.push(freed)

    // With the proposed change, the dmirror is freed when the file is closed and no page points to it any more.
    const counted = kernel.fixes.has('test_hmm_pages_hold_dmirror')
    const refs = cell('dmirror->refs', { max: pages.length + 1, init: 1 })
    if (counted) kernel.cells.push(refs)

    function put_dmirror(s: Shared): void {
      if (!counted || s.add(refs, -1) === 0) s.set(freed, 1)
    }

    function* alloc_page(): Steps<Page | undefined> {
      const page = yield* step('dmirror_devmem_alloc_page', s => {
        const page = free_pages.pop(s)
        if (page && counted) s.add(refs, 1)
        return page
      })
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function* dmirror_devmem_free(page: Page): Steps<void> {
      yield* step('dmirror_devmem_free', s => {
        free_pages.push(s, page)
        if (counted) put_dmirror(s)
      })
    }

    function* dmirror_devmem_fault(fault: Fault): Steps<VmFault> {
      yield* step('dmirror = rpage->zone_device_data', s => {
        if (s.get(freed) === 1)
          s.fail('use-after-close', 'dmirror_devmem_fault() uses a dmirror that close() has freed')
      })
      yield* migrate_vma_to_ram(fault)
      return 'retry'
    }

    function* dmirror_fops_release(): Steps<void> {
      // No ioctl is in progress here, since each holds a reference on the file.
      if (kernel.fixes.has('test_hmm_close_evicts')) yield* dmirror_device_evict_chunk()
      yield* step('kfree(dmirror)', s => put_dmirror(s))
    }

    function* dmirror_device_evict_chunk(): Steps<void> {
      for (const page of pages) yield* call(migrate_device_pfn, page)
    }

    const parts = device_private(kernel, {
      alloc_page,
      page_free: dmirror_devmem_free,
      migrate_to_ram: dmirror_devmem_fault,
      clear: free_pages.clear,
      evicts: true,
    })
    /** The ioctl, then the last put of the file. */
    function* migrate_and_close(index: number): Steps<void> {
      yield* parts.roles['migrate-unguarded']!.body(index)
      yield* dmirror_fops_release()
    }
    return {
      ...parts,
      roles: { ...parts.roles, 'migrate-and-close': { body: migrate_and_close, times: 1, finishes: true } },
      threads: { 'migrate-and-close': 1, fault: 1 },
    }
  },
})
