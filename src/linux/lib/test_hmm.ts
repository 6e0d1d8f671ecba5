// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * lib/test_hmm.c: device memory that is system memory in disguise. Each device page in use has a backing page `rpage`, an
 * ordinary page with a count of its own, which is what page_free() gives back with __free_page().
 */
import { cells, type Steps, step } from '../../checker/index.ts'
import { device_private } from '../device_private.ts'
import { driver } from '../driver.ts'
import { zone_device_page_init } from '../mm/memremap.ts'
import { page_list } from '../page_list.ts'
import type { Kernel, Page } from '../types.ts'

export default driver({
  name: 'test_hmm',
  type: 'PRIVATE',
  protocols: ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G'],
  setup(kernel: Kernel) {
    const free_pages = page_list(kernel)
    const rpage_refcount = cells(kernel.page_sort, 'rpage->_refcount', { max: 1 })
    kernel.cells.push(...rpage_refcount)

    function* dmirror_devmem_alloc_page(): Steps<Page | undefined> {
      const page = yield* step('dmirror_devmem_alloc_page', s => {
        const page = free_pages.pop(s)
        if (page) s.set(rpage_refcount[page.index]!, 1)
        return page
      })
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function* dmirror_devmem_free(page: Page): Steps<void> {
      yield* kernel.protocol.before_file?.(page) ?? []
      yield* step('dmirror_devmem_free', s => {
        free_pages.push(s, page)
        s.warn(s.add(rpage_refcount[page.index]!, -1) !== 0, 'warn', '__free_page(rpage) does not free it')
      })
    }

    return device_private(kernel, {
      alloc_page: dmirror_devmem_alloc_page,
      page_free: dmirror_devmem_free,
      clear: free_pages.clear,
      evicts: kernel.protocol.pgmap_refs_per_page('PRIVATE') === 0,
    })
  },
})
