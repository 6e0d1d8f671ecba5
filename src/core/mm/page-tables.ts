// SPDX-License-Identifier: GPL-2.0-or-later
/** Every entry of a page table that maps something or stands for something. */
import type { Arch } from '../arch/arch.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES, type PhysicalMemory } from '../memory/physical.ts'

/** More tables than 64 TiB of sparse mappings have. A damaged table can point to itself, or all of them to one another. */
const MOST_TABLES = 1 << 22

export interface TableWalk {
  readonly physical: PhysicalMemory
  readonly arch: Arch
  readonly levels: number
  /** Physical address of the root table, which can begin within a frame. */
  readonly root: number
  /** Entries of the root table [from, to). */
  readonly from: number
  readonly to: number
  /** Numbers of pages that are of interest; tables that map none are left out. */
  readonly within?: { first: number; end: number } | undefined
  /**
   * An entry that maps a page or is a swap entry.
   * @param page number of the first page of the address that it is for
   * @param level 1 for one page, 2 for 512, 3 for 512 times as many
   */
  entry(page: number, level: number, low: number, high: number): void
  /** Called with the frame of every table. */
  table?(frame: number): void
  /** A table that the dump lacks, or that stands where one of the same walk does. */
  missing(page: number, why: 'excluded' | 'loop'): void
}

/** Walks the kernel's own page tables; parts of them that are not in the dump are passed over. */
export function walkKernel({ memory, arch }: Kernel, walk: Pick<TableWalk, 'within' | 'entry' | 'table'>): void {
  const { physical, space, root } = memory
  walkTables({
    ...walk,
    physical,
    arch,
    levels: space.levels,
    root,
    ...arch.kernelRoot(space),
    missing: () => undefined,
  })
}

/** Walks the tables under a root. */
export function walkTables(walk: TableWalk): void {
  new Walker(walk).table(Math.floor(walk.root / FRAME_BYTES), walk.levels, 0)
}

class Walker {
  readonly #walk: TableWalk
  readonly #fanOut: number
  readonly #seen = new Set<number>()

  constructor(walk: TableWalk) {
    this.#walk = walk
    this.#fanOut = 2 ** walk.arch.levelBits
  }

  table(frame: number, level: number, firstPage: number): void {
    const walk = this.#walk
    const again = this.#seen.has(frame) || this.#seen.size >= MOST_TABLES
    const bytes = again ? undefined : walk.physical.frame(frame)
    this.#seen.add(frame)
    if (!bytes) {
      walk.missing(firstPage, again ? 'loop' : 'excluded')
      return
    }
    walk.table?.(frame)
    // Copied: the walk below reads other frames, after which this one need not be valid any more.
    const entries = level === 1 ? bytes : bytes.slice()
    const words = new DataView(entries.buffer, entries.byteOffset, FRAME_BYTES)
    const below = this.#fanOut ** (level - 1)
    const isRoot = level === walk.levels
    const [from, to] = isRoot ? [walk.from, walk.to] : [0, this.#fanOut]
    const start = isRoot ? walk.root % FRAME_BYTES : 0
    for (let i = from; i < to && start + 8 * i + 8 <= FRAME_BYTES; i++) {
      const low = words.getInt32(start + 8 * i, true)
      const high = words.getInt32(start + 8 * i + 4, true)
      if (low === 0 && high === 0) continue
      const page = firstPage + i * below
      if (walk.within && (page + below <= walk.within.first || page >= walk.within.end)) continue
      const kind = walk.arch.kind(low, high, level)
      if (kind === 'table') this.table(walk.arch.frame(low, high), level - 1, page)
      else if (kind !== 'none') walk.entry(page, level, low, high)
    }
  }
}
