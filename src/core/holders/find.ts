// SPDX-License-Identifier: GPL-2.0-or-later
/** Who holds the pages that are in use: page tables, pipes, and pointers anywhere in the kernel's memory. */
import type { Kernel } from '../kernel/kernel.ts'
import { readTasks, type Task } from '../kernel/tasks.ts'
import type { DevicePages } from '../mm/device-pages.ts'
import type { MemoryMap } from '../mm/memory-map.ts'
import { DevicePageIndex, type PageHolders } from './device-index.ts'
import { FrameUses } from './frames.ts'
import { mappingHolders } from './mapping-holders.ts'
import { readMappings } from './mappings.ts'
import { readPipes } from './pipes.ts'
import { Places } from './places.ts'
import { type Hits, searchPointers } from './pointer-search.ts'

export interface HolderSearch {
  /** Holders of a page, by the head of its folio. */
  of(pfn: number): PageHolders | undefined
  /** Idle pages that page tables map with a reference. */
  readonly mappedIdle: readonly number[]
  readonly tasks: readonly Task[]
  /** True if memory was searched for pointers. */
  readonly searched: boolean
  /** Part of idle pages whose frame numbers stand somewhere, too: how little the number of a page says. */
  readonly numberRate: number
  /** Why a page without holders need not be one that nobody holds; empty where all that could be looked at was. */
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
  const incomplete = [...kernel.dump.damage.map(() => 'the file is damaged'), ...mappings.incomplete]
  const search = options.search ? new Search(kernel, map, index, tasks) : undefined
  if (search) search.run((done, total) => progress?.('memory searched', done, total), incomplete)
  else incomplete.push('memory was not searched')
  if (kernel.gaps.length > gapsBefore) incomplete.push('structures of tasks, files or slabs could not be read')
  if (kernel.dump.memory.format === 'live') incomplete.push('the kernel ran on while its memory was read')
  return {
    of: pfn => index.of(pfn),
    mappedIdle,
    tasks,
    searched: options.search,
    numberRate: search?.numberRate ?? 0,
    incomplete: [...new Set(incomplete)],
  }
}

/** Idle pages whose frame numbers are counted for comparison. */
const CONTROL_PAGES = 256

class Search {
  numberRate = 0
  readonly #kernel: Kernel
  readonly #map: MemoryMap
  readonly #index: DevicePageIndex
  readonly #uses: FrameUses
  readonly #places: Places
  readonly #absent = new Map<string, number>()

  constructor(kernel: Kernel, map: MemoryMap, index: DevicePageIndex, tasks: readonly Task[]) {
    this.#kernel = kernel
    this.#map = map
    this.#index = index
    this.#uses = new FrameUses(kernel, map)
    this.#places = new Places(kernel, map, this.#uses, tasks)
  }

  run(progress: (done: number, total: number) => void, incomplete: string[]): void {
    const index = this.#index
    const control = new Set(index.idleNeighbours(CONTROL_PAGES))
    const hits = searchPointers(this.#kernel.dump.memory, this.#map, {
      device: index.ranges,
      wanted: pfn => index.isInUse(pfn),
      wantedNumber: pfn => index.isInUse(pfn) || control.has(pfn),
      absent: frame => this.#noteAbsent(frame),
      progress,
    })
    if (hits.overflown) incomplete.push('there are more pointers to device pages than are kept')
    for (const [use, frames] of this.#absent) incomplete.push(`${frames} frames of ${use} are not in the dump`)
    this.#sort(hits, control)
  }

  /** What free memory and that of users held is no loss. */
  #noteAbsent(frame: number): void {
    const use = this.#uses.use(frame)
    if (use === 'free' || use === 'user' || use === 'memory-map' || use === 'page-table') return
    const words = use === 'unknown' ? 'unknown use' : use === 'slab' ? 'slab memory' : 'kernel memory'
    this.#absent.set(words, (this.#absent.get(words) ?? 0) + 1)
  }

  #sort(hits: Hits, control: ReadonlySet<number>): void {
    const numbered = new Set<number>()
    for (let row = 0; row < hits.length; row++) {
      const number = hits.number[row] === 1
      const first = hits.pfn[row]!
      const place = this.#places.at(hits.place[row]!, number)
      if (place.memoryMap !== undefined) this.#index.noteLink(place.memoryMap, first)
      if (!place.holder || place.live === false) continue
      if (number && control.has(first)) numbered.add(first)
      for (let pfn = first; pfn < first + hits.pages[row]!; pfn++) {
        if (this.#index.isInUse(pfn)) this.#index.addPointer(pfn, place.holder, !number && place.live === true)
      }
    }
    this.numberRate = control.size === 0 ? 1 : numbered.size / control.size
  }
}
