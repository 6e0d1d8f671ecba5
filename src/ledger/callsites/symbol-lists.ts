// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Functions of the kernel whose presence on a stack means something: helpers that only carry out what their caller decided,
 * and functions that tell what happens to a page or what kind of page it is. The lists are data: a helper that is missing
 * here makes a report name it instead of its caller, never a wrong count.
 */
import type { PageType } from '../../linux/protocols/rules.ts'

/** Reference helpers, as names without compiler suffixes (.isra.0, .constprop.0, .part.0, .cold). */
const HELPERS = new Set([
  // include/linux/page_ref.h and the event itself
  'trace_page_ref_set',
  'trace_page_ref_mod',
  'page_ref_add',
  'page_ref_sub',
  'page_ref_inc',
  'page_ref_dec',
  'page_ref_add_unless',
  'page_ref_sub_return',
  'page_ref_dec_return',
  'page_ref_inc_return',
  'page_ref_sub_and_test',
  'page_ref_dec_and_test',
  'page_ref_freeze',
  'page_ref_unfreeze',
  'folio_ref_add',
  'folio_ref_sub',
  'folio_ref_inc',
  'folio_ref_dec',
  'folio_ref_sub_return',
  'folio_ref_sub_and_test',
  'folio_ref_add_unless',
  'folio_ref_try_add',
  'folio_ref_try_add_rcu',
  'folio_ref_freeze',
  'folio_ref_unfreeze',
  'set_page_count',
  'folio_set_count',
  'init_page_count',
  'set_page_refcounted',
  // include/linux/mm.h, mm/swap.c, mm/folio.c
  'get_page',
  'get_page_unless_zero',
  'try_get_page',
  'folio_get',
  'folio_try_get',
  'folio_try_get_rcu',
  'folio_get_nontail_page',
  'put_page',
  'put_page_testzero',
  'put_pages_list',
  'folio_put',
  'folio_put_refs',
  'folio_put_testzero',
  'folios_put',
  'folios_put_refs',
  '__folio_put',
  '__put_page',
  'release_pages',
  'put_devmap_managed_page',
  'put_devmap_managed_page_refs',
  'put_devmap_managed_folio_refs',
  '__put_devmap_managed_page',
  '__put_devmap_managed_page_refs',
  '__put_devmap_managed_folio_refs',
  // mm/gup.c
  'try_get_folio',
  'try_get_compound_head',
  'try_grab_folio',
  'try_grab_folio_fast',
  'try_grab_page',
  'try_grab_compound_head',
  'grab_folio_fast',
  'gup_put_folio',
  'put_compound_head',
  // mm/memremap.c, include/linux/memremap.h
  'free_zone_device_page',
  'free_zone_device_folio',
  'free_devmap_managed_page',
  'zone_device_page_init',
  'zone_device_folio_init',
  // batches of an unmap: who unmaps stands below them
  'free_pages_and_swap_cache',
  'free_page_and_swap_cache',
  '__tlb_batch_free_encoded_pages',
  'tlb_batch_pages_flush',
  'tlb_flush_mmu',
  'tlb_finish_mmu',
])

/** The tracepoint's own frames, which some kernels leave on top of the stack. */
const TRACEPOINT = /^(trace_event_raw_event_|perf_trace_|__traceiter_|__page_ref_|trace_event_buffer_|ftrace_)/

const SUFFIX = /\.(isra|constprop|part|cold|llvm)(\.\d+)*/g

/** Returns a function's name without what the compiler appended. */
export function baseName(name: string): string {
  return name.includes('.') ? name.replace(SUFFIX, '') : name
}

/** Functions that pin and unpin pages. Their caller is the one who acts. */
const PINNING =
  /^(gup_|__gup_|try_grab_|pin_user_pages?|get_user_pages|internal_get_user_pages|__get_user_pages|__get_longterm|follow_page_|follow_p[mu4]*d_|iov_iter_(get|extract)_pages|__iov_iter_get_pages|unpin_user_)/

/** True if a function only carries out what its caller decided. */
export function isHelper(name: string): boolean {
  const base = baseName(name)
  return HELPERS.has(base) || TRACEPOINT.test(base) || PINNING.test(base)
}

