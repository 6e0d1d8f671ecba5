// SPDX-License-Identifier: GPL-2.0-or-later
import { type Steps, step } from '../../checker/index.ts'
import { wake_up_var } from '../kernel/sched/wait_bit.ts'
import { lock_page, memunmap_without_pages, page_free } from '../mm/memremap.ts'
import { page_ref_dec_and_test, page_ref_dec_return, page_ref_set_freed } from '../mm/page_ref.ts'
import type { Page, Protocol } from '../types.ts'

/**
 * The core's set_page_count(page, 1) after page_free(), when the page already belongs to the driver again. For types without
 * page_free(), the core has warned, and their pages stay at 0.
 */
export function* reset_after_free(page: Page): Steps<void> {
  if (!page.pgmap.ops.page_free) return
  yield* step('set_page_count', s => page_ref_set_freed(s, page, 1, 'set_page_count(page, 1)'), 'plain')
}

/** FS_DAX pages are one-based from 5.18 to 6.14: the put to 1 wakes those who wait for the page. */
export function* put_devmap_managed_page(page: Page): Steps<void> {
  if ((yield* page_ref_dec_return(page)) === 1) yield* wake_up_var(page)
}

export const D: Protocol = {
  id: 'D',
  name: 'callback-then-reset',
  where: '5.18 to 6.0 (27674ef6c73f)',
  last_release: '6.0',
  words:
    'A free page has count 1, which the driver hands out. The put to 0 calls page_free() and only then sets the count back to 1. ' +
    'FS_DAX stays one-based: the put to 1 wakes who waits for the page. Pages in use hold nothing on the pagemap.',
  pte_holds_reference: type => type !== 'FS_DAX' && type !== 'GENERIC',
  pgmap_refs_per_page: () => 1,
  busy_page_holds_pgmap: type => type === 'PCI_P2PDMA',
  dax_maps_with_devmap: true,
  migrate_check_is_blind: false,

  *put_page(page: Page): Steps<void> {
    if (page.pgmap.type === 'FS_DAX') yield* put_devmap_managed_page(page)
    else if (yield* page_ref_dec_and_test(page)) {
      yield* page_free(page)
      yield* reset_after_free(page)
    }
  },

  *init_page(page: Page): Steps<void> {
    yield* lock_page(page)
  },

  memunmap_pages: memunmap_without_pages,
}
