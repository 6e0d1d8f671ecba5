// SPDX-License-Identifier: GPL-2.0-or-later
/** What a reader of memory must know of an architecture; each has one file. */
import type { Vmcoreinfo } from '../kernel/vmcoreinfo.ts'

/** What an entry of a page table is. */
export type EntryKind = 'none' | 'table' | 'page' | 'swap'

/** How the kernel's addresses are resolved. */
export interface AddressSpace {
  /** Levels of page tables. */
  readonly levels: number
  /** Bits of an address that page tables resolve; in a kernel address all above them are ones. */
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

/** What tells where the kernel's regions lie. */
export interface RegionHints {
  readonly info: Vmcoreinfo
  readonly space: AddressSpace
  /** Address of a symbol. */
  symbol(name: string): bigint | undefined
  /** Value of a variable of pointer size; undefined where the kernel has none, or the dump lacks it. */
  variable(name: string): bigint | undefined
}

export interface KernelRegions {
  /** What to add to a physical address for its address in the direct map. */
  readonly directMap: bigint
  readonly vmalloc: AddressRange
  readonly modules: AddressRange
  /** Address that the struct page of frame 0 has, or would have; undefined where nothing tells. */
  readonly memoryMap: bigint | undefined
  /** Frames that the memory map has room for: other regions begin behind it. */
  readonly frames: number
}

export interface Arch {
  readonly name: string
  /** True of what only kernels of this architecture tell, for dumps whose header does not say whose they are. */
  recognises(info: Vmcoreinfo): boolean
  space(info: Vmcoreinfo): AddressSpace
  /** Bits of the page number that each level resolves. */
  readonly levelBits: number
  /** Physical address of the kernel's root page table; undefined where VMCOREINFO does not tell. */
  rootOf(info: Vmcoreinfo): number | undefined
  /** Entries of a process' root table that are of its own memory. */
  userRoot(space: AddressSpace): RootEntries
  /** Entries of the kernel's root table that are of its memory. */
  kernelRoot(space: AddressSpace): RootEntries
  /** Physical address of a place in the kernel's image. */
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
  /** Ways in which kernels of this architecture store swap entries: which one is told by the pages that they are of. */
  readonly swapForms: readonly SwapForm[]
  /** Address that a word on a stack has if it is a place in code; undefined for what cannot be one. */
  codeAddress(word: bigint, info: Vmcoreinfo): bigint | undefined
  /** Member of `task_struct` that keeps the stack pointer of a task that does not run. */
  readonly stackPointer: string
  /** THREAD_SIZE without KASAN, where the kernel does not say how large a stack is. */
  readonly stackBytes: number
}

/** What stands in entries that are not present. */
export interface SwapForm {
  type(low: number, high: number): number
  /** The offset; the frame number in entries of migration and of device-private pages. */
  frame(low: number, high: number): number
}