/** Functions whose presence says what a stack does to a page or what kind of page it is. */
export const StackTrait = {
  /** Initialises the struct pages of any memory. */
  INIT: 1,
  /** Initialises the struct pages of device memory. */
  INIT_DEVICE: 2,
  /** Puts every page of a pagemap when the pagemap is torn down (protocol A). */
  TEARDOWN: 4,
  /** Runs for device pages only. */
  DEVICE: 8,
  /** A DAX fault, which may take an idle page by a plain get (6.15 and later). */
  DAX_FAULT: 16,
  /** Visits every page of a pagemap to evict those in use. */
  EVICT: 32,
  /** Takes references for holders that outlive the call by design (pins, pipes, bios). */
  GUP: 64,
  /** The exit of a task. */
  EXIT: 128,
  /** No frame has a name: the recording has no symbols for it. */
  NAMELESS: 256,
  /** A CPU's fault on a page table entry that is not present. */
  FAULT: 512,
  /** Runs in an interrupt, or in a softirq at its end. */
  INTERRUPT: 1024,
  /** Runs as an item of a work queue. */
  WORKER: 2048,
  /** Takes pages out of page tables: by unmapping, or by migration. */
  UNMAP: 4096,
  /** Tells the type of the memory that it initialises. */
  TYPE: 8192,
} as const

const TRAITS: [pattern: RegExp, traits: number][] = [
  [/^(__init_single_page|memmap_init|__init_zone_device_page|memmap_init_range)/, StackTrait.INIT],
  [/^(memmap_init_zone_device|__init_zone_device_page|memmap_init_compound)/, StackTrait.INIT_DEVICE],
  [/^(memunmap_pages|devm_memremap_pages_release)$/, StackTrait.TEARDOWN],
  [
    /^(zone_device_page_init|zone_device_folio_init|put_devmap_managed|__put_devmap_managed|memunmap_pages)/,
    StackTrait.DEVICE,
  ],
  // Frees a device page: its stack has the set by which the core resets the count, and what the driver's callback does.
  [/^(free_zone_device_(page|folio)|free_devmap_managed_page)/, StackTrait.DEVICE],
  [/^(dax_|dev_dax_|p2pmem_alloc_mmap|migrate_device_|__migrate_device_)/, StackTrait.DEVICE],
  [/^(gup_fast_devmap|__gup_device|(gup_fast_)?undo_dev_pagemap|follow_devmap_p[mu]d)/, StackTrait.DEVICE],
  [/^(dax_fault_iter|dax_iomap_|dax_insert_|dax_fault)/, StackTrait.DAX_FAULT],
  [/^(migrate_device_range|migrate_device_pfns|migrate_device_pfn_lock)$/, StackTrait.EVICT],
  [
    /^(gup_|pin_user_pages|get_user_pages|internal_get_user_pages|__get_user_pages|iov_iter_(get|extract)_pages)/,
    StackTrait.GUP,
  ],
  [/^(try_grab_|iov_iter_get_pages)/, StackTrait.GUP],
  [/^(do_exit|do_group_exit)$/, StackTrait.EXIT],
  [/^do_swap_page/, StackTrait.FAULT],
  [/^process_one_work$/, StackTrait.WORKER],
  [
    /^(exit_mmap|unmap_(vmas|single_vma|page_range|region|mapping)|_*zap_|vms_|do_swap_page|migrate_(vma|device)_|__migrate_(vma|device)_|remove_migration_)/,
    StackTrait.UNMAP,
  ],
  [
    /^(__do_softirq|handle_softirqs|irq_exit|__irq_exit_rcu|do_softirq|run_ksoftirqd|asm_sysvec_|sysvec_|asm_common_interrupt|common_interrupt|rcu_core|rcu_do_batch|call_timer_fn|tasklet_action)/,
    StackTrait.INTERRUPT,
  ],
]

/** Returns the `StackTrait` bits that one function brings. */
export function traitsOf(name: string): number {
  const base = baseName(name)
  let traits = 0
  for (const [pattern, bits] of TRAITS) if (pattern.test(base)) traits |= bits
  return TYPE_BY_INITIALISER.has(base) ? traits | StackTrait.TYPE : traits
}

/** Memory type of a pagemap, as far as a recording tells it. */
export type ObservedType = PageType | 'PRIVATE or COHERENT'

/** Functions that initialise a pagemap or a page, with the type of memory that they do it for. */
const TYPE_BY_INITIALISER = new Map<string, ObservedType>([
  ['pmem_attach_disk', 'FS_DAX'],
  ['virtio_fs_setup_dax', 'FS_DAX'],
  ['dev_dax_probe', 'GENERIC'],
  ['fill_list', 'GENERIC'],
  ['pci_p2pdma_add_resource', 'PCI_P2PDMA'],
  ['zone_device_page_init', 'PRIVATE or COHERENT'],
])

/** Returns the type of memory that a function initialises; undefined if it does not tell. */
export function typeByInitialiser(name: string): ObservedType | undefined {
  return TYPE_BY_INITIALISER.get(baseName(name))
}
