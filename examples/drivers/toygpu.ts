// SPDX-License-Identifier: GPL-2.0-or-later
/** The tutorial's driver, mended: whatever page_free() has to do to the page it does before it files it; with a rule of its own. */

import type { Kernel, Page } from 'lastput/linux'
import { cells, device_private, driver, page_list, type Steps, step, zone_device_page_init } from 'lastput/linux'

export default driver({
  name: 'toygpu',
  type: 'PRIVATE',
  protocols: ['E', 'F', 'G'],
  setup(kernel: Kernel) {
    const free_pages = page_list(kernel)
    const owner = cells(kernel.page_sort, 'owner', { max: 1 })
    kernel.cells.push(...owner)

    function* toygpu_alloc_page(): Steps<Page | undefined> {
      const page = yield* step('toygpu_alloc_page', s => {
        const page = free_pages.pop(s)
        if (!page) return undefined
        s.warn(s.get(owner[page.index]!) === 1, 'toygpu-owner', `page ${page.index} still has an owner`)
        s.set(owner[page.index]!, 1)
        return page
      })
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function* toygpu_page_free(page: Page): Steps<void> {
      yield* step('clear owner', s => s.set(owner[page.index]!, 0))
      yield* step('toygpu_page_free', s => free_pages.push(s, page))
    }

    return device_private(kernel, {
      alloc_page: toygpu_alloc_page,
      page_free: toygpu_page_free,
      clear: free_pages.clear,
      evicts: true,
    })
  },
})
