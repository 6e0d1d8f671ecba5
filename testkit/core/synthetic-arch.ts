// SPDX-License-Identifier: GPL-2.0-or-later
/** The memory layout and page table format of the synthetic kernel, by architecture. */

export interface SyntheticArch {
  /** `e_machine` of ELF. */
  readonly machine: number
  /** Levels of page tables. */
  readonly levels: number
  readonly image: bigint
  /** Offset of the direct map from physical addresses; below, the address of frame 0's struct page. */
  readonly direct: bigint
  readonly memoryMap: bigint
  readonly modules: bigint
  /** Symbol of the kernel's root table; below, whether the root tables of processes contain the kernel's half as well. */
  readonly root: string
  readonly sharesRoot: boolean
  /** Path from `task_struct` to the saved stack pointer. */
  readonly stackPointer: string
  /** Page table entries that point to a physical address: of a table, of a page, and of a block of 512 pages. */
  table(physical: number): bigint
  page(physical: number): bigint
  large(physical: number): bigint
  /** A swap entry of a device-private page, of a type beyond those of swap files. */
  privateEntry(pfn: number): bigint
  /** Lines of VMCOREINFO. */
  info(imagePhysical: number): readonly string[]
}

const PRIVATE_TYPE = 28n

export const SYNTHETIC_X86_64: SyntheticArch = {
  machine: 62,
  levels: 4,
  image: 0xffffffff81000000n,
  direct: 0xffff888000000000n,
  memoryMap: 0xffffea0000000000n,
  modules: 0xffffffffc0000000n,
  root: 'init_top_pgt',
  sharesRoot: true,
  stackPointer: 'thread.sp',
  table: physical => BigInt(physical) | 0x67n,
  page: physical => BigInt(physical) | 0x63n,
  large: physical => BigInt(physical) | 0xe7n,
  privateEntry: pfn => (PRIVATE_TYPE << 59n) | ((~BigInt(pfn) & ((1n << 50n) - 1n)) << 9n),
  info: () => ['NUMBER(phys_base)=0', 'NUMBER(pgtable_l5_enabled)=0'],
}

const ARM_IMAGE = 0xffff800081000000n
const ARM_MODULES = 0xffff80007a000000n
const ARM_MAP = 0xfffffdffc0000000n
/** Physical address at which memory, and with it the direct map and the memory map, begins. */
const ARM_PHYSICAL = 0x800000n

/**
 * @param bits width of virtual addresses. With 52 there are five levels of tables, and the root table has 16 entries
 * @param privateEntry encodes a swap entry of a device-private page; the encoding changed in 6.11
 */
function aarch64(bits: 48 | 52, privateEntry: (pfn: number) => bigint): SyntheticArch {
  return {
    machine: 183,
    levels: bits === 52 ? 5 : 4,
    image: ARM_IMAGE,
    direct: BigInt.asUintN(64, -1n << BigInt(bits)) - ARM_PHYSICAL,
    memoryMap: ARM_MAP - (ARM_PHYSICAL >> 12n) * 64n,
    modules: ARM_MODULES,
    root: 'swapper_pg_dir',
    sharesRoot: false,
    stackPointer: 'thread.cpu_context.sp',
    table: physical => BigInt(physical) | 0x3n,
    page: physical => BigInt(physical) | 0x0068000000000703n,
    large: physical => BigInt(physical) | 0x0068000000000701n,
    privateEntry,
    info: physical =>
      Object.entries({
        VA_BITS: 52n,
        TCR_EL1_T1SZ: BigInt(64 - bits),
        kimage_voffset: ARM_IMAGE - BigInt(physical),
        PHYS_OFFSET: ARM_PHYSICAL,
        MODULES_VADDR: ARM_MODULES,
        MODULES_END: 0xffff800080000000n,
        // Follows the image, which here covers all of memory.
        VMALLOC_START: 0xffff800090000000n,
        VMALLOC_END: 0xfffffdffbfff0000n,
        VMEMMAP_START: ARM_MAP,
        VMEMMAP_END: 0xffffffffc0000000n,
      }).map(([name, value]) => `NUMBER(${name})=0x${value.toString(16)}`),
  }
}

export const SYNTHETIC_AARCH64 = aarch64(52, pfn => (PRIVATE_TYPE << 6n) | (BigInt(pfn) << 12n))
export const SYNTHETIC_AARCH64_BEFORE_6_11 = aarch64(48, pfn => (PRIVATE_TYPE << 3n) | (BigInt(pfn) << 8n))
