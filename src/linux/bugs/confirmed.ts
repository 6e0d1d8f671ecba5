// SPDX-License-Identifier: GPL-2.0-or-later
/** The evidence that a kernel has the bug of a row of the corpus: a counterexample of the model alone is no proof of that. */

export interface Confirmed {
  readonly status: 'fixed upstream' | 'reported' | 'reproduced' | 'seen in recordings' | 'read in source' | 'model only'
  /** The commit, the version and function, or the source of the claim. */
  readonly where: string
}

const upstream = (where: string): Confirmed => ({ status: 'fixed upstream', where })
const reported = (where: string): Confirmed => ({ status: 'reported', where })
const read = (where: string): Confirmed => ({
  status: 'read in source',
  where: `${where}; not reported, as far as we know`,
})

/** The evidence by id of the row. */
export const confirmed: Readonly<Record<string, Confirmed>> = {
  1: upstream('50f44ee7248a (2019)'),
  2: upstream('6dd29b3df975 (2017)'),
  3: upstream('16ce101db85d (6.1, CVE-2022-3523)'),
  4: upstream('ef233450898f (6.1)'),
  5: upstream('0dc45ca1ce18 (6.1)'),
  6: upstream('ffa65753c431 (5.17)'),
  7: upstream('1afaeb8293c9 (6.15)'),
  8: upstream('CVE-2026-43404'),
  9: upstream('399289849560 (7.0.4, CVE-2026-46277)'),
  10: reported('review of the large folio series, v5 (2025); mended before it was merged'),
  11: upstream('9387a71ec62c'),
  '11a': reported('feared in the discussion of 9387a71ec62c; never merged'),
  '11b': reported('an alternative in the discussion of 9387a71ec62c; never merged'),
  12: upstream('6220694c52a5'),
  13: upstream('cb500023a752'),
  14: reported('NVIDIA open-gpu-kernel-modules, issue 1023'),
  15: reported(
    'on the list in March 2026, debated: __split_huge_pmd_locked() puts the reference, where it finds the PMD; ' +
      '7.3-rc7 has the code as it was',
  ),
  16: upstream('a26084328ac4'),
  17: upstream('0620837490e0'),
  18: upstream('mm: gup: fix potential pgmap refcnt leak in __gup_device_huge() (2021)'),
  19: {
    status: 'seen in recordings',
    where: 'hmmbug on 6.12 and 7.3: a fault on the page spins until its process is killed; not mended',
  },
  20: reported(
    'Philip Yang, amd-gfx, 26 September 2025 (20250926210331.17401-1-Philip.Yang@amd.com); ' +
      'his patch was held to be wrong in the discussion; 7.3-rc7 has the code as it was',
  ),
  21: upstream('f4f451a16dd1 (6.0)'),
  22: upstream('dad4e5b39086 (5.11)'),
  23: upstream(
    '6be3e21d25ca (6.15), which went on to skip the entry that it had waited for, and dd59137bfe70 (6.16, 6.15.y); up to 6.14 locked entries are skipped',
  ),
  24: upstream('1e57ffb6e3fd (6.0, 2022); 5.10 has the bug, 6.1 has not'),
  25: reported(
    'with an oops in a fault of drivers/hv/mshv_vtl, whose own change works around it (microsoft/OHCL-Linux-Kernel, pull request 144, ' +
      'June 2026); 7.3-rc7, pagemap_range(), has the code as it was',
  ),
  26: upstream('3902846af36b (2026)'),
  27: upstream('lib: test_hmm: evict device pages on file close (2026), which alone does not mend it: see new-11'),
  28: {
    status: 'model only',
    where: 'a variant that was asked about in the mails of September 2020, and never written',
  },
  'new-1': read(
    '7.3, p2pmem_alloc_mmap(), as 83014d82a110 (January 2026) made it: its reviews do not speak of the order',
  ),
  'new-2': read('6.12, free_zone_device_folio(): page_free(), then folio_set_count(folio, 1); gone since 6.15'),
  'new-3': read('6.12, kvmppc_uvmem_page_free(): bitmap_clear(), then pvt = page->zone_device_data'),
  'new-4': read('6.12, kill_dev_dax() unmaps and waits for nobody, memunmap_pages() neither'),
  'new-5': upstream('cee91fa13a8e (6.15); seen in recordings of fsdax on 6.12'),
  'new-6': read('6.12, nouveau_dmem_fini(): WARN_ON(chunk->callocated) comes before memunmap_pages()'),
  'new-7': read(
    'do_swap_page() from 1afaeb8293c9 on: unlock_page(), then put_page(); the mails about 20 know the gap, as another bug',
  ),
  'new-8': {
    status: 'reproduced',
    where:
      "on Debian's 7.3-rc7 (ext4 and XFS, direct I/O and a page in a pipe; lab/dax-truncate), 7.2.13 and 7.3.4 (ext4, a pipe), where " +
      'ftruncate() sleeps until the mapping is unmapped; 6.1.192 and 6.12 return once the pin is gone; not reported, as far as we know',
  },
  'new-9': read(
    '7.3-rc7, nouveau_dmem_evict_chunk(): dst_pfns[i] = migrate_pfn(...), without MIGRATE_PFN_COMPOUND, which ' +
      'nouveau_dmem_migrate_to_ram() sets and __migrate_device_pages() insists on where it has no vma',
  ),
  'new-10': {
    status: 'model only',
    where:
      '7.3-rc7, migrate_device_range() and migrate_device_pfns() read folio_nr_pages() whether or not they have the folio; no driver ' +
      'of 7.3 is known to evict a range in which a page is free whose neighbours were handed out at another order since',
  },
  'new-12': read(
    '7.3-rc7, fsdev_dax_probe(): fsdev_clear_folio_state() is a devres action, which runs before memunmap_pages(), and unbind asks nobody; ' +
      'no file system of 7.3 uses such a device yet (famfs is posted)',
  ),
  'new-11': read(
    '7.3-rc7, dmirror_fops_release(): dmirror_device_evict_chunk() once, then kfree(dmirror); a module for tests',
  ),
}
