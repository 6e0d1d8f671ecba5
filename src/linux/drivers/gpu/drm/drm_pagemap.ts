// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drivers/gpu/drm/drm_pagemap.c, as xe's SVM uses it (6.16 and later): a page in use holds its `zdd`; so does whoever
 * populates it. The last of them gives the device memory back, so that may be the migrating thread, long after page_free().
 */
import { cells, type Shared, type Steps, step } from '../../../../checker/index.ts'
import { device_private } from '../../../device_private.ts'
import { driver } from '../../../driver.ts'
import { zone_device_page_init } from '../../../mm/memremap.ts'
import { file_free, hand_out } from '../../../page_list.ts'
import type { Kernel, Page } from '../../../types.ts'

export default driver({
  name: 'drm_pagemap',
  type: 'PRIVATE',
  protocols: ['F', 'G'],
  setup(kernel: Kernel) {
    const { pages } = kernel.pgmap
    const zdd = cells(kernel.page_sort, 'zdd->refcount', { max: 2 })
    const removed = cells(kernel.page_sort, 'devmem_removed', { max: 1 })
    kernel.cells.push(...zdd, ...removed)

    function* drm_pagemap_get_devmem_page(): Steps<Page | undefined> {
      const page = yield* step('populate_devmem_pfn', s => {
        const free = pages.filter(p => s.get(zdd[p.index]!) === 0 && s.get(removed[p.index]!) === 0)
        if (free.length === 0) return undefined
        const page = free[s.choose(free.length)]!
        s.set(zdd[page.index]!, 2)
        hand_out(s, page)
        return page
      })
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function drm_pagemap_zdd_put(s: Shared, page: Page): void {
      s.add(zdd[page.index]!, -1)
    }

    function* drm_pagemap_page_free(page: Page): Steps<void> {
      yield* step('drm_pagemap_page_free', s => {
        file_free(s, page)
        drm_pagemap_zdd_put(s, page)
      })
    }

    function* after_migration(page: Page): Steps<void> {
      yield* step('drm_pagemap_zdd_put', s => drm_pagemap_zdd_put(s, page))
    }

    return device_private(kernel, {
      alloc_page: drm_pagemap_get_devmem_page,
      page_free: drm_pagemap_page_free,
      after_migration,
      clear: s => {
        for (const r of removed) s.set(r, 1)
      },
      evicts: true,
    })
  },
})
