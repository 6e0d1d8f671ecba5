// SPDX-License-Identifier: GPL-2.0-or-later
/** The corpus: real bugs of ZONE_DEVICE reference counting, each as a system that has it and one that does not. */

import book3s_hv_uvmem from '../arch/powerpc/kvm/book3s_hv_uvmem.ts'
import device_dax from '../drivers/dax/device.ts'
import fsdev from '../drivers/dax/fsdev.ts'
import kfd_migrate from '../drivers/gpu/drm/amd/amdkfd/kfd_migrate.ts'
import nouveau_dmem from '../drivers/gpu/drm/nouveau/nouveau_dmem.ts'
import nouveau_dmem_large from '../drivers/gpu/drm/nouveau/nouveau_dmem_large.ts'
import p2pdma from '../drivers/pci/p2pdma.ts'
import fsdax from '../fs/dax.ts'
import test_hmm from '../lib/test_hmm.ts'
import { test_hmm_large, test_hmm_large_coherent } from '../lib/test_hmm_large.ts'
import { properties } from '../properties.ts'
import { A, C, C_prime, D, E, F, G } from '../protocols/index.ts'
import { any_order } from './any_order.ts'
import { type Bug, bug } from './bug.ts'
import { drm_pagemap_error } from './drm_pagemap_error.ts'
import { foreign_pagemap } from './foreign_pagemap.ts'
import { gup_2017 } from './gup_2017.ts'
import { hmm_range_fault } from './hmm_range_fault.ts'
import { pgmap_array } from './memremap_pages.ts'
import { nvidia_uvm_p2p } from './nvidia_uvm_p2p.ts'
import { test_hmm_close } from './test_hmm_close.ts'
import { xe_svm_race } from './xe_svm_race.ts'
import { zero_after_memremap } from './zero_after_memremap.ts'

export type { Bug } from './bug.ts'

