// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Changes to the kernel that mended a bug without changing the protocol. A system has all that were merged unless it reverts
 * some: so a protocol is judged by its own merits, and a bug by the one change that mended it. Proposed ones are added by name.
 */

export interface FixInfo {
  /** Empty for changes that no kernel has. */
  readonly commit: string
  readonly subject: string
}

const list = {
  fault_takes_reference: {
    commit: '16ce101db85d',
    subject: 'mm/memory.c: fix race when faulting a device private page',
  },
  fault_trylocks: { commit: '1afaeb8293c9', subject: 'mm/migrate: Trylock device page in do_swap_page' },
  wait_takes_no_reference: {
    commit: 'ffa65753c431',
    subject: 'mm/migrate.c: rework migration_entry_wait() to not take a pageref',
  },
  layout_break_sees_unmapped: {
    commit: 'v6.15',
    subject: 'fs/dax: layout breaking looks at pages of files that nobody maps any more',
  },
  p2pdma_error_puts_ref: {
    commit: '6220694c52a5',
    subject: 'PCI/P2PDMA: Release per-CPU pgmap ref when vm_insert_page() fails',
  },
  p2pdma_warns_at_nonzero: {
    commit: 'cb500023a752',
    subject: 'PCI/P2PDMA: p2pmem_alloc_mmap() warns at a count other than 0',
  },
  p2pdma_resets_before_free: { commit: '', subject: 'p2pmem_alloc_mmap(): reset the count before gen_pool_free()' },
  uvmem_reads_pvt_first: { commit: '', subject: 'book3s_hv_uvmem: read page->zone_device_data before bitmap_clear()' },
} satisfies Record<string, FixInfo>

export type Fix = keyof typeof list
export const fixes: Readonly<Record<Fix, FixInfo>> = list
export const all_fixes = Object.keys(list) as Fix[]
export const merged_fixes = all_fixes.filter(f => fixes[f].commit !== '')
