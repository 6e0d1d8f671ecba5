// SPDX-License-Identifier: GPL-2.0-or-later
/** The contract of an architecture: what reading its memory requires. Each architecture has a file of its own in this folder. */
import type { Vmcoreinfo } from '../kernel/vmcoreinfo.ts'

/** The kind of an entry of a page table. */
export type EntryKind = 'none' | 'table' | 'page' | 'swap'

/** The dimensions of the page tables that resolve kernel addresses. */
export interface AddressSpace {
  /** Number of levels of page tables. */
  readonly levels: number
  /** Number of low address bits that the page tables resolve. In a kernel address, all bits above them are ones. */
  readonly bits: number
}

/** Entries [from, to) of a root table. */
export interface RootEntries {
  readonly from: number
  readonly to: number
}

/** Addresses [from, to). */
export interface AddressRange {
  readonly from: bigint
  readonly to: bigint
}

/** What the dump says about where the kernel's regions lie. */
export interface RegionHints {
  readonly info: Vmcoreinfo
  readonly space: AddressSpace
  /** Address of a symbol. */
  symbol(name: string): bigint | undefined
  /** Value of a variable of pointer size; undefined where the kernel has none, or the dump lacks it. */
  variable(name: string): bigint | undefined
}

export interface KernelRegions {
  /** Offset to add to a physical address to get its address in the direct map. */
  readonly directMap: bigint
  readonly vmalloc: AddressRange
  readonly modules: AddressRange
  /** Address of the struct page of frame 0, which need not exist; undefined where the dump does not say. */
  readonly memoryMap: bigint | undefined
  /** Number of frames that the memory map has room for. Other regions begin after it. */
  readonly frames: number
}

export interface Arch {
  readonly name: string
  /**
   * True if VMCOREINFO has an entry that only kernels of this architecture write. Used for dumps whose header names no machine.
   */
  recognises(info: Vmcoreinfo): boolean
  space(info: Vmcoreinfo): AddressSpace
  /** Bits of the page number that each level resolves. */
  readonly levelBits: number
  /** Physical address of the kernel's root page table; undefined where VMCOREINFO does not tell. */
  rootOf(info: Vmcoreinfo): number | undefined
  /** Entries of a process's root table that map its user memory. */
  userRoot(space: AddressSpace): RootEntries
  /** Entries of the kernel's root table that map kernel memory. */
  kernelRoot(space: AddressSpace): RootEntries
  /** Physical address of a virtual address in the kernel's image. */
  imagePhysical(address: bigint, info: Vmcoreinfo): number | undefined
  regions(hints: RegionHints): KernelRegions
  /**
   * Kind of an entry, given as its two halves.
   * @param level 1 for the lowest table, whose entries map pages
   */
  kind(low: number, high: number, level: number): EntryKind
  /** Frame number that an entry points to, in its table or page. */
  frame(low: number, high: number): number
  /** True if the kernel marked a present entry as one that holds no reference on the page. */
  isSpecial(low: number, high: number): boolean
  /**
   * Encodings of swap entries that kernels of this architecture use. `Mappings.settleSwapForm` chooses the one whose entries
   * mostly point to device pages.
   */
  readonly swapForms: readonly SwapForm[]
  /** Returns the code address that a word on a stack stands for; undefined if the word cannot be a code address. */
  codeAddress(word: bigint, info: Vmcoreinfo): bigint | undefined
  /** Member of `task_struct` that holds the saved stack pointer of a task that is not running. */
  readonly stackPointer: string
  /** THREAD_SIZE in bytes without KASAN, used where the kernel does not record the size of its stacks. */
  readonly stackBytes: number
}

/** An encoding of entries that are not present. */
export interface SwapForm {
  type(low: number, high: number): number
  /** The offset of a swap entry. In migration and device-private entries, it is the frame number. */
  frame(low: number, high: number): number
}
