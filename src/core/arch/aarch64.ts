// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads memory of aarch64 kernels with pages of 4 KiB. Sources: arch/arm64/include/asm/pgtable-hwdef.h, pgtable-prot.h, memory.h
 * and Documentation/arch/arm64/memory.rst. Kernel addresses have a root table of their own (TTBR1), so both root tables use all
 * their entries.
 */
import type { Vmcoreinfo } from '../kernel/vmcoreinfo.ts'
import type { AddressSpace, Arch, RegionHints } from './arch.ts'

const VALID = 1 << 0
/** Bit of a valid entry. Set, the entry points to a table, or in the lowest table to a page; clear, it maps a block. */
const TABLE = 1 << 1
/** Bit 58 of entries that are not valid: the page is mapped, but any access faults (PTE_PROT_NONE). Used up to 6.10. */
const PROT_NONE_HIGH = 1 << 26
/** Bit 56 (PTE_SPECIAL), in the high half of an entry. */
const SPECIAL_HIGH = 1 << 24
/**
 * Bit 55 is set in kernel addresses and clear in others. Pointer authentication can change the bits around it, but not this one.
 */
const KERNEL_BIT = 1n << 55n
const LEVEL_BITS = 9
const PAGE_BITS = 12
const PFN_HIGH = 2 ** 40
const USUAL_BITS = 48
const MOST_BITS = 52

export const AARCH64: Arch = {
  name: 'aarch64',
  recognises: info => info.bigNumber('kimage_voffset') !== undefined,
  levelBits: LEVEL_BITS,

  space(info) {
    // The machine can support fewer address bits than the 52 that the kernel was built for.
    const sizeBits = info.number('TCR_EL1_T1SZ')
    const told = sizeBits === undefined ? (info.number('VA_BITS') ?? USUAL_BITS) : 64 - sizeBits
    const bits = told > PAGE_BITS + LEVEL_BITS && told <= MOST_BITS ? told : USUAL_BITS
    return { levels: Math.ceil((bits - PAGE_BITS) / LEVEL_BITS), bits }
  },

  rootOf(info: Vmcoreinfo): number | undefined {
    const symbol = info.symbol('swapper_pg_dir')
    return symbol === undefined ? undefined : this.imagePhysical(symbol, info)
  },

  userRoot: rootEntries,
  kernelRoot: rootEntries,

  imagePhysical(address: bigint, info: Vmcoreinfo): number | undefined {
    const offset = info.bigNumber('kimage_voffset')
    return offset === undefined ? undefined : Number(BigInt.asUintN(64, address - offset))
  },

  regions({ info, space }: RegionHints) {
    const start = BigInt.asUintN(64, -1n << BigInt(space.bits))
    // The lower half of the kernel's addresses is the direct map, whose first address maps PHYS_OFFSET. KASLR can make
    // PHYS_OFFSET negative.
    const physical = BigInt.asIntN(64, info.bigNumber('PHYS_OFFSET') ?? 0n)
    const middle = start + (1n << BigInt(space.bits - 1))
    const end = 1n << 64n
    const mapStart = info.bigNumber('VMEMMAP_START')
    const structBytes = BigInt(info.size('page') ?? 64)
    const memoryMap = mapStart && mapStart - (physical >> BigInt(PAGE_BITS)) * structBytes
    const mapEnd = info.bigNumber('VMEMMAP_END') ?? end
    return {
      directMap: start - physical,
      vmalloc: {
        from: info.bigNumber('VMALLOC_START') ?? middle,
        to: info.bigNumber('VMALLOC_END') ?? mapStart ?? end,
      },
      modules: { from: info.bigNumber('MODULES_VADDR') ?? middle, to: info.bigNumber('MODULES_END') ?? middle },
      memoryMap,
      frames: memoryMap === undefined ? 0 : Math.max(0, Number((mapEnd - memoryMap) / structBytes)),
    }
  },

  kind(low, high, level) {
    if (low & VALID) {
      if (level === 1) return low & TABLE ? 'page' : 'none'
      return low & TABLE ? 'table' : 'page'
    }
    if (low === 0 && high === 0) return 'none'
    if (high & PROT_NONE_HIGH) return level === 1 || !(low & TABLE) ? 'page' : 'none'
    return 'swap'
  },

  frame: (low, high) => (high & 0xffff) * 2 ** 20 + (low >>> PAGE_BITS),
  isSpecial: (_, high) => (high & SPECIAL_HIGH) !== 0,

  swapForms: [
    // Since 6.11, the type is in bits 6 to 10 and the offset starts at bit 12.
    { type: low => (low >>> 6) & 31, frame: (low, high) => ((high & 0x3fffffff) * 2 ** 20 + (low >>> 12)) % PFN_HIGH },
    // Before 6.11, the type is in bits 3 to 7 and the offset starts at bit 8.
    { type: low => (low >>> 3) & 31, frame: (low, high) => ((high & 0x03ffffff) * 2 ** 24 + (low >>> 8)) % PFN_HIGH },
  ],

  codeAddress(word, info) {
    if ((word & KERNEL_BIT) === 0n) return undefined
    // With CONFIG_ARM64_PTR_AUTH_KERNEL, return addresses are signed. Setting the bits of the signature to ones restores the
    // address.
    const address = word | (info.bigNumber('KERNELPACMASK') ?? 0n)
    // Modules lie below the kernel's image, and the image lies at the beginning of the vmalloc region.
    const from = info.bigNumber('MODULES_VADDR') ?? 0xffff800000000000n
    const to = info.bigNumber('VMALLOC_END') ?? info.bigNumber('VMEMMAP_START') ?? 1n << 64n
    return address >= from && address < to ? address : undefined
  },

  stackPointer: 'thread.cpu_context.sp',
  stackBytes: 16384,
}

/** Returns the range of all entries of a root table, which can have fewer entries than the tables below it. */
function rootEntries({ levels, bits }: AddressSpace) {
  return { from: 0, to: 2 ** (bits - PAGE_BITS - LEVEL_BITS * (levels - 1)) }
}
