// SPDX-License-Identifier: GPL-2.0-or-later
import type { Steps } from '../../checker/index.ts'
import { wake_up_var } from '../kernel/sched/wait_bit.ts'
import { driver_owned, page_free, put_dev_pagemap } from '../mm/memremap.ts'
import { page_ref_dec_and_test, set_page_count } from '../mm/page_ref.ts'
import type { Page, Protocol } from '../types.ts'
import { E } from './e.ts'

export const F: Protocol = {
  ...E,
  id: 'F',
  name: 'zero-based',
  where: '6.15 to 6.18 (b7e282378773 and the fs/dax series)',
  last_release: '6.18',
  words:
    'Free pages have count 0, but GENERIC keeps 1. DAX takes a reference for each mapping, and P2PDMA sets 1 on allocation. ' +
    'The put to 0 calls page_free(); FS_DAX wakes waiters at 0; GENERIC goes back to 1. ' +
    'PRIVATE and COHERENT pages in use hold the pagemap as in E.',
  pte_holds_reference: () => true,
  dax_maps_with_devmap: false,

  *put_page(page: Page): Steps<void> {
    if (!(yield* page_ref_dec_and_test(page))) return
    if (page.pgmap.type === 'GENERIC') return yield* set_page_count(page, 1)
    yield* page.pgmap.type === 'FS_DAX' ? wake_up_var(page) : page_free(page)
    if (driver_owned(page.pgmap)) yield* put_dev_pagemap(page.pgmap)
  },
}
