// SPDX-License-Identifier: GPL-2.0-or-later
import { type Shared, type Steps, step } from '../../checker/index.ts'
import { lock_page, percpu_ref_tryget_many } from '../mm/memremap.ts'
import { page_ref_count, set_page_count } from '../mm/page_ref.ts'
import type { Page, Protocol } from '../types.ts'
import { F } from './f.ts'

export const G: Protocol = {
  ...F,
  id: 'G',
  name: 'zero-based-folio',
  where: '6.19 and later (checked in 7.3)',
  last_release: '7.3',
  words:
    'As F, with folios of several pages: zone_device_page_init() resets what an earlier larger folio left, ' +
    'takes 1 << order references on the pagemap with percpu_ref_tryget_many(), which fails only once it has drained, and sets 1. ' +
    'The put to 0 calls folio_free(), and then drops as many references as the folio had pages.',

  *init_page(page: Page): Steps<void> {
    const init = (s: Shared) => {
      s.warn(page_ref_count(s, page) !== 0, 'warn', `VM_WARN_ON_FOLIO: page ${page.index} is handed out in use`)
      s.warn(!percpu_ref_tryget_many(s, page.pgmap, 1), 'warn', 'zone_device_page_init(): the pagemap has drained')
    }
    yield* step('zone_device_page_init', init, 'plain')
    yield* set_page_count(page, 1)
    yield* lock_page(page)
  },
}
