// SPDX-License-Identifier: GPL-2.0-or-later
/** Determines what frames of system memory are used for, from their struct pages and the kernel's page tables. */

import { lowerBound } from '../../util/lower-bound.ts'
import type { AddressRange } from '../arch/arch.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES } from '../memory/physical.ts'
import type { MemoryMap } from '../mm/memory-map.ts'
import { PageView } from '../mm/page-layout.ts'
import { walkKernel } from '../mm/page-tables.ts'

/**
 * Use of a frame. `free` and `user` memory hold no references of the kernel. `memory-map` frames consist of struct pages.
 * `unknown` is a frame whose struct page is not in the dump.
 */
export type FrameUse = 'free' | 'user' | 'slab' | 'memory-map' | 'page-table' | 'kernel' | 'unknown'

/** A run of consecutive frames that the kernel maps at consecutive addresses. */
interface MappedRun {
  frame: number
  pages: number
  /** Page number of the first address, without the sign extension. */
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

  /** @param tables frames of the page tables of all processes */
  constructor(kernel: Kernel, map: MemoryMap, tables: ReadonlySet<number>) {
    this.#kernel = kernel
    this.#map = map
    this.#types = pageTypes(kernel)
    this.#tables = new Set(tables)
    kernelTables(kernel, this.#tables)
    const { directMap, vmalloc, modules } = kernel.regions
    this.directMap = directMap
    this.#vmalloc = [...runsOf(kernel, vmalloc), ...runsOf(kernel, modules)].sort((a, b) => a.frame - b.frame)
  }

  /** Returns the address of physical memory in the direct map. */
  directAddress(physical: number): bigint {
    return this.directMap + BigInt(physical)
  }

  /** Returns the address of physical memory in the vmalloc or module region; undefined if its frame is not mapped there. */
  vmallocAddress(physical: number): bigint | undefined {
    return this.#addressIn(this.#vmalloc, physical)
  }

  /** Returns the address of physical memory in the memory map; undefined for frames that contain no struct pages. */
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

  /** True for the first page of a slab. */
  isSlab(page: PageView): boolean {
    return this.#types.isSlab(page)
  }

  /** Returns the frame of the head of the folio or slab that a frame belongs to. */
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
    // The low bits of `mapping` tell its kind: anonymous memory has the lowest bit set, files none. Others are movable pages of
    // drivers.
    const kind = view.mapping & PAGE_MAPPING_FLAGS
    return view.mapping !== 0n && kind !== 2n ? 'user' : 'kernel'
  }

  #addressIn(runs: readonly MappedRun[], physical: number): bigint | undefined {
    const frame = Math.floor(physical / FRAME_BYTES)
    const run = runs[lowerBound(runs.length, i => runs[i]!.frame <= frame) - 1]
    if (!run || frame >= run.frame + run.pages) return undefined
    return this.#kernel.memory.addressOf(run.page + frame - run.frame) + BigInt(physical % FRAME_BYTES)
  }
}

/** Adds the frames of the kernel's own page tables, including those of the direct map where it contains device memory. */
function kernelTables(kernel: Kernel, tables: Set<number>): void {
  const ignore = () => undefined
  walkKernel(kernel, { entry: ignore, table: frame => tables.add(frame) })
}

/** Returns what the kernel maps in an address range, with neighbouring pages joined to runs. */
function runsOf(kernel: Kernel, { from, to }: AddressRange): MappedRun[] {
  const runs: MappedRun[] = []
  const { memory, arch } = kernel
  // The range can end at 2^64, so its end is computed from its last address.
  const within = { first: memory.pageOf(from), end: memory.pageOf(to - 1n) + 1 }
  walkKernel(kernel, {
    within,
    entry(page, level, low, high) {
      if (arch.kind(low, high, level) !== 'page') return
      const pages = 2 ** (arch.levelBits * (level - 1))
      const frame = Math.floor(arch.frame(low, high) / pages) * pages
      const last = runs.at(-1)
      if (last && last.frame + last.pages === frame && last.page + last.pages === page) last.pages += pages
      else runs.push({ frame, pages, page })
    },
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
 * How a kernel marks the type of a page. Since 6.12 (4ffca5a96678), the type is a number in the top byte of the word that holds
 * `_mapcount`. Before, types were inverted bits of that word, and slabs had a page flag.
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
