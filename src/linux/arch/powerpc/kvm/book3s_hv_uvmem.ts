// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * arch/powerpc/kvm/book3s_hv_uvmem.c: secure memory of POWER guests. A bitmap for all guests under one spinlock; each page in
 * use has a `pvt` in zone_device_data. `uvmem_lock` is not modelled: each guest has one of its own, and exit does not take it, so
 * that it does not order one guest's page_free() against another guest's allocation.
 */
import { type Steps, step } from '../../../../checker/index.ts'
import { device_private } from '../../../device_private.ts'
import { driver } from '../../../driver.ts'
import { zone_device_page_init } from '../../../mm/memremap.ts'
import { touch_freed_page } from '../../../mm/page_ref.ts'
import { page_bitmap } from '../../../page_list.ts'
import type { Kernel, Page } from '../../../types.ts'

export default driver({
  name: 'book3s_hv_uvmem',
  type: 'PRIVATE',
  protocols: ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G'],
  setup(kernel: Kernel) {
    const bitmap = page_bitmap(kernel)

    function* kvmppc_uvmem_get_page(): Steps<Page | undefined> {
      const page = yield* step('kvmppc_uvmem_get_page', s => bitmap.pop(s))
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function* kvmppc_uvmem_page_free(page: Page): Steps<void> {
      yield* kernel.protocol.before_file?.(page) ?? []
      yield* step('bitmap_clear', s => bitmap.push(s, page))
      // The kernel reads the page's pvt and frees it only after it has cleared the bit.
      if (!kernel.fixes.has('uvmem_reads_pvt_first')) yield* touch_freed_page(page, 'pvt = page->zone_device_data')
    }

    return device_private(kernel, {
      alloc_page: kvmppc_uvmem_get_page,
      page_free: kvmppc_uvmem_page_free,
      clear: bitmap.clear,
      evicts: false,
    })
  },
})
