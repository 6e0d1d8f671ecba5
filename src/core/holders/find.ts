// SPDX-License-Identifier: GPL-2.0-or-later
/** Finds the holders of the pages in use: page tables, pipes, and pointers anywhere in the kernel's memory. */

import type { Holder } from '../finding.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { readTasks, type Task } from '../kernel/tasks.ts'
import type { DevicePages } from '../mm/device-pages.ts'
import type { MemoryMap } from '../mm/memory-map.ts'
import { pagemapAt } from '../mm/pagemaps.ts'
import { DevicePageIndex, type PageHolders } from './device-index.ts'
import { FrameUses } from './frames.ts'
import { isFreeListHead } from './free-lists.ts'
import { mappingHolders } from './mapping-holders.ts'
import { readMappings } from './mappings.ts'
import { readPipes } from './pipes.ts'
import { type Place, Places } from './places.ts'
import { type Hits, searchPointers, WordForm } from './pointer-search.ts'
import { DriverReach } from './reach.ts'

export interface HolderSearch {
  /** Returns the holders of a folio, given the frame number of its head. */
  of(pfn: number): PageHolders | undefined
  /** Idle pages that page tables map with a reference, which is a fault. */
  readonly mappedIdle: readonly number[]
  readonly tasks: readonly Task[]
  /** The kernel ran on while its memory was read. */
  readonly live: boolean
  /** True if memory was searched for pointers. */
  readonly searched: boolean
  /**
   * Share of idle pages whose frame number or physical address also occurs in memory. The higher it is, the less such a number
   * says about a page in use.
   */
  readonly numberRate: number
  /** Why a page without holders may be held all the same; empty if everything could be examined. */
  readonly incomplete: readonly string[]
}

export interface HolderOptions {
  search: boolean
  progress?: ((what: string, done: number, total: number | undefined) => void) | undefined
}

export function findHolders(kernel: Kernel, map: MemoryMap, pages: DevicePages, options: HolderOptions): HolderSearch {
  const { progress } = options
  const gapsBefore = kernel.gaps.length
  const tasks = readTasks(kernel)
  const index = new DevicePageIndex(map, pages)
  const mappings = readMappings(kernel, pages.pagemaps, tasks, (done, total) => progress?.('page tables', done, total))
  const mappedIdle = mappingHolders(mappings, index, pages)
  for (const { pfn, pipe, task, fd, slot, address } of readPipes(kernel, map, tasks)) {
    index.addCertain(pfn, {
      kind: 'pipe',
      references: 1,
      words: `pipe of ${task.name}-${task.pid}, descriptor ${fd}, buffer ${slot}`,
      address,
      pid: task.pid,
      task: task.name,
      object: pipe,
    })
  }
  const incomplete = [...mappings.incomplete]
  const search = options.search ? new Search({ kernel, map, index, pages, tasks, tables: mappings.tables }) : undefined
  if (search) search.run((done, total) => progress?.('memory searched', done, total), incomplete)
  else incomplete.push('memory was not searched')
  if (kernel.dump.damage.length > 0) incomplete.unshift('the file is damaged')
  if (kernel.gaps.length > gapsBefore) incomplete.push('structures of tasks, files or slabs could not be read')
  return {
    of: pfn => index.of(pfn),
    mappedIdle,
    tasks,
    live: kernel.dump.memory.format === 'live',
    searched: options.search,
    numberRate: search?.numberRate ?? 0,
    incomplete: [...new Set(incomplete)],
  }
}

/**
 * False for a physical address at a place where it can only be a coincidence. Physical addresses are kept in objects of drivers
 * and, combined with flags, in whole pages of drivers (IOMMU page tables).
 */
function isPlausible(form: number, { kind }: Place): boolean {
  if (form === WordForm.number || kind === 'kernel-page') return true
  return form === WordForm.physical && kind === 'slab'
}

/** Number of idle pages whose frame numbers are searched for as a control group. */
const CONTROL_PAGES = 256

/**
 * If at least this share of idle pages has its number somewhere in memory, the number of a page in use is by itself no evidence.
 */
const TELLING_RATE = 0.05

interface SearchInput {
  kernel: Kernel
  map: MemoryMap
  index: DevicePageIndex
  pages: DevicePages
  tasks: readonly Task[]
  tables: ReadonlySet<number>
}

