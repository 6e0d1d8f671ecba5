// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drm_pagemap_migrate_to_devmem(): pages of device memory are looked up all at once, but initialized one after the other,
 * with copies in between. When a copy fails, the error path unlocks and puts all pages, also those that are not yet locked
 * and referenced.
 */
import { type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import { put_page, unlock_page, zone_device_page_init } from '../mm/memremap.ts'
import { file_free, hand_out } from '../page_list.ts'
import { IDLE, type Kernel, type Page } from '../types.ts'

export const drm_pagemap_error = driver({
  name: 'drm_pagemap_error',
  type: 'PRIVATE',
  protocols: ['G'],
  setup({ pgmap, fixes }: Kernel) {
    function* drm_pagemap_migrate_to_devmem(): Steps<void> {
      const populated = yield* step('populate_devmem_pfn', s => {
        if (pgmap.pages.some(p => s.get(p.life) !== IDLE)) return false
        for (const page of pgmap.pages) hand_out(s, page)
        return true
      })
      if (!populated) return
      const ready: Page[] = []
      for (const page of pgmap.pages) {
        yield* zone_device_page_init(page)
        ready.push(page)
        if (yield* step('copy_to_devmem', s => s.choose(2) === 1)) break
      }
      for (const page of fixes.has('drm_error_puts_what_it_made') ? ready : pgmap.pages) {
        yield* unlock_page(page)
        yield* put_page(page)
      }
      for (const page of pgmap.pages.filter(p => !ready.includes(p)))
        yield* step('devmem_release', s => file_free(s, page))
    }

    function* page_free(page: Page): Steps<void> {
      yield* step('drm_pagemap_page_free', s => file_free(s, page))
    }

    return {
      ops: { page_free },
      roles: { migrate: { body: drm_pagemap_migrate_to_devmem, times: 1, finishes: true } },
      threads: { migrate: 1 },
    }
  },
})
