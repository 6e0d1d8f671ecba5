// SPDX-License-Identifier: GPL-2.0-or-later
/** What the frames of system memory are used for, by their own struct pages and by the kernel's page tables. */

import { lowerBound } from '../../util/lower-bound.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES } from '../memory/physical.ts'
import { type MemoryMap, PageView } from '../mm/memory-map.ts'
import { walkTables } from '../mm/page-tables.ts'

/**
 * `free` and `user` memory hold no reference of the kernel's; what is in `memory-map` are struct pages; `unknown` is a frame whose
 * struct page is not in the dump.
 */
export type FrameUse = 'free' | 'user' | 'slab' | 'memory-map' | 'page-table' | 'kernel' | 'unknown'

/** A run of frames that the kernel maps at one run of addresses. */
interface MappedRun {
  frame: number
  pages: number
  /** Page number of the address, without the sign. */
  page: number
}

const PAGE_MAPPING_FLAGS = 3n

export class FrameUses {
  readonly directMap: bigint
  readonly #kernel: Kernel
  readonly #map: MemoryMap
  readonly #types: PageTypes
  readonly #view = new PageView()
  readonly #vmalloc: readonly MappedRun[]
  readonly #tables: Set<number>

  /** @param tables frames of the page tables of processes */
  constructor(kernel: Kernel, map: MemoryMap, tables: ReadonlySet<number>) {
    this.#kernel = kernel
    this.#map = map
    this.#types = pageTypes(kernel)
    this.#tables = new Set(tables)
    kernelTables(kernel, this.#tables)
    this.directMap =
      variable(kernel, 'page_offset_base') ?? kernel.arch.defaults[kernel.memory.levels as 4 | 5].directMap
    const start = variable(kernel, 'vmalloc_base') ?? kernel.arch.defaults[kernel.memory.levels as 4 | 5].vmalloc
    const end = this.#pageOf(map.base)
    this.#vmalloc = [
      ...runsOf(kernel, this.#pageOf(start), end),
      // Modules have a region of their own, above the kernel's image.
      ...runsOf(kernel, this.#pageOf(kernel.address('_end') ?? 0xffffffffc0000000n), this.#pageOf(0xffffffffff000000n)),
    ].sort((a, b) => a.frame - b.frame)
  }

  /** Address of a physical address in the direct map. */
  directAddress(physical: number): bigint {
    return this.directMap + BigInt(physical)
  }

  /** Address in vmalloc or module memory; undefined where the frame is not mapped there. */
  vmallocAddress(physical: number): bigint | undefined {
    return this.#addressIn(this.#vmalloc, physical)
  }

  /** Address in the memory map; undefined for frames that hold no struct pages. */
  memoryMapAddress(physical: number): bigint | undefined {
    const first = this.#map.firstPageIn(Math.floor(physical / FRAME_BYTES))
    return first === undefined ? undefined : this.#map.addressOf(first) + BigInt(physical % FRAME_BYTES)
  }

  use(frame: number): FrameUse {
    if (this.#tables.has(frame)) return 'page-table'
    if (this.#map.firstPageIn(frame) !== undefined) return 'memory-map'
    const view = this.#view
    if (!this.#map.read(frame, view)) return 'unknown'
    if (view.isTail && !this.#map.read(view.head, view)) return 'unknown'
    return this.#useOf(view)
  }

  /** Frame of the head of the folio or slab that a frame belongs to. */
  headOf(frame: number): number | undefined {
    return this.#map.read(frame, this.#view) ? this.#view.head : undefined
  }

  #useOf(view: PageView): FrameUse {
    const types = this.#types
    if (types.isSlab(view)) return 'slab'
    if (types.isTable(view)) return 'page-table'
    if (types.isBuddy(view)) return 'free'
    if (view.count === 0) return 'free'
    if ((view.flagsLow >>> types.reservedBit) & 1) return 'kernel'
    // Anonymous memory has a mapping with the lowest bit, files one without; others are movable pages of drivers.
    const kind = view.mapping & PAGE_MAPPING_FLAGS
    return view.mapping !== 0n && kind !== 2n ? 'user' : 'kernel'
  }

  #pageOf(address: bigint): number {
    return Number(BigInt.asUintN(this.#bits, address) >> 12n)
  }

  get #bits(): number {
    return this.#kernel.arch.canonicalBits[this.#kernel.memory.levels as 4 | 5]
  }

  #addressIn(runs: readonly MappedRun[], physical: number): bigint | undefined {
    const frame = Math.floor(physical / FRAME_BYTES)
    const run = runs[lowerBound(runs.length, i => runs[i]!.frame <= frame) - 1]
    if (!run || frame >= run.frame + run.pages) return undefined
    const address = BigInt(run.page + frame - run.frame) * BigInt(FRAME_BYTES) + BigInt(physical % FRAME_BYTES)
    return BigInt.asUintN(64, BigInt.asIntN(this.#bits, address))
  }
}

function variable(kernel: Kernel, name: string): bigint | undefined {
  const at = kernel.address(name)
  return at === undefined ? undefined : kernel.try(name, () => kernel.memory.u64(at))
}

/** Adds the frames of the kernel's own page tables: of the direct map, too, where device memory is in it. */
function kernelTables({ memory }: Kernel, tables: Set<number>): void {
  const { arch, levels, root, physical } = memory
  const half = 2 ** (arch.levelBits - 1)
  const ignore = () => undefined
  walkTables({
    physical,
    arch,
    levels,
    root,
    from: half,
    to: 2 * half,
    entry: ignore,
    missing: ignore,
    table: frame => tables.add(frame),
  })
}

/** What the kernel maps at pages [first, end), joined where neighbours are. */
function runsOf(kernel: Kernel, first: number, end: number): MappedRun[] {
  const runs: MappedRun[] = []
  const { arch, levels, root, physical } = kernel.memory
  const half = 2 ** (arch.levelBits - 1)
  walkTables({
    physical,
    arch,
    levels,
    root,
    from: half,
    to: 2 * half,
    within: { first, end },
    entry(page, level, low, high) {
      if (arch.kind(low, high, level) !== 'page') return
      const pages = 2 ** (arch.levelBits * (level - 1))
      const frame = Math.floor(arch.frame(low, high) / pages) * pages
      const last = runs.at(-1)
      if (last && last.frame + last.pages === frame && last.page + last.pages === page) last.pages += pages
      else runs.push({ frame, pages, page })
    },
    missing: () => undefined,
  })
  return runs
}

interface PageTypes {
  isSlab(view: PageView): boolean
  isTable(view: PageView): boolean
  isBuddy(view: PageView): boolean
  reservedBit: number
}

/**
 * How a kernel marks the type of a page. Since 6.12 (4ffca5a96678) it is a number in the top byte of the word of `_mapcount`;
 * before it were inverted bits there, and slabs had a flag.
 */
function pageTypes(kernel: Kernel): PageTypes {
  const { btf, info } = kernel
  const typed = (name: string, number: string) => {
    const value = btf.enumerator(name)
    const old = info.number(number)
    if (value !== undefined && value > 0xef) return (view: PageView) => view.mapcount >>> 24 === value
    return (view: PageView) => old !== undefined && view.mapcount === old
  }
  const slabFlag = btf.enumerator('PGTY_slab') === undefined ? btf.enumerator('PG_slab') : undefined
  const isSlab = typed('PGTY_slab', 'PAGE_SLAB_MAPCOUNT_VALUE')
  return {
    isSlab: view => (slabFlag !== undefined && slabFlag < 32 ? ((view.flagsLow >>> slabFlag) & 1) !== 0 : isSlab(view)),
    isTable: typed('PGTY_table', 'PAGE_TABLE_MAPCOUNT_VALUE'),
    isBuddy: typed('PGTY_buddy', 'PAGE_BUDDY_MAPCOUNT_VALUE'),
    reservedBit: btf.enumerator('PG_reserved') ?? 31,
  }
}
