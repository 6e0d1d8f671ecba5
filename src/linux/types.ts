// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The structures that the modelled functions share: `struct page`, `struct dev_pagemap`, page table entries; and the interfaces
 * of a protocol and of a driver's threads. Each structure is built once for a system, and compared by identity.
 */
import type { Cell, Sort, Steps, Thread } from '../checker/index.ts'
import type { PageType, ProtocolId } from './protocols/rules.ts'
import type { Fix } from './scenario/fixes.ts'

/** `enum memory_type` of include/linux/memremap.h, without its numbers (they changed with COHERENT). */
export type MemoryType = PageType

export interface Page {
  readonly index: number
  /** Page frame number, for traces only. */
  readonly pfn: number
  readonly pgmap: DevPagemap
  readonly _refcount: Cell
  /** PG_locked. */
  readonly locked: Cell
  /** Whether the owner has handed the page out ({@link IDLE}, {@link BUSY}). The kernel has no such field; properties use it. */
  readonly life: Cell
}

/** The page is on the free list of its owner, a driver or a file system, and nobody else may touch it. */
export const IDLE = 0
/** The page is handed out, from the moment it leaves the owner's free list until `page_free()` puts it back there. */
export const BUSY = 1

/**
 * Values of `pgmap.state`. percpu_ref_kill() changes LIVE to DYING. The release of the percpu ref, called once when the count is
 * zero, changes that to DRAINED (`complete()` in the kernel). pageunmap_range() changes it to GONE, and frees its struct pages.
 */
export const LIVE = 0
export const DYING = 1
export const DRAINED = 2
export const GONE = 3

export interface DevPagemap {
  readonly type: MemoryType
  readonly pages: readonly Page[]
  /** `pgmap->ref`: the sum of its counts. Percpu mode is not modelled; `state` says whether the ref was killed. */
  readonly ref: Cell
  readonly state: Cell
  readonly kernel: Kernel
  /** Set by {@link build} before any thread runs. */
  ops: PagemapOps
}

/** `struct dev_pagemap_ops`. */
export interface PagemapOps {
  /** Called `folio_free` since 6.19. Absent for types whose pages never go back to an owner. */
  page_free?(page: Page): Steps<void>
  /** Handles a CPU fault on a device-private entry; returns a `vm_fault_t`. */
  migrate_to_ram?(fault: Fault): Steps<VmFault>
}

/** `vm_fault_t`: `retry` for 0, after which the access faults again until the entry is gone; `SIGBUS` for VM_FAULT_SIGBUS. */
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

/** The parts of one system: the protocol, the fixes, and the structures. */
export interface Kernel {
  readonly protocol: Protocol
  readonly fixes: ReadonlySet<Fix>
  readonly pgmap: DevPagemap
  readonly mm: Mm
  readonly page_sort: Sort
  readonly address_sort: Sort
  /** The most threads that the bounds of cells have room for. */
  readonly threads: number
  /** Further cells, which drivers and functions of mm/ add. {@link build} makes them cells of the system. */
  readonly cells: Cell[]
  /** One cell for each CPU that may be inside fast GUP: 1 while its interrupts are off, for which RCU grace periods wait. */
  readonly rcu_readers: Cell[]
  /** Wait queue entries of the tasks that sleep until a page is idle (kernel/sched/wait_bit.ts). */
  readonly sleepers: Cell[]
}

/**
 * One reference count protocol: everything in which kernels differ by protocol; the rest of `mm/` is common code that calls it.
 * `page_free()` and allocation belong to the driver; the initialization of a page that is handed out belongs to the protocol.
 */
export interface Protocol {
  readonly id: ProtocolId
  readonly name: string
  /** The kernel versions that have the protocol, or the mail that proposed it. */
  readonly where: string
  /** The last release that has the protocol; for a proposal, the release that it was written against. */
  readonly last_release?: string
  /** The rule in a few sentences, for `lastput explain`. */
  readonly words: string
  /** True if a page table entry that maps this type of memory holds a page reference. */
  pte_holds_reference(type: MemoryType): boolean
  /** Number of references on the pagemap that memremap_pages() takes for each page. */
  pgmap_refs_per_page(type: MemoryType): number
  /** True if a page that is handed out holds a reference on the pagemap, besides {@link pgmap_refs_per_page}. */
  busy_page_holds_pgmap(type: MemoryType): boolean
  /** True if GUP holds a reference on the pagemap while it reads an entry of DAX (pte_devmap, up to 6.14). */
  readonly dax_maps_with_devmap: boolean
  /** True if migrate_vma_check_page() lets every device-private page pass without checking its count. */
  readonly migrate_check_is_blind: boolean
  /** True if a migration tries a second time to lock a page that somebody else had locked when the page was collected. */
  readonly migration_tries_lock_twice?: boolean
  put_page(page: Page): Steps<void>
  /** Makes an idle page a busy one, after it has left the driver's free list; returns with the page locked. */
  init_page(page: Page): Steps<void>
  /** What the driver's `page_free()` must do before it puts the page on the free list. Only C' has this. */
  before_file?(page: Page): Steps<void>
  memunmap_pages(pgmap: DevPagemap): Steps<void>
}

/** A thread that a scenario can ask for by name. */
export interface Role {
  /** What the role stands for, in a few words, for `check --list`. */
  about?: string
  /** The code of thread number `index` of this role. */
  body(index: number): Steps<unknown>
  /** Adds the cells that thread number `index` needs for itself; called once for each thread of a scenario. */
  prepare?(index: number): void
  /** How often each thread runs its code; Infinity if omitted. */
  times?: number
  finishes?: boolean
  daemon?: boolean
  /** The assumption, in words, that the thread goes on for ever. A verdict that depends on it lists it in `assumes`. */
  assumes?: string
}

/** The assumption of the role `exit`: no process keeps a page mapped for ever while somebody waits for the page. */
export const MAPPINGS_GO_AWAY = 'every mapping goes away in the end (exit)'

export type Threads = readonly Thread[]
