// SPDX-License-Identifier: GPL-2.0-or-later
/** Mutants that nothing can catch, and why. */
import type { Mutant } from './mutants.ts'

interface Survivor {
  readonly file: RegExp
  readonly kind?: Mutant['kind']
  readonly before: RegExp
  readonly after?: RegExp
  readonly why: string
}

const survivors: readonly Survivor[] = [
  {
    file: /drm_pagemap\.ts$/,
    kind: 'count',
    before: /^count: 0,/,
    after: /^count: -1,/,
    why: 'a thread that runs only where it is asked for: fewer than none is none',
  },
  {
    file: /drm_pagemap\.ts$/,
    kind: 'drop',
    before: /^if \(page\) yield\* after_migration\(page\)/,
    why: 'memory that is never given back is not handed out any more: no promise says that all of it is',
  },
  {
    file: /kernel\/sched\/wait_bit\.ts$/,
    before: /sleepers\.length === 0/,
    after: /=== -1/,
    why: 'a step more that wakes nobody, where nobody sleeps',
  },
  {
    file: /mm\/pgtable\.ts$/,
    before: /% 2 === 1$/,
    after: /% 3 === 1$/,
    why: 'who waits for an entry whose page it cannot tell looks again, until the entry is gone',
  },
  {
    file: /mm\/migrate_device\.ts$/,
    before: /has\('fault_takes_reference'\) \? 1 : 0$/,
    after: /\? 1 : -?1$/,
    why: 'only the broken form of bug 3 runs that side, and its verdict is that bug',
  },
  {
    file: /device_private\.ts$/,
    kind: 'swap',
    before: /of\.evicts\) for/,
    why: 'what device_remove() would find before the eviction it finds after it, too (bug new-6); the mended form looks later',
  },
  {
    file: /device_private\.ts$/,
    kind: 'drop',
    before: /^yield\* call\(put_page, page\)$/,
    why: 'surplus_put() is a mistake to try a model with: no system of the suite has it',
  },
  {
    file: /page_list\.ts$/,
    kind: 'drop',
    before: /s\.set\(next\[page\.index\]!, 0\)/,
    why: 'a page that was handed out is filed anew before its next one is read',
  },
  {
    file: /lib\/test_hmm_large\.ts$/,
    kind: 'drop',
    before: /^page_exists\(s, page\)$/,
    why: 'every user of a page takes several steps on it, and the others look too',
  },
  {
    file: /lib\/test_hmm_large\.ts$/,
    kind: 'drop',
    before: /folio_free_resets_after/,
    why: 'the broken form of bug 11a reads folio->pgmap too late as well: the same verdict; its other steps are held by corpus.long.test.ts',
  },
  {
    file: /page_list\.ts$/,
    kind: 'drop',
    before: /s\.set\(next\[page\.index\]!, s\.get\(head\)\)/,
    why: 'a list that loses free pages hands out fewer of them: no promise says that each is found again',
  },
  {
    file: /page_list\.ts$/,
    kind: 'count',
    before: /s\.set\(next\[page\.index\]!, 0\)/,
    why: 'a page that was handed out is filed anew before its next one is read',
  },
  {
    file: /mm\/migrate_device\.ts$/,
    kind: 'swap',
    before: /^if \(source === 'hole'\)/,
    why: 'until an entry maps it nobody else can come by the page: its lock keeps nobody out',
  },
  {
    file: /protocols\/a\.ts$/,
    kind: 'swap',
    before: /^if \(count === 1 && driver_owned/,
    after: /if \(count === 0\)/,
    why: 'the two are for different counts: one put does either',
  },
  {
    file: /kfd_migrate\.ts$/,
    before: /const RANGES = 3/,
    after: /= 4/,
    why: 'a value of the cell that is never taken',
  },
  {
    file: /kfd_migrate\.ts$/,
    kind: 'drop',
    before: /before_file/,
    why: "only protocol C' has it, under which amdgpu never lived",
  },
  {
    file: /kfd_migrate\.ts$/,
    before: /RELEASE_QUEUED = 1/,
    after: /= 0$/,
    why: 'VRAM that its worker need not give back first is free sooner, which it may be anyhow',
  },
  {
    file: /lib\/test_hmm_large\.ts$/,
    before: /coherent_puts_all'\) \? 1 : nr/,
    after: /\? [02] : nr/,
    why: 'only the broken form of bug 10 runs that side: memunmap_pages() waits for whatever is not given back',
  },
  {
    file: /mm\/gup\.ts$/,
    kind: 'swap',
    before: /taken && !same/,
    why: 'the page that it still holds keeps the pagemap as well',
  },
  {
    file: /mm\/memremap\.ts$/,
    kind: 'swap',
    before: /percpu_ref_kill\(pgmap\)/,
    why: 'the reference of its own that a percpu ref has until the kill keeps it from zero',
  },
  {
    file: /mm\/memory\.ts$/,
    before: /wait_on_page_locked/,
    why: 'only kernels before 5.17 run it, and in their systems here the removal of the driver wakes who waits',
  },
  {
    file: /mm\/memory\.ts$/,
    kind: 'swap',
    before: /call\(put_page, page\)/,
    after: /^yield\* step\('wait_on_page_locked'/,
    why: 'only kernels before 5.17 run it; the reference while it queues is what their fault breaks, however long it is kept',
  },
  {
    file: /mm\/memory\.ts$/,
    before: /s\.choose\(2\) === 1/,
    after: /s\.choose\(3\) === 1/,
    why: 'of three choices two are alike: still either may happen',
  },
  {
    file: /mm\/memory\.ts$/,
    kind: 'swap',
    before: /fault === 'wait'/,
    why: 'the branch that is then taken as well finds no device entry and returns',
  },
  {
    file: /fs\/dax\.ts$/,
    before: /copy_pte\(at\(index\)/,
    why: 'what fork maps, a second fault maps as well',
  },
  {
    file: /mm\/pgtable\.ts$/,
    before: /`page \$\{page\}`/,
    why: 'how an entry reads in a counterexample',
  },
  {
    file: /mm\/pgtable\.ts$/,
    before: /address\.mm\.pages\[/,
    why: 'an odd number halved is no index: the entry maps no page, as before; who waits for one looks again',
  },
  {
    file: /drivers\/pci\/p2pdma\.ts$/,
    kind: 'swap',
    before: /call\(put_page, page\)/,
    why: 'the mapping holds a pagemap reference of its own by then',
  },
  {
    file: /mm\/migrate_device\.ts$/,
    before: /const extra = 1/,
    why: 'migrate_vma_check_page() only stops early what folio_migrate_mapping() refuses',
  },
  {
    file: /(fs\/dax|mm\/memory)\.ts$/,
    kind: 'drop',
    before: /wait_page_idle|migration_entry_wait_on_locked/,
    why: 'who looks again and again instead of sleeping comes to an end as well',
  },
  {
    file: /fs\/dax\.ts$/,
    kind: 'drop',
    before: /^yield\* schedule\(entry\)$/,
    why: 'nobody maps the file again after umount, so its last put always wakes: that it sleeps is held by details.test.ts',
  },
  {
    file: /fs\/dax\.ts$/,
    kind: 'swap',
    before: /if \(counted\) yield\* call\(put_page, page\)/,
    why: 'truncate, which may then go on, waits for the page to be idle, and the reference not yet put keeps it busy',
  },
  {
    file: /fs\/dax\.ts$/,
    kind: 'swap',
    before: /unlock_layout/,
    why: 'what truncate waits for needs no lock in the model: pins go away by themselves',
  },
  {
    file: /(mm\/(memremap|page_ref)|dax\/device)\.ts$/,
    kind: 'drop',
    before: /^page_exists\(s, page\)$/,
    why: 'every user of a page takes several steps on it, and the others look too',
  },
  {
    file: /drivers\/pci\/p2pdma\.ts$/,
    before: /const expected = fixes\.has/,
    after: /\? 0 : \d/,
    why: 'the broken form warns at every page, whatever count it takes for right',
  },
  {
    file: /lib\/test_hmm_large\.ts$/,
    before: /slice\(0, 2\)/,
    after: /slice\(0, 3\)/,
    why: 'there are two pages',
  },
  {
    file: /mm\/pgtable\.ts$/,
    before: /const FIRST_DEVICE/,
    why: 'other numbers for the same entries',
  },
  {
    file: /page_list\.ts$/,
    before: /image\(kernel\.page_sort/,
    why: 'a wrong renaming is refused by the engine: less symmetry, the same verdict',
  },
  {
    file: /protocols\/[a-d]\w*\.ts$/,
    before: /pgmap_refs_per_page: \(\) => 1/,
    why: 'memunmap_pages() drops in one go as many as memremap_pages() took, and nothing else looks at them',
  },
  {
    file: /lib\/test_hmm_large\.ts$/,
    before: /lock_page\(folio\)/,
    after: /prep_compound_page/,
    why: 'the folio is off the list and in no page table: nobody can reach it between the two steps',
  },
  {
    file: /lib\/test_hmm_large\.ts$/,
    before: /page_ref_count\(s, folio\) !== 1/,
    why: 'a split that always fails, or never, has the same verdicts: only the failing way takes the error path',
  },
  {
    file: /lib\/test_hmm_large\.ts$/,
    kind: 'swap',
    before: /folio_put\(folio\)/,
    after: /if \(tail\)/,
    why: 'after the split they are two folios, each with a count of its own',
  },
  {
    file: /mm\/pgtable\.ts$/,
    before: /image\(pages, page\)|Math\.floor\(\(pte - FIRST_DEVICE\)/,
    why: 'a wrong renaming is refused by the engine: less symmetry, the same verdict',
  },
  {
    file: /(protocols\/\w+|lib\/test_hmm_large)\.ts$/,
    kind: 'swap',
    before: /set_page_count|get_page\(page\)/,
    after: /lock_page/,
    why: 'the page is off the list and in no page table: nobody can reach it between the two steps',
  },
  {
    file: /protocols\/f\.ts$/,
    before: /'GENERIC'\) return yield\* set_page_count/,
    why: 'GENERIC pages keep their first reference, so this put never reaches zero',
  },
  {
    file: /mm\/pgtable\.ts$/,
    before: /pte === entry \? 1 : 0/,
    why: 'migration_count() only widens freed-in-use, and in no known bug a free page is left with a migration entry',
  },
  {
    file: /drivers\/pci\/p2pdma\.ts$/,
    kind: 'swap',
    before: /pci_p2pdma_unmap_mappings/,
    why: 'what is mapped after the unmapping is unmapped by exit, and memunmap_pages() waits for that',
  },
  {
    file: /drivers\/pci\/p2pdma\.ts$/,
    before: /^pinned: /,
    why: 'a thread more, of a kind that finds nothing left to do when all run one after the other',
  },
]

/** Why the mutant behaves as the model does, or nothing else could; undefined when it should have been caught. */
export function reasonFor(mutant: Mutant): string | undefined {
  return survivors.find(
    s =>
      s.file.test(mutant.file) &&
      (s.kind === undefined || s.kind === mutant.kind) &&
      s.before.test(mutant.before) &&
      (s.after === undefined || s.after.test(mutant.after)),
  )?.why
}
