// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The structures that the modelled functions share: `struct page`, `struct dev_pagemap`, page table entries, and what a
 * protocol and a driver are. Each is built once for a system; steps pass them around by identity.
 */
import type { Cell, Sort, Steps, Thread } from '../checker/index.ts'
import type { PageType, ProtocolId } from './protocols/rules.ts'
import type { Fix } from './scenario/fixes.ts'

/** `enum memory_type` of include/linux/memremap.h, without its numbers (they changed with COHERENT). */
export type MemoryType = PageType

export interface Page {
  readonly index: number
  /** For traces only. */
  readonly pfn: number
  readonly pgmap: DevPagemap
  readonly _refcount: Cell
  /** PG_locked. */
  readonly locked: Cell
  /** Bookkeeping of the properties, not of the kernel: whether the driver has handed the page out ({@link IDLE}, {@link BUSY}). */
  readonly life: Cell
}

/** The owner (driver, file system) has the page on its list and nobody else may touch it. */
export const IDLE = 0
/** Handed out: from the moment it leaves the owner's list until `page_free()` files it there again. */
export const BUSY = 1

/**
 * `pgmap.state`: percpu_ref_kill() makes LIVE DYING; the ref's release at zero, once, makes that DRAINED (`complete()` in the
 * kernel); pageunmap_range() makes it GONE, with the struct pages in it.
 */
export const LIVE = 0
export const DYING = 1
export const DRAINED = 2
export const GONE = 3

export interface DevPagemap {
  readonly type: MemoryType
  readonly pages: readonly Page[]
  /** `pgmap->ref`; its percpu mode is not modelled, only the sum and whether it was killed. */
  readonly ref: Cell
  readonly state: Cell
  readonly kernel: Kernel
  /** Set by {@link build} before anything runs. */
  ops: PagemapOps
}

/** `struct dev_pagemap_ops`. */
export interface PagemapOps {
  /** `folio_free` since 6.19. Absent for types whose pages never go back to an owner. */
  page_free?(page: Page): Steps<void>
  /** CPU fault on a device-private entry; the result is a `vm_fault_t`. */
  migrate_to_ram?(fault: Fault): Steps<VmFault>
}

/** `0` (fault again until the entry is gone) or VM_FAULT_SIGBUS. */
export type VmFault = 'retry' | 'SIGBUS'

export interface Fault {
  readonly address: Address
  readonly page: Page
}

/** A user address in some process: one page table entry. */
export interface Address {
  readonly index: number
  readonly pte: Cell
  readonly mm: Mm
}

export interface Mm {
  readonly addresses: readonly Address[]
  readonly pages: readonly Page[]
}

/** What one system is made of. */
export interface Kernel {
  readonly protocol: Protocol
  readonly fixes: ReadonlySet<Fix>
  readonly pgmap: DevPagemap
  readonly mm: Mm
  readonly page_sort: Sort
  readonly address_sort: Sort
  /** How many threads there are, for the bounds of cells. */
  readonly threads: number
  /** Cells that functions add for themselves; {@link build} collects them into the system. */
  readonly cells: Cell[]
  /** Who removal must wait for before the percpu ref can drain: CPUs inside fast GUP. */
  readonly rcu_readers: Cell[]
  /** Wait queue entries of the tasks that sleep until a page is idle (kernel/sched/wait_bit.ts). */
  readonly sleepers: Cell[]
}

/**
 * One reference count protocol: everything in which the kernels of `protocols.md` differ. The rest of `mm/` asks it.
 * `page_free()` and allocation are the driver's; how a driver makes an idle page busy is the protocol's.
 */
export interface Protocol {
  readonly id: ProtocolId
  readonly name: string
  /** Kernel versions, or the mail. */
  readonly where: string
  /** The last release that has it; of a proposal, the one that it was made for. */
  readonly last_release?: string
  /** The rule in a few sentences, for `lastput explain`. */
  readonly words: string
  /** Whether a page table entry of this type of memory holds a page reference. */
  pte_holds_reference(type: MemoryType): boolean
  /** References on the pagemap that memremap_pages() takes for each page. */
  pgmap_refs_per_page(type: MemoryType): number
  /** Whether a page that is handed out holds a reference on the pagemap, besides {@link pgmap_refs_per_page}. */
  busy_page_holds_pgmap(type: MemoryType): boolean
  /** Whether GUP takes the pagemap's reference while it looks at an entry of DAX (pte_devmap, up to 6.14). */
  readonly dax_maps_with_devmap: boolean
  /** Whether migrate_vma_check_page() passes every device-private page without a look at its count. */
  readonly migrate_check_is_blind: boolean
  /** Whether a migration tries the lock of a page once more that somebody else had when it was collected. */
  readonly migration_tries_lock_twice?: boolean
  put_page(page: Page): Steps<void>
  /** idle to busy, after the page left the driver's list; leaves it locked. */
  init_page(page: Page): Steps<void>
  /** What must happen in `page_free()` before the page is filed as free: nothing, except in C'. */
  before_file?(page: Page): Steps<void>
  memunmap_pages(pgmap: DevPagemap): Steps<void>
}

/** A thread that a scenario can ask for by name. */
export interface Role {
  /** What it stands for, in a few words, for `check --list`. */
  about?: string
  /** Thread number `index` of this role. */
  body(index: number): Steps<unknown>
  /** Adds the cells that thread number `index` needs for itself, for each thread of a scenario. */
  prepare?(index: number): void
  /** How often each runs, Infinity unless said. */
  times?: number
  finishes?: boolean
  daemon?: boolean
  /** What it takes for granted that the thread goes on, in words: a verdict that rests on it says so. */
  assumes?: string
}

/** Of the role `exit`: that nobody maps for ever what somebody else waits for. */
export const MAPPINGS_GO_AWAY = 'every mapping goes away in the end (exit)'

export type Threads = readonly Thread[]
