// SPDX-License-Identifier: GPL-2.0-or-later
import type { Steps } from '../../checker/index.ts'
import { wake_up_var } from '../kernel/sched/wait_bit.ts'
import { lock_page, memunmap_without_pages, page_free } from '../mm/memremap.ts'
import { page_ref_dec_and_test, set_page_count } from '../mm/page_ref.ts'
import type { Page, Protocol } from '../types.ts'

export const B: Protocol = {
  id: 'B',
  name: 'core-resets',
  where: 'Ralph Campbell, first patch, 14 September 2020',
  last_release: '5.9',
  words:
    'A free page has count 1, which the driver hands out as the first reference: nobody steps from idle to busy. ' +
    'The put to 0 sets the count back to 1 and then calls page_free(). ' +
    'Pages in use hold nothing on the pagemap; memunmap_pages() drops in one go what memremap_pages() took for them.',
  pte_holds_reference: type => type !== 'FS_DAX' && type !== 'GENERIC',
  pgmap_refs_per_page: () => 1,
  busy_page_holds_pgmap: type => type === 'PCI_P2PDMA',
  dax_maps_with_devmap: true,
  migrate_check_is_blind: false,

  *put_page(page: Page): Steps<void> {
    if (!(yield* page_ref_dec_and_test(page))) return
    yield* set_page_count(page, 1)
    yield* page.pgmap.type === 'FS_DAX' ? wake_up_var(page) : page_free(page)
  },

  *init_page(page: Page): Steps<void> {
    yield* lock_page(page)
  },

  memunmap_pages: memunmap_without_pages,
}
