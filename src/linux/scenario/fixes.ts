// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Changes to the kernel that fixed a bug without changing the protocol. A system has all merged ones unless it reverts some, so
 * that a verdict about a protocol does not depend on bugs that were fixed, and a bug can be shown by reverting the one change
 * that fixed it. Proposed changes are added by name.
 */

export interface FixInfo {
  /** Commit, CVE, or year of the merge; empty for changes that no kernel has. */
  readonly commit: string
  readonly subject: string
  /**
   * First release that has the change, only as exact as is needed to tell the last release of one protocol from the first of the
   * next: `6.19` stands for everything of 2026. Absent for changes older than the protocols' differences, or that no kernel has.
   */
  readonly since?: string
}

const list = {
  fault_takes_reference: {
    commit: '16ce101db85d',
    since: '6.1',
    subject: 'mm/memory.c: fix race when faulting a device private page',
  },
  fault_trylocks: { commit: '1afaeb8293c9', since: '6.15', subject: 'mm/migrate: Trylock device page in do_swap_page' },
  wait_takes_no_reference: {
    commit: 'ffa65753c431',
    since: '5.17',
    subject: 'mm/migrate.c: rework migration_entry_wait() to not take a pageref',
  },
  layout_break_sees_unmapped: {
    commit: 'cee91fa13a8e',
    since: '6.15',
    subject: 'fs/dax: return unmapped busy pages from dax_layout_busy_page_range()',
  },
  p2pdma_error_puts_ref: {
    commit: '6220694c52a5',
    since: '6.19',
    subject: 'PCI/P2PDMA: Release per-CPU pgmap ref when vm_insert_page() fails',
  },
  p2pdma_error_resets_count: {
    commit: '83014d82a110',
    since: '6.19',
    subject: 'PCI/P2PDMA: Reset page refcount when p2pmem_alloc_mmap() fails',
  },
  p2pdma_warns_at_nonzero: {
    commit: 'cb500023a752',
    since: '6.19',
    subject: 'PCI/P2PDMA: p2pmem_alloc_mmap() warns at a count other than 0',
  },
  memunmap_waits: { commit: '50f44ee7248a', subject: 'mm/devm_memremap_pages: fix final page put race' },
  gup_gives_pgmap_back: {
    commit: '2021',
    since: '5.15',
    subject: 'mm: gup: fix potential pgmap refcnt leak in __gup_device_huge()',
  },
  soft_offline_puts: {
    commit: 'dad4e5b39086',
    subject: 'mm: fix page reference leak in soft_offline_page()',
  },
  busy_page_waits_for_entry: {
    commit: 'dd59137bfe70',
    since: '6.15',
    subject: "fs/dax: don't skip locked entries when scanning entries (with 6be3e21d25ca, which it mends)",
  },
  ref_exits_last: {
    commit: '1e57ffb6e3fd',
    subject: 'mm/memremap: fix memunmap_pages() race with get_dev_pagemap()',
  },
  drm_error_puts_what_it_made: {
    commit: '3902846af36b',
    subject: 'drm/pagemap Fix error paths in drm_pagemap_migrate_to_devmem',
  },
  test_hmm_close_evicts: { commit: '2026', subject: 'lib: test_hmm: evict device pages on file close' },
  unpin_wakes: { commit: 'f4f451a16dd1', since: '6.0', subject: 'mm: fix missing wake-up event for FSDAX pages' },
  no_touch_after_folio_free: {
    commit: '399289849560',
    subject: 'mm/zone_device: do not touch device folio after calling ->folio_free()',
  },
  folio_init_resets: { commit: '9387a71ec62c', subject: 'zone_device_page_init() resets order and head' },
  coherent_puts_all: { commit: 'v6.19', subject: 'COHERENT folios give back a pagemap reference for each page' },
  hmm_waits_for_lock: {
    commit: 'CVE-2026-43404',
    subject: 'hmm_range_fault() sleeps on the lock of a device-private folio',
  },
  svm_serializes: { commit: '0620837490e0', subject: 'drm/xe/svm: Serialize migration to device if racing' },
  owner_outlives_users: {
    commit: 'a26084328ac4',
    subject: 'a foreign user of a pagemap keeps the module that provides it',
  },
  uvm_p2p_sets_count: { commit: 'issue 1023', subject: 'nvidia-uvm: P2PDMA pages come with count 0 from 6.15 on' },
  gup_takes_pgmap_ref: {
    commit: '6dd29b3df975',
    subject: 'Revert "x86/mm/gup: Switch GUP to the generic get_user_page_fast() implementation"',
  },
  split_failure_puts: {
    commit: '',
    subject: 'migrate_vma_split_unmapped_folio(): folio_put() where no PMD was left to split',
  },
  folio_free_resets_before: { commit: '', subject: 'reset order and head at free time, before folio_free()' },
  folio_free_resets_after: { commit: '', subject: 'reset order and head at free time, after folio_free()' },
  failed_migration_is_sigbus: { commit: '', subject: 'migrate_to_ram() answers VM_FAULT_SIGBUS when the page stays' },
  device_dax_waits_for_pins: { commit: '', subject: 'kill_dev_dax(): wait until no page of the device is referenced' },
  fault_unlocks_with_put: { commit: '', subject: 'do_swap_page(): give up lock and reference at once' },
  layout_break_unmaps_again: {
    commit: '',
    subject: 'dax_break_layout(): a fault wakes who waits for its page, and he unmaps it again before he sleeps on',
  },
  sleeper_looks_without_barrier: {
    commit: '',
    subject:
      'who waits for a page is on the queue by a plain store: what if set_current_state() were no barrier (--tso)?',
  },
  dax_waits_for_zero: { commit: '', subject: 'layout breaking takes count 0 for idle, whatever the protocol says' },
  page_free_gets_poison: { commit: '', subject: 'page_free() finds a count that means nothing: who relies on it?' },
  test_hmm_pages_hold_dmirror: {
    commit: '',
    subject: 'lib: test_hmm: each page in use holds the dmirror that it leads to',
  },
  pagemap_published_last: {
    commit: '',
    subject: 'memremap_pages(): the pagemap can be found only once its struct pages exist',
  },
  fsdev_waits_for_pages: {
    commit: '',
    subject: 'fsdev unbind: no folio is reset that somebody maps or has pinned',
  },
  nouveau_evicts_compound: {
    commit: '',
    subject: 'nouveau_dmem_evict_chunk(): MIGRATE_PFN_COMPOUND for the folio that a large one moves to',
  },
  range_skips_what_it_holds: {
    commit: '',
    subject: 'migrate_device_range(): only a folio that it holds is taken to have an order',
  },
  nouveau_waits_for_pages: {
    commit: '',
    subject: 'nouveau_dmem_fini(): look at callocated only after memunmap_pages()',
  },
  p2pdma_error_puts_page: { commit: '', subject: 'p2pmem_alloc_mmap(): the error path is put_page(), as any last put' },
  svm_waits_for_page_free: {
    commit: '',
    subject: 'svm_migrate_get_vram_page(): no page whose page_free() has not come',
  },
  uvmem_reads_pvt_first: { commit: '', subject: 'book3s_hv_uvmem: read page->zone_device_data before bitmap_clear()' },
} satisfies Record<string, FixInfo>

export type Fix = keyof typeof list
export const fixes: Readonly<Record<Fix, FixInfo>> = list
export const all_fixes = Object.keys(list) as Fix[]
export const merged_fixes = all_fixes.filter(f => fixes[f].commit !== '')
export const proposed_fixes = all_fixes.filter(f => fixes[f].commit === '')

/** Merged changes that came after a release, such as 6.18, so that a kernel of that release does not have them. */
export function merged_after(release: string): Fix[] {
  return merged_fixes.filter(f => {
    const { since } = fixes[f]
    return since !== undefined && later(since, release)
  })
}

function later(a: string, b: string): boolean {
  const [x, y] = [a, b].map(v => v.split('.').map(Number))
  return x![0]! - y![0]! > 0 || (x![0] === y![0] && x![1]! > y![1]!)
}
