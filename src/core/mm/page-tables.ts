// SPDX-License-Identifier: GPL-2.0-or-later
/** Walks page tables and reports every entry that maps a page or is a swap entry. */
import type { Arch } from '../arch/arch.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { FRAME_BYTES, type PhysicalMemory } from '../memory/physical.ts'

/** Maximum number of tables, more than 64 TiB of sparse mappings need. Damaged tables can form cycles. */
const MOST_TABLES = 1 << 22

export interface TableWalk {
  readonly physical: PhysicalMemory
  readonly arch: Arch
  readonly levels: number
  /** Physical address of the root table, which need not begin at a frame boundary. */
  readonly root: number
  /** Entries [from, to) of the root table to walk. */
  readonly from: number
  readonly to: number
  /** Range of page numbers that are of interest. Tables that map none of them are skipped. */
  readonly within?: { first: number; end: number } | undefined
  /**
   * Called for an entry that maps a page or is a swap entry.
   * @param page number of the first page of the address range that the entry covers
   * @param level 1 for one page, 2 for 512, 3 for 512 * 512
   */
  entry(page: number, level: number, low: number, high: number): void
  /** Called with the frame of each table. */
  table?(frame: number): void
  /** Called for a table that the dump lacks, or that was met before in the same walk. */
  missing(page: number, why: 'excluded' | 'loop'): void
}

/** Walks the kernel's own page tables. Parts that are not in the dump are skipped. */
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

/** Walks the tables below a root. */
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
    // Copied because the walk reads other frames, which can invalidate this one.
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
