// SPDX-License-Identifier: GPL-2.0-or-later
/** What a reader of memory must know of an architecture; each has one file. */
import type { Vmcoreinfo } from '../kernel/vmcoreinfo.ts'

/** What an entry of a page table is. */
export type EntryKind = 'none' | 'table' | 'page' | 'swap'

export interface Arch {
  readonly name: string
  /** Levels of page tables: 4 or 5. */
  levels(info: Vmcoreinfo): number
  /** Bits of the page number that each level resolves. */
  readonly levelBits: number
  /** Physical address of the kernel's root page table; undefined where VMCOREINFO does not tell. */
  rootOf(info: Vmcoreinfo): number | undefined
  /** Physical address of a place in the kernel's image. */
  imagePhysical(address: bigint, info: Vmcoreinfo): number | undefined
  /**
   * Kind of an entry, given as its two halves.
   * @param level 1 for the lowest table, whose entries map pages
   */
  kind(low: number, high: number, level: number): EntryKind
  /** Frame number that an entry points to, in its table or page. */
  frame(low: number, high: number): number
  /** True if the kernel marked a present entry as one that holds no reference on the page. */
  isSpecial(low: number): boolean
  /** Type of a swap entry. */
  swapType(low: number, high: number): number
  /** Offset of a swap entry; the frame number in those of migration and of device-private pages. */
  swapFrame(low: number, high: number): number
  /** Entries of the root table that belong to user space. */
  userRootEntries(levels: number): number
  /** Where the direct map, vmalloc memory and the memory map begin where KASLR did not move them. */
  readonly defaults: Record<4 | 5, { directMap: bigint; vmalloc: bigint; memoryMap: bigint }>
  /** Bits of the address of a page that are significant, above which a kernel address repeats its sign. */
  readonly canonicalBits: Record<4 | 5, number>
}