class Search {
  numberRate = 0
  readonly #input: SearchInput
  readonly #uses: FrameUses
  readonly #places: Places
  readonly #reach: DriverReach
  readonly #absent = new Map<string, number>()

  constructor(input: SearchInput) {
    const { kernel, map, tasks, tables } = input
    this.#input = input
    this.#uses = new FrameUses(kernel, map, tables)
    this.#places = new Places(kernel, map, this.#uses, tasks)
    this.#reach = new DriverReach(kernel, this.#places)
  }

  run(progress: (done: number, total: number) => void, incomplete: string[]): void {
    const { kernel, map, index } = this.#input
    const control = new Set(index.idleNeighbours(CONTROL_PAGES))
    const hits = searchPointers(kernel.dump.memory, map, {
      device: index.ranges,
      wanted: pfn => index.isInUse(pfn),
      wantedNumber: pfn => index.isInUse(pfn) || control.has(pfn),
      absent: frame => this.#noteAbsent(frame),
      progress,
    })
    if (hits.overflown) incomplete.push('there are more pointers to device pages than are kept')
    for (const [use, frames] of this.#absent) incomplete.push(`${frames} frames of ${use} are not in the dump`)
    this.#pointers(hits)
    this.#numbers(hits, control)
  }

  /**
   * Counts a frame that the dump lacks. Free and user memory would not have held references of the kernel, so it is not counted.
   */
  #noteAbsent(frame: number): void {
    const use = this.#uses.use(frame)
    if (use === 'free' || use === 'user' || use === 'memory-map' || use === 'page-table') return
    const words = use === 'unknown' ? 'unknown use' : use === 'slab' ? 'slab memory' : 'kernel memory'
    this.#absent.set(words, (this.#absent.get(words) ?? 0) + 1)
  }

  #pointers(hits: Hits): void {
    const { index } = this.#input
    for (let row = 0; row < hits.length; row++) {
      if (hits.form[row] !== WordForm.pointer) continue
      const first = hits.pfn[row]!
      const place = this.#places.at(hits.place[row]!, WordForm.pointer)
      if (place.memoryMap !== undefined) index.noteLink(place.memoryMap, first)
      if (!place.holder || place.live === false) continue
      if (isFreeListHead(place.holder)) {
        if (index.isInUse(first)) index.holdersOf(first).freeList = `${place.holder.words} points to it`
        continue
      }
      for (let pfn = first; pfn < first + hits.pages[row]!; pfn++) {
        if (index.isInUse(pfn)) index.addPointer(pfn, place.holder, place.live === true)
      }
    }
  }

  /**
   * Adds frame numbers and physical addresses as doubtful holders. If idle pages' numbers occur often too, only those in objects
   * near the page's own driver are added.
   */
  #numbers(hits: Hits, control: ReadonlySet<number>): void {
    const { index } = this.#input
    const places = new Map<number, Place>()
    for (const form of [WordForm.number, WordForm.physical, WordForm.entry]) {
      const seen = new Set<number>()
      for (let row = 0; row < hits.length; row++) {
        if (hits.form[row] !== form) continue
        const place = this.#places.at(hits.place[row]!, form)
        if (!place.holder || place.live === false || !isPlausible(form, place)) continue
        places.set(row, place)
        if (control.has(hits.pfn[row]!)) seen.add(hits.pfn[row]!)
      }
      const rate = control.size === 0 ? 1 : seen.size / control.size
      this.numberRate = Math.max(this.numberRate, rate)
      for (const [row, { holder }] of places) {
        const pfn = hits.pfn[row]!
        if (hits.form[row] !== form || !index.isInUse(pfn)) continue
        if (rate < TELLING_RATE || this.#isNear(pfn, holder!)) index.addPointer(pfn, holder!, false)
        else index.holdersOf(pfn).chance++
      }
    }
  }

  #isNear(pfn: number, { object }: Holder): boolean {
    const { pagemaps } = this.#input.pages
    const driver = pagemaps[pagemapAt(pagemaps, pfn)]?.driver
    return object !== undefined && driver !== undefined && this.#reach.isNear(driver, object)
  }
}
