// SPDX-License-Identifier: GPL-2.0-or-later
import type { Steps } from '../../checker/index.ts'
import { wake_up_var } from '../kernel/sched/wait_bit.ts'
import { lock_page, memunmap_without_pages, page_free } from '../mm/memremap.ts'
import { page_ref_dec_and_test, set_page_count } from '../mm/page_ref.ts'
import type { Page, Protocol } from '../types.ts'

export const C: Protocol = {
  id: 'C',
  name: 'driver-counts',
  where: "Dan Williams' wish; Ralph Campbell's RFC v2 and v3, September and October 2020",
  last_release: '5.9',
  words:
    'A free page has count 0, and the driver makes zero to one with init_page_count() when it hands the page out. ' +
    'The put to 0 calls page_free(), and the count stays 0. Pages in use hold nothing on the pagemap. ' +
    'File systems map DAX pages without a reference, so these sit in page tables with count 0.',
  pte_holds_reference: type => type !== 'FS_DAX' && type !== 'GENERIC',
  pgmap_refs_per_page: () => 1,
  busy_page_holds_pgmap: type => type === 'PCI_P2PDMA',
  dax_maps_with_devmap: true,
  migrate_check_is_blind: false,

  *put_page(page: Page): Steps<void> {
    if (!(yield* page_ref_dec_and_test(page))) return
    yield* page.pgmap.type === 'FS_DAX' ? wake_up_var(page) : page_free(page)
  },

  *init_page(page: Page): Steps<void> {
    yield* set_page_count(page, 1)
    yield* lock_page(page)
  },

  memunmap_pages: memunmap_without_pages,
}
