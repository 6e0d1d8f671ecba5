// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Every promise about device pages that this program checks: one id, one rule, one place in the kernel, whoever speaks of it.
 * The model's properties (src/linux/properties.ts) and the kinds of findings (src/ledger/findings/kinds) refer to this list,
 * and reports, help, viewer and documentation take their words from it. An id names what has happened when a promise is
 * broken, as a finding does.
 */

/** Where the kernel makes a promise, relies on it or asserts it. */
export interface KernelSource {
  readonly file: string
  readonly function: string
  /** Twelve digits of the commit that made, stated or repaired the rule there. */
  readonly commit: string
}

export interface KernelPromise {
  readonly id: string
  /** One sentence without a capital and a full stop. */
  readonly rule: string
  /** Where the rule was stated in words (an author and date, or a comment in the kernel), and what was said. */
  readonly said?: string
  readonly kernel: KernelSource
  /** Wider promises that are broken with this one: the model checks those. */
  readonly partOf?: readonly string[]
  /** A name short enough for a column of `check --matrix`; only promises that the model checks have one. */
  readonly column?: string
}

const PAGE_REF = 'include/linux/page_ref.h'
const MM = 'include/linux/mm.h'
const MEMREMAP = 'mm/memremap.c'
const MEMORY = 'mm/memory.c'

/** In the order in which they are listed: first what the model checks, in the order of the matrix. */
export const PROMISES = [
  {
    id: 'free-twice',
    rule: 'a page is freed exactly once in a lifetime, and handed out to one owner at a time',
    kernel: { file: MEMREMAP, function: 'free_zone_device_page', commit: '27674ef6c73f' },
    column: 'free',
  },
  {
    id: 'get-on-free-page',
    rule: 'no reference is taken to a free page, except by handing it out',
    said: 'Alistair Popple, January 2025: a count of 0 means no access by DMA or GUP',
    kernel: { file: MM, function: 'get_page', commit: 'fe896d187894' },
    column: 'get',
  },
  {
    id: 'touch-after-free',
    rule: 'nothing touches a page between its page_free() and the next hand-out',
    said: 'Jason Gunthorpe, January 2026: after the callback the driver may hand the page out again at once',
    kernel: { file: MEMREMAP, function: 'free_zone_device_folio', commit: '399289849560' },
    column: 'touch',
  },
  {
    id: 'freed-in-use',
    rule: 'no page table entry maps a free page',
    said: 'Alistair Popple, January 2025: a count of 0 means not mapped to user space',
    kernel: { file: MEMORY, function: 'do_swap_page', commit: '16ce101db85d' },
    column: 'pte',
  },
  {
    id: 'pagemap-gone',
    rule: 'the pagemap, and with it every struct page, outlives its pages and whoever uses them',
    said: 'Jason Gunthorpe, October 2021: the pagemap can be removed before all PTEs are flushed',
    kernel: { file: MEMREMAP, function: 'memunmap_pages', commit: '50f44ee7248a' },
    column: 'pgmap',
  },
  {
    id: 'count-mismatch',
    rule: 'at rest, every count equals the references that page tables, users and the owner hold',
    kernel: { file: MEMREMAP, function: 'zone_device_page_init', commit: 'ef233450898f' },
    column: 'count',
  },
  {
    id: 'alloc-after-kill',
    rule: 'no page is handed out once memunmap_pages() has begun',
    said: 'the comment in zone_device_page_init(), from 6.1 on: drivers should not do that',
    // A page that is handed out after memunmap_pages() has returned is in use without a pagemap, but this violation comes first.
    partOf: ['pagemap-gone'],
    kernel: { file: MEMREMAP, function: 'zone_device_page_init', commit: '0dc45ca1ce18' },
    column: 'kill',
  },
  {
    id: 'warn',
    rule: 'no WARN_ON or VM_BUG_ON of the modelled kernel fires',
    kernel: { file: 'drivers/pci/p2pdma.c', function: 'p2pmem_alloc_mmap', commit: 'cb500023a752' },
    column: 'warn',
  },
  {
    id: 'bounds',
    rule: 'no count leaves its bounds: no underflow, no overflow',
    kernel: { file: MM, function: 'put_page_testzero', commit: 'fe896d187894' },
    column: 'bounds',
  },
  {
    id: 'deadlock',
    rule: 'something can always move while a thread has begun and not ended',
    kernel: { file: MEMORY, function: 'do_swap_page', commit: 'b570f37a2ce4' },
    column: 'dead',
  },
  {
    id: 'finishes',
    rule: 'every started memunmap_pages() returns, every fault and every migration that is tried again succeeds at last',
    kernel: { file: 'mm/migrate.c', function: 'migration_entry_wait', commit: 'ffa65753c431' },
    column: 'ends',
  },
  {
    id: 'leak',
    rule: 'every reference that is taken is given back',
    kernel: { file: PAGE_REF, function: 'page_ref_dec_and_test', commit: '95813b8faa0c' },
    partOf: ['count-mismatch'],
  },
  {
    id: 'surplus-put',
    rule: 'nobody gives back more references than were taken for it',
    kernel: { file: PAGE_REF, function: 'page_ref_dec_and_test', commit: '95813b8faa0c' },
    partOf: ['count-mismatch', 'bounds'],
  },
  {
    id: 'put-on-free-page',
    rule: 'a page that nobody holds is not put',
    kernel: { file: MM, function: 'put_page_testzero', commit: 'fe896d187894' },
    partOf: ['count-mismatch', 'bounds'],
  },
  {
    id: 'teardown-waits',
    rule: 'every memunmap_pages() returns',
    kernel: { file: MEMREMAP, function: 'memunmap_pages', commit: '6220694c52a5' },
    partOf: ['deadlock', 'finishes'],
  },
  {
    id: 'fault-retries',
    rule: 'a fault that is tried again succeeds at last',
    kernel: { file: MEMORY, function: 'do_swap_page', commit: '1afaeb8293c9' },
    partOf: ['finishes'],
  },
] as const satisfies readonly KernelPromise[]

export type PromiseId = (typeof PROMISES)[number]['id']

const BY_ID: ReadonlyMap<string, KernelPromise> = new Map(PROMISES.map(promise => [promise.id, promise]))

/** Returns the promise of this id; undefined for a rule that a driver's own code names. */
export function promiseOf(id: string): KernelPromise | undefined {
  return BY_ID.get(id)
}

/** Where the kernel makes the promise, to be shown behind it: `mm/memremap.c, memunmap_pages(), 50f44ee7248a`. */
export function kernelSourceText({ kernel }: KernelPromise): string {
  return `${kernel.file}, ${kernel.function}(), ${kernel.commit}`
}

/** Ids of earlier versions, with the ones that took their place. */
const FORMER: ReadonlyMap<string, PromiseId> = new Map([
  ['free-once', 'free-twice'],
  ['get-on-free', 'get-on-free-page'],
  ['pte-on-free', 'freed-in-use'],
  ['pagemap-outlives', 'pagemap-gone'],
  ['count', 'count-mismatch'],
])

/** Returns the id that a promise of an earlier version has now; undefined for one that there never was. */
export function presentId(former: string): PromiseId | undefined {
  return FORMER.get(former)
}
