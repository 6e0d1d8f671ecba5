// SPDX-License-Identifier: GPL-2.0-or-later
import { type Steps, step } from '../../checker/index.ts'
import {
  driver_owned,
  lock_page,
  memunmap_without_pages,
  page_free,
  percpu_ref_tryget_live,
  put_dev_pagemap,
} from '../mm/memremap.ts'
import { page_ref_dec_and_test, set_page_count } from '../mm/page_ref.ts'
import type { Page, Protocol } from '../types.ts'
import { put_devmap_managed_page, reset_after_free } from './d.ts'

export const E: Protocol = {
  id: 'E',
  name: 'zero-based-private',
  where: '6.1 to 6.14 (ef233450898f, 0dc45ca1ce18; checked in 6.12)',
  last_release: '6.14',
  words:
    'Free PRIVATE and COHERENT pages have count 0. zone_device_page_init() warns unless the pagemap is live, takes a reference on it, and sets 1. ' +
    'The put to 0 calls page_free() and then drops the pagemap reference, so memunmap_pages() waits for every page in use. ' +
    'Other types are as in D.',
  pte_holds_reference: type => type !== 'FS_DAX' && type !== 'GENERIC',
  pgmap_refs_per_page: type => (type === 'PRIVATE' || type === 'COHERENT' ? 0 : 1),
  busy_page_holds_pgmap: type => type === 'PRIVATE' || type === 'COHERENT' || type === 'PCI_P2PDMA',
  dax_maps_with_devmap: true,
  migrate_check_is_blind: false,

  *put_page(page: Page): Steps<void> {
    if (page.pgmap.type === 'FS_DAX') yield* put_devmap_managed_page(page)
    else if (yield* page_ref_dec_and_test(page)) {
      yield* page_free(page)
      // The kernel reads page->pgmap only here, after the callback, when the page may have been handed out again. That is
      // harmless as long as the field does not change: the pagemap stays the same, and no page is ever the tail of a folio,
      // whose link to its head shares the field's place (see bug 9). The pagemap cannot be removed before this put.
      if (driver_owned(page.pgmap)) yield* put_dev_pagemap(page.pgmap)
      else yield* reset_after_free(page)
    }
  },

  *init_page(page: Page): Steps<void> {
    yield* step(
      'percpu_ref_tryget_live',
      s => s.warn(!percpu_ref_tryget_live(s, page.pgmap), 'warn', 'zone_device_page_init(): the pagemap is dying'),
      'plain',
    )
    yield* set_page_count(page, 1)
    yield* lock_page(page)
  },

  memunmap_pages: memunmap_without_pages,
}
