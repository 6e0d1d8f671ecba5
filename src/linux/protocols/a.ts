// SPDX-License-Identifier: GPL-2.0-or-later
import { call, type Steps } from '../../checker/index.ts'
import { wake_up_var } from '../kernel/sched/wait_bit.ts'
import {
  driver_owned,
  lock_page,
  page_free,
  pageunmap_range,
  percpu_ref_kill,
  put_dev_pagemap,
  put_page,
  wait_for_drain,
} from '../mm/memremap.ts'
import { get_page, page_ref_dec_and_test, page_ref_dec_return } from '../mm/page_ref.ts'
import type { DevPagemap, Page, Protocol } from '../types.ts'

export const A: Protocol = {
  id: 'A',
  name: 'extra-ref',
  where: 'up to 5.17 (checked in 5.10)',
  last_release: '5.17',
  words:
    'Every page keeps one reference of its own from memremap_pages() to memunmap_pages(), so a free page has count 1. ' +
    'The driver takes it from 1 to 2 with get_page(); the put to 1 calls page_free(). ' +
    'memunmap_pages() puts every page once, and each page that reaches 0 gives its reference on the pagemap back, so it waits for all pages of every type.',
  pte_holds_reference: type => type !== 'FS_DAX' && type !== 'GENERIC',
  pgmap_refs_per_page: () => 1,
  busy_page_holds_pgmap: type => type === 'PCI_P2PDMA',
  dax_maps_with_devmap: true,
  migrate_check_is_blind: true,
  migration_tries_lock_twice: true,

  *put_page(page: Page): Steps<void> {
    const { type } = page.pgmap
    if (type === 'PRIVATE' || type === 'COHERENT' || type === 'FS_DAX') {
      const count = yield* page_ref_dec_return(page)
      if (count === 1) yield* driver_owned(page.pgmap) ? page_free(page) : wake_up_var(page)
      if (count === 0) yield* put_dev_pagemap(page.pgmap)
    } else if (yield* page_ref_dec_and_test(page)) yield* put_dev_pagemap(page.pgmap)
  },

  *init_page(page: Page): Steps<void> {
    yield* get_page(page)
    yield* lock_page(page)
  },

  *memunmap_pages(pgmap: DevPagemap): Steps<void> {
    yield* percpu_ref_kill(pgmap)
    for (const page of pgmap.pages) yield* call(put_page, page)
    if (pgmap.kernel.fixes.has('memunmap_waits')) yield* wait_for_drain(pgmap)
    yield* pageunmap_range(pgmap)
  },
}
