// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads memory of x86-64 kernels. Sources: arch/x86/include/asm/pgtable_64.h, pgtable_types.h and
 * Documentation/arch/x86/x86_64/mm.rst.
 */
import type { Vmcoreinfo } from '../kernel/vmcoreinfo.ts'
import type { Arch } from './arch.ts'

const START_KERNEL_MAP = 0xffffffff80000000n
const PRESENT = 1 << 0
/** Bit of entries in tables above the lowest: the entry maps a large page. */
const LARGE = 1 << 7
/** Bit of entries that are not present: the page is mapped, but any access faults (PROT_NONE, NUMA balancing). */
const PROT_NONE = 1 << 8
/** Bit of entries that hold no reference on their page. Up to 6.14, DAX mappings have it too. */
const SPECIAL = 1 << 9
/** Frame numbers have at most 40 bits. The bits above hold flags of migration entries. */
const PFN_HIGH = 2 ** 40

/** Start addresses of the regions, by number of page-table levels, for kernels that KASLR did not randomise. */
const DEFAULTS: Record<number, { directMap: bigint; vmalloc: bigint; memoryMap: bigint }> = {
  4: { directMap: 0xffff888000000000n, vmalloc: 0xffffc90000000000n, memoryMap: 0xffffea0000000000n },
  5: { directMap: 0xff11000000000000n, vmalloc: 0xffa0000000000000n, memoryMap: 0xffd4000000000000n },
}
/** Bits of physical addresses, by levels (MAX_PHYSMEM_BITS). */
const PHYSICAL_BITS: Record<number, number> = { 4: 46, 5: 52 }
/** Start of the modules' own region, which lies above the kernel's image and below the fixed mappings. */
const MODULES = 0xffffffffc0000000n
const FIXED_MAPPINGS = 0xffffffffff000000n

export const X86_64: Arch = {
  name: 'x86_64',
  recognises: info => info.number('phys_base') !== undefined,
  levelBits: 9,
  space: info => (info.number('pgtable_l5_enabled') === 1 ? { levels: 5, bits: 57 } : { levels: 4, bits: 48 }),

  rootOf(info: Vmcoreinfo): number | undefined {
    const symbol = info.symbol('init_top_pgt') ?? info.symbol('swapper_pg_dir')
    return symbol === undefined ? undefined : this.imagePhysical(symbol, info)
  },

  // Every root table has both halves.
  userRoot: () => ({ from: 0, to: 256 }),
  kernelRoot: () => ({ from: 256, to: 512 }),

  imagePhysical(address: bigint, info: Vmcoreinfo): number | undefined {
    const base = info.number('phys_base')
    return base === undefined ? undefined : Number(address - START_KERNEL_MAP) + base
  },

  regions({ info, space, symbol, variable }) {
    const defaults = DEFAULTS[space.levels]!
    const known = [variable('vmemmap_base'), info.symbol('vmemmap'), defaults.memoryMap]
    const memoryMap = known.find(each => each !== undefined && each !== 0n && (each & 0xfffn) === 0n)
    return {
      directMap: variable('page_offset_base') ?? defaults.directMap,
      vmalloc: { from: variable('vmalloc_base') ?? defaults.vmalloc, to: memoryMap ?? defaults.memoryMap },
      modules: { from: symbol('_end') ?? MODULES, to: FIXED_MAPPINGS },
      memoryMap,
      frames: 2 ** (PHYSICAL_BITS[space.levels]! - 12),
    }
  },

  kind(low, high, level) {
    if (low & PRESENT) return level === 1 || low & LARGE ? 'page' : 'table'
    if (low === 0 && high === 0) return 'none'
    // An entry that is not present but has PROT_NONE still maps its page. Its frame number is inverted to mitigate L1TF.
    if (low & PROT_NONE) return level === 1 || low & LARGE ? 'page' : 'none'
    return 'swap'
  },

  frame(low, high) {
    const inverted = !(low & PRESENT) && (low & PROT_NONE) !== 0
    const [l, h] = inverted ? [~low, ~high] : [low, high]
    return (h & 0x000fffff) * 2 ** 20 + (l >>> 12)
  },

  isSpecial: low => (low & SPECIAL) !== 0,

  swapForms: [
    {
      type: (_, high) => high >>> 27,
      // Bits 9 to 58 hold the inverted offset.
      frame: (low, high) => ((~high & 0x07ffffff) * 2 ** 23 + (~low >>> 9)) % PFN_HIGH,
    },
  ],

  codeAddress: word => (word >= START_KERNEL_MAP ? word : undefined),
  stackPointer: 'thread.sp',
  stackBytes: 16384,
}
