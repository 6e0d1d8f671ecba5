// SPDX-License-Identifier: GPL-2.0-or-later
/** The corpus: real bugs of ZONE_DEVICE reference counting, each as a system that has it and one that does not. */

import book3s_hv_uvmem from '../arch/powerpc/kvm/book3s_hv_uvmem.ts'
import type { Driver } from '../driver.ts'
import device_dax from '../drivers/dax/device.ts'
import kfd_migrate from '../drivers/gpu/drm/amd/amdkfd/kfd_migrate.ts'
import nouveau_dmem from '../drivers/gpu/drm/nouveau/nouveau_dmem.ts'
import p2pdma from '../drivers/pci/p2pdma.ts'
import fsdax from '../fs/dax.ts'
import test_hmm from '../lib/test_hmm.ts'
import { test_hmm_large, test_hmm_large_coherent } from '../lib/test_hmm_large.ts'
import { properties } from '../properties.ts'
import { A, D, E, F, G } from '../protocols/index.ts'
import type { Scenario } from '../scenario/build.ts'
import type { Fix } from '../scenario/fixes.ts'
import type { Protocol } from '../types.ts'
import { type Confirmed, confirmed } from './confirmed.ts'
import { foreign_pagemap } from './foreign_pagemap.ts'
import { gup_2017 } from './gup_2017.ts'
import { hmm_range_fault } from './hmm_range_fault.ts'
import { nvidia_uvm_p2p } from './nvidia_uvm_p2p.ts'
import { xe_svm_race } from './xe_svm_race.ts'

export interface Bug {
  /** Row of the corpus: a number for known bugs, `new-...` for what the model found. */
  readonly id: string
  readonly title: string
  /** What goes wrong, as the counterexample must show it. */
  readonly mechanism: string
  /** How sure it is that a kernel does this. */
  readonly confirmed: Confirmed
  /** What the broken form is checked for: it must break one of these. */
  readonly breaks: readonly string[]
  /** What the fixed form is checked for: by default everything. */
  readonly keeps: readonly string[]
  readonly broken: Scenario
  readonly fixed: Scenario
}

interface Row {
  driver: Driver
  /** Of both forms, or of each. */
  protocol: Protocol | readonly [broken: Protocol, fixed: Protocol]
  threads?: Readonly<Record<string, number>>
  pages?: number
  vas?: number
  /** Left out in the broken form only. */
  without?: Fix
  /** Added in the broken form only. */
  brokenAdds?: Fix
  /** Added in the fixed form only. */
  with?: Fix
  /** Left out in both forms. */
  reverts?: readonly Fix[]
  /** What the fixed form keeps, if not everything. */
  keeps?: readonly string[]
  /** Added in both forms. */
  adds?: readonly Fix[]
}

function bug(id: string, title: string, mechanism: string, breaks: readonly string[], row: Row): Bug {
  const [broken, fixed] = Array.isArray(row.protocol) ? row.protocol : [row.protocol, row.protocol]
  const of = (protocol: Protocol, form: string, reverts: readonly Fix[], adds: readonly Fix[]): Scenario => ({
    name: `bug ${id}, ${form}`,
    driver: row.driver,
    protocol,
    pages: row.pages ?? 1,
    vas: row.vas ?? 1,
    ...(row.threads ? { threads: row.threads } : {}),
    reverts: [...(row.reverts ?? []), ...reverts],
    adds: [...(row.adds ?? []), ...adds],
  })
  return {
    id,
    title,
    mechanism,
    confirmed: confirmed[id]!,
    breaks,
    keeps: row.keeps ?? Object.keys(properties),
    broken: of(broken, 'broken', row.without ? [row.without] : [], row.brokenAdds ? [row.brokenAdds] : []),
    fixed: of(fixed, 'fixed', [], row.with ? [row.with] : []),
  }
}

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
      driver: test_hmm_large,
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
      driver: test_hmm_large,
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
      driver: test_hmm_large,
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
]