export const bugs: readonly Bug[] = [
  bug(
    '1',
    '50f44ee7248a mm/devm_memremap_pages: fix final page put race',
    'memunmap_pages() puts every page once and unplugs without waiting for the last reference: a pin is left with a struct page that is gone',
    ['pagemap-gone'],
    { driver: device_dax, protocol: A, threads: { fault: 1, gup: 1, exit: 1, unbind: 1 }, without: 'memunmap_waits' },
  ),
  bug(
    '2',
    '6dd29b3df975 the generic fast GUP of 2017',
    'fast GUP takes the page but not its pagemap, put_page() gives both back: the percpu ref underflows',
    ['bounds'],
    { driver: gup_2017, protocol: A, without: 'gup_takes_pgmap_ref' },
  ),
  bug(
    '3',
    '16ce101db85d CVE-2022-3523 mm/memory.c: fix race when faulting a device private page',
    'the fault uses the page without a reference after it dropped the page table lock; by then the page is free',
    ['touch-after-free'],
    { driver: test_hmm, protocol: A, threads: { fault: 1, migrate: 1, exit: 1 }, without: 'fault_takes_reference' },
  ),
  bug(
    '4',
    'ef233450898f page_free() before set_page_count(page, 1) (5.18 to 6.0)',
    'the core sets the count of a page that another thread has allocated meanwhile',
    ['touch-after-free'],
    { driver: test_hmm, protocol: [D, E], threads: { migrate: 2, exit: 1 } },
  ),
  bug(
    '5',
    '0dc45ca1ce18 pages in use hold nothing on the pagemap (5.18 to 6.0)',
    'memunmap_pages() returns while pages are mapped',
    ['pagemap-gone'],
    { driver: test_hmm, protocol: [D, E], threads: { migrate: 1, exit: 1, unbind: 1 } },
  ),
  bug(
    '6',
    'ffa65753c431 waiting for a migration entry takes a reference',
    'the waiter holds a reference that makes the migration fail, restores the entry, and both try again',
    ['finishes'],
    {
      driver: test_hmm,
      protocol: E,
      threads: { fault: 2, migrate: 1 },
      without: 'wait_takes_no_reference',
      adds: ['fault_unlocks_with_put'],
    },
  ),
  bug(
    '7',
    '1afaeb8293c9 mm/migrate: Trylock device page in do_swap_page',
    'two CPU faults hold a reference to one page each, and each makes the other’s migration fail',
    ['finishes'],
    {
      driver: test_hmm,
      protocol: E,
      threads: { fault: 2, migrate: 1 },
      without: 'fault_trylocks',
      adds: ['fault_unlocks_with_put'],
    },
  ),
  bug(
    '8',
    'CVE-2026-43404 hmm_range_fault() spins on a folio lock',
    'the holder of the lock waits for work on the CPU that spins',
    ['finishes'],
    { driver: hmm_range_fault, protocol: G, keeps: ['finishes', 'deadlock', 'bounds'], without: 'hmm_waits_for_lock' },
  ),
  bug(
    '9',
    '399289849560 CVE-2026-46277 mm/zone_device: do not touch device folio after calling ->folio_free()',
    'folio->pgmap is read after the callback, when another thread has the folio',
    ['touch-after-free'],
    {
      driver: test_hmm_large,
      protocol: G,
      pages: 2,
      threads: { small: 2, exit: 1 },
      without: 'no_touch_after_folio_free',
    },
  ),
  bug(
    '10',
    'large folio series v5: COHERENT gives back one pagemap reference for a folio of several pages',
    'allocation took 1 << order, the free path drops one: memunmap_pages() waits for ever',
    ['finishes', 'deadlock'],
    {
      driver: test_hmm_large_coherent,
      protocol: G,
      pages: 2,
      threads: { large: 1, exit: 1, unbind: 1 },
      without: 'coherent_puts_all',
    },
  ),
  bug(
    '11',
    '9387a71ec62c folios reused at another order without resetting head and order',
    'a page that was the tail of a larger folio still names its head: puts go to the wrong page',
    ['bounds', 'free-twice', 'get-on-free-page'],
    {
      driver: any_order,
      protocol: G,
      pages: 2,
      threads: { small: 1, large: 1, exit: 1, unbind: 1 },
      without: 'folio_init_resets',
    },
  ),
  bug(
    '11a',
    'the dispute about 11: reset at free time, after folio_free()',
    'a second thread has the page when it is reset',
    ['touch-after-free'],
    {
      driver: any_order,
      protocol: G,
      pages: 2,
      threads: { small: 1, large: 1, exit: 1 },
      without: 'folio_init_resets',
      brokenAdds: 'folio_free_resets_after',
    },
  ),
  bug(
    '11b',
    'the dispute about 11: reset at free time, before folio_free()',
    'the callback has to know the order: it files the head alone, and the tail is lost to the driver',
    ['count-mismatch', 'get-on-free-page', 'bounds'],
    {
      driver: any_order,
      protocol: G,
      pages: 2,
      threads: { small: 1, large: 1, exit: 1 },
      without: 'folio_init_resets',
      brokenAdds: 'folio_free_resets_before',
    },
  ),
  bug(
    '12',
    '6220694c52a5 PCI/P2PDMA: Release per-CPU pgmap ref when vm_insert_page() fails',
    'the error path keeps a pagemap reference: memunmap_pages() waits for ever',
    ['finishes', 'deadlock'],
    {
      driver: p2pdma,
      protocol: F,
      threads: { mmap: 1, exit: 1, unbind: 1 },
      without: 'p2pdma_error_puts_ref',
    },
  ),
  bug(
    '13',
    'cb500023a752 p2pmem_alloc_mmap() warns at count 0 after 6.15 made 0 the idle count',
    'the assertion fires on every page',
    ['warn'],
    {
      driver: p2pdma,
      protocol: F,
      threads: { mmap: 1, exit: 1, unbind: 1 },
      without: 'p2pdma_warns_at_nonzero',
    },
  ),
  bug(
    '14',
    'NVIDIA open-gpu-kernel-modules issue 1023: P2PDMA pages counted by the old protocol',
    'pages with count 0 are handed out as if they had 1: vm_insert_page() refuses them, and the driver’s put takes them below 0',
    ['bounds'],
    { driver: nvidia_uvm_p2p, protocol: F, without: 'uvm_p2p_sets_count' },
  ),
  bug(
    '15',
    'migrate_vma_split_unmapped_folio() keeps its folio_get() when the split fails',
    'MADV_DONTNEED took the PMD away before it was split, so nobody puts the reference: memunmap_pages() waits for ever',
    ['finishes', 'deadlock'],
    {
      driver: test_hmm_large,
      protocol: G,
      pages: 2,
      threads: { large: 1, split: 1, exit: 1, unbind: 1 },
      with: 'split_failure_puts',
    },
  ),
  bug(
    '16',
    'a26084328ac4 a foreign device holds a pagemap while the module that provides it unloads',
    'the last put calls into a module that is gone',
    ['pagemap-gone'],
    { driver: foreign_pagemap, protocol: G, without: 'owner_outlives_users' },
  ),
  bug(
    '17',
    '0620837490e0 drm/xe/svm: Serialize migration to device if racing',
    'two devices evict each other’s pages from one range for ever',
    ['finishes'],
    { driver: xe_svm_race, protocol: G, without: 'svm_serializes' },
  ),
  bug(
    '18',
    'mm: gup: fix potential pgmap refcnt leak in __gup_device_huge()',
    'an early return keeps the reference of get_dev_pagemap(): memunmap_pages() waits for ever',
    ['finishes', 'deadlock'],
    {
      driver: device_dax,
      protocol: A,
      threads: { fault: 1, gup: 1, exit: 1, unbind: 1 },
      without: 'gup_gives_pgmap_back',
    },
  ),
  bug(
    '19',
    'one leaked reference: a CPU fault on the page retries for ever (6.12, 7.3; seen in the recordings)',
    'migrate_vma_check_page() lets one stray reference pass, folio_migrate_mapping() refuses it, do_swap_page() tries again',
    ['finishes'],
    {
      driver: test_hmm,
      protocol: G,
      threads: { fault: 1, migrate: 1, leak: 1 },
      with: 'failed_migration_is_sigbus',
      keeps: Object.keys(properties).filter(p => p !== 'count-mismatch'),
    },
  ),
  bug(
    '20',
    'amdgpu, 6.1 and later: VRAM that was migrated out is used again before its page is free',
    'zone_device_page_init() sets the count to 1 while do_swap_page() has yet to put the page; that put frees it, mapped as it is by now',
    ['freed-in-use'],
    {
      driver: kfd_migrate,
      protocol: F,
      threads: { fault: 1, migrate: 1, exit: 1, worker: 1 },
      with: 'svm_waits_for_page_free',
    },
  ),
  bug(
    '21',
    'f4f451a16dd1 mm: fix missing wake-up event for FSDAX pages (5.18)',
    'the folio variant of the put takes a pinned page to its idle count of one and wakes nobody: truncate sleeps for ever',
    ['deadlock', 'finishes'],
    {
      driver: fsdax,
      protocol: D,
      threads: { fault: 1, gup: 1, truncate: 1 },
      without: 'unpin_wakes',
      keeps: ['deadlock', 'finishes', 'bounds'],
    },
  ),
  bug(
    '22',
    'dad4e5b39086 soft_offline_page() keeps the reference of GUP on a page of device-dax',
    'MADV_SOFT_OFFLINE takes a reference that nobody gives back: memunmap_pages() waits for ever',
    ['finishes', 'deadlock'],
    {
      driver: device_dax,
      protocol: A,
      threads: { fault: 1, 'soft-offline': 1, exit: 1, unbind: 1 },
      without: 'soft_offline_puts',
    },
  ),
  bug(
    '23',
    "6be3e21d25ca, dd59137bfe70 fs/dax: don't skip locked entries when scanning entries",
    'writeback has the entry, so truncate does not see that its page is pinned, and frees the block under DMA',
    ['touch-after-free'],
    {
      driver: fsdax,
      keeps: ['touch-after-free', 'freed-in-use', 'pagemap-gone', 'bounds', 'finishes'],
      protocol: A,
      threads: { fault: 1, gup: 1, truncate: 1, writeback: 1, exit: 1 },
      without: 'busy_page_waits_for_entry',
    },
  ),
  bug(
    '24',
    '1e57ffb6e3fd mm/memremap: fix memunmap_pages() race with get_dev_pagemap()',
    'the percpu ref is taken apart before the pagemap leaves pgmap_array: get_dev_pagemap() finds it there, and tries a reference on what was freed',
    ['pagemap-gone'],
    { driver: pgmap_array, protocol: A, without: 'ref_exits_last', adds: ['pagemap_published_last'] },
  ),
  bug(
    '25',
    'memremap_pages() publishes a pagemap before its struct pages exist (reported in 2026)',
    'get_dev_pagemap() finds the pagemap, takes a reference, and who asked uses a struct page that is not there yet',
    ['pagemap-gone'],
    { driver: pgmap_array, protocol: G, with: 'pagemap_published_last' },
  ),
  bug(
    '26',
    '3902846af36b drm/pagemap Fix error paths in drm_pagemap_migrate_to_devmem',
    'the error path puts pages that were never initialised: a copy fails after the first one, and the second, which is neither locked nor has a reference, is unlocked and put',
    ['warn', 'bounds'],
    { driver: drm_pagemap_error, protocol: G, pages: 2, without: 'drm_error_puts_what_it_made' },
  ),
  bug(
    '27',
    'lib: test_hmm: evict device pages on file close (2026)',
    'close frees the dmirror that pages in use lead to; the next CPU fault uses it',
    ['use-after-close'],
    {
      driver: test_hmm_close,
      protocol: G,
      without: 'test_hmm_close_evicts',
      with: 'test_hmm_pages_hold_dmirror',
      keeps: [...Object.keys(properties), 'use-after-close'],
    },
  ),
  bug(
    '28',
    'asked in September 2020: drivers set the count to zero after memremap_pages()',
    'a speculative get takes the page from 1 to 2, the plain store makes it 0, and its put takes it below',
    ['bounds'],
    { driver: zero_after_memremap, protocol: [C_prime, C] },
  ),
  bug(
    'new-1',
    'p2pmem_alloc_mmap(), 7.3: the error path frees the page to the pool and then resets its count',
    'another mmap, or fast GUP with an entry that it read before, has the page when set_page_count(page, 0) comes',
    ['touch-after-free'],
    { driver: p2pdma, protocol: G, threads: { mmap: 2, exit: 1, unbind: 1 }, with: 'p2pdma_error_puts_page' },
  ),
  bug(
    'new-2',
    'p2pdma, 6.2 to 6.14: page_free() gives the page to the pool before the core sets its count to 1',
    'another mmap has the page when the core sets the count (until then vm_insert_page() refuses it); the mechanism of bug 4 for a type that kept the one-based count',
    ['touch-after-free'],
    { driver: p2pdma, protocol: [E, F], threads: { mmap: 2, exit: 1 }, adds: ['p2pdma_error_puts_page'] },
  ),
  bug(
    'new-3',
    'book3s_hv_uvmem, all versions: page_free() clears the bit and then reads and frees page->zone_device_data',
    'another guest has the page, with its own data there',
    ['touch-after-free'],
    { driver: book3s_hv_uvmem, protocol: G, threads: { migrate: 2, exit: 1 }, with: 'uvmem_reads_pvt_first' },
  ),
  bug(
    'new-4',
    'device-dax, 5.18 and later: memunmap_pages() does not wait for GENERIC pages, and nobody else does',
    'unbind removes the struct pages under a pin',
    ['pagemap-gone'],
    {
      driver: device_dax,
      protocol: G,
      threads: { fault: 1, gup: 1, unbind: 1 },
      with: 'device_dax_waits_for_pins',
    },
  ),
  bug(
    'new-5',
    'cee91fa13a8e fsdax, up to 6.14: layout breaking does not look at files that nobody maps any more',
    'truncate frees a block that a pin still writes to',
    ['touch-after-free'],
    {
      driver: fsdax,
      keeps: ['touch-after-free', 'freed-in-use', 'pagemap-gone', 'bounds', 'deadlock', 'finishes'],
      protocol: E,
      threads: { fault: 1, gup: 1, truncate: 1, exit: 1 },
      without: 'layout_break_sees_unmapped',
    },
  ),
  bug(
    'new-6',
    'nouveau, 6.1 and later: nouveau_dmem_fini() takes for granted that eviction left no page',
    'a page whose last put is under way has not been counted back yet: WARN_ON(chunk->callocated)',
    ['warn'],
    { driver: nouveau_dmem, protocol: G, threads: { migrate: 1, exit: 1, unbind: 1 }, with: 'nouveau_waits_for_pages' },
  ),
  bug(
    'new-7',
    'do_swap_page(), 6.15 and later: unlock_page() and only then put_page()',
    'between the two the next fault locks the page and finds a reference too many; with the right timing both fail for ever, as in 7',
    ['finishes'],
    { driver: test_hmm, protocol: G, threads: { fault: 2, migrate: 1 }, with: 'fault_unlocks_with_put' },
  ),
  bug(
    'new-8',
    'fsdax, 6.15 and later: a truncate that sleeps for a pin waits for a mapping that came back meanwhile',
    'dax_break_layout() unmaps once and sleeps without the lock; a fault maps the page again, and mappings count: the last put of the pin, 2 to 1, wakes nobody',
    ['deadlock', 'finishes'],
    {
      driver: fsdax,
      protocol: G,
      threads: { fault: 1, gup: 1, truncate: 1 },
      with: 'layout_break_unmaps_again',
    },
  ),
  bug(
    'new-9',
    'nouveau, 7.3: nouveau_dmem_evict_chunk() evicts no large folio',
    'it does not say that the folio that it moves a large one to is large: __migrate_device_pages() leaves all as it was, and memunmap_pages() waits for the mapping',
    ['deadlock', 'finishes'],
    {
      driver: nouveau_dmem_large,
      protocol: G,
      pages: 2,
      threads: { large: 1, unbind: 1 },
      with: 'nouveau_evicts_compound',
      adds: ['nouveau_waits_for_pages'],
    },
  ),
  bug(
    'new-10',
    'migrate_device_range(), migrate_device_pfns(), 6.19 and later: a free page is taken to have the order of its last life',
    'the pages behind it are skipped, though they are in use by now as folios of their own: they are not evicted, and memunmap_pages() waits for their mappings',
    ['deadlock', 'finishes'],
    {
      driver: any_order,
      protocol: G,
      pages: 2,
      vas: 2,
      threads: { 'large-and-gone': 1, small: 1, unbind: 1 },
      with: 'range_skips_what_it_holds',
    },
  ),
  bug(
    'new-11',
    'lib/test_hmm.c, 7.3: the eviction on file close passes by a folio that a CPU fault has locked',
    'close evicts once and frees the dmirror; the fault, which has the lock but has not come to its dmirror yet, uses it after that',
    ['use-after-close'],
    {
      driver: test_hmm_close,
      protocol: G,
      with: 'test_hmm_pages_hold_dmirror',
      keeps: [...Object.keys(properties), 'use-after-close'],
    },
  ),
  bug(
    'new-12',
    'drivers/dax/fsdev.c, 7.1 and later: unbind takes folios apart that are in use',
    'fsdev_clear_folio_state() asks for no count: the put of a pin on a second page goes to that page, which has none',
    ['bounds'],
    {
      driver: fsdev,
      protocol: G,
      pages: 2,
      vas: 2,
      threads: { fault: 1, gup: 1, unplug: 1 },
      with: 'fsdev_waits_for_pages',
      keeps: ['bounds', 'warn', 'pagemap-gone', 'free-twice', 'touch-after-free', 'freed-in-use'],
    },
  ),
]
