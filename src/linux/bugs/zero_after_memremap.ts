// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A question in the mails of September 2020: memremap_pages() leaves its pages with a count of one, and a driver that wants
 * zero sets that page by page with set_page_count(). That is a plain store, while pages can be found by pfn from
 * memremap_pages() on.
 */
import { call, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import { put_page } from '../mm/memremap.ts'
import { idle_count } from '../mm/page_count.ts'
import { get_page_unless_zero, set_page_count } from '../mm/page_ref.ts'
import { file_free } from '../page_list.ts'
import type { Kernel, Page } from '../types.ts'

export const zero_after_memremap = driver({
  name: 'zero_after_memremap',
  type: 'PRIVATE',
  protocols: ['C', "C'"],
  setup({ pgmap }: Kernel) {
    function* probe(): Steps<void> {
      yield* step('memremap_pages', () => undefined)
      if (idle_count(pgmap) === 1) for (const page of pgmap.pages) yield* set_page_count(page, 0)
    }

    function* pfn_walker(): Steps<void> {
      const page = pgmap.pages[0]!
      if (yield* get_page_unless_zero(page)) yield* call(put_page, page)
    }

    function* page_free(page: Page): Steps<void> {
      yield* step('page_free', s => file_free(s, page))
    }

    return {
      ops: { page_free },
      roles: { probe: { body: probe, times: 1 }, 'pfn-walker': { body: pfn_walker, times: 1 } },
      threads: { probe: 1, 'pfn-walker': 1 },
    }
  },
})
