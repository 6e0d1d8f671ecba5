// SPDX-License-Identifier: GPL-2.0-or-later
/** Device pages in the page tables of every process: present entries, device-private entries and those of migrations. */
import { growColumns, lengthFor } from '../../util/growable.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/tasks.ts'
import { pointer } from '../kernel/typed.ts'
import { FRAME_BYTES } from '../memory/physical.ts'
import type { PagemapAccount } from '../mm/device-pages.ts'
import { walkTables } from '../mm/page-tables.ts'

export const EntryForm = { present: 0, special: 1, swap: 2 } as const

const MOST_MAPPINGS = 1 << 24

/** Entries of page tables that point to device pages, as columns. */
export class Mappings {
  length = 0
  /** First device page that the entry maps. */
  pfn = new Float64Array(256)
  /** Pages that it maps: 1, or 512 by a large entry. */
  pages = new Float64Array(256)
  /** Number of the page of the user address. */
  page = new Float64Array(256)
  /** Index in {@link processes}. */
  process = new Uint32Array(256)
  form = new Uint8Array(256)
  /** Type of a swap entry. */
  swapType = new Uint8Array(256)
  readonly processes: Task[] = []
  /** Frames of the page tables. */
  readonly tables = new Set<number>()
  /** Why entries may be missing. */
  readonly incomplete = new Set<string>()

  add(entry: { pfn: number; pages: number; page: number; process: number; form: number; swapType: number }): void {
    if (this.length >= MOST_MAPPINGS) {
      this.incomplete.add(`more than ${MOST_MAPPINGS} page-table entries point to device pages`)
      return
    }
    const row = this.length++
    if (row >= this.pfn.length) growColumns(this, lengthFor(row, this.pfn.length))
    this.pfn[row] = entry.pfn
    this.pages[row] = entry.pages
    this.page[row] = entry.page
    this.process[row] = entry.process
    this.form[row] = entry.form
    this.swapType[row] = entry.swapType
  }
}

/** Walks the page tables of every process. */
export function readMappings(
  kernel: Kernel,
  pagemaps: readonly PagemapAccount[],
  tasks: readonly Task[],
  progress: (done: number, total: number) => void,
): Mappings {
  const mappings = new Mappings()
  const ranges = pagemaps.flatMap(map => map.ranges).sort((a, b) => a.first - b.first)
  const byMemory = new Map<bigint, Task>()
  for (const task of tasks) if (task.mm !== 0n && !byMemory.has(task.mm)) byMemory.set(task.mm, task)
  const swapFiles = kernel.address('nr_swapfiles')
  const firstSpecial =
    swapFiles === undefined ? 0 : (kernel.try('nr_swapfiles', () => kernel.memory.u32(swapFiles)) ?? 0)
  let done = 0
  for (const [mm, task] of byMemory) {
    progress(done++, byMemory.size)
    const process = mappings.processes.push(task) - 1
    const root = kernel.try('a page table', () => {
      const at = pointer(kernel.at('mm_struct', mm), 'pgd')
      return kernel.memory.frameOf(at) * FRAME_BYTES
    })
    if (root === undefined) mappings.incomplete.add('the page tables of a process are not in the dump')
    else new ProcessWalk({ kernel, mappings, ranges, process, firstSpecial }).walk(root)
  }
  return mappings
}

interface WalkContext {
  kernel: Kernel
  mappings: Mappings
  ranges: readonly { first: number; end: number }[]
  process: number
  /** Types of swap entries below this are swap files. */
  firstSpecial: number
}

class ProcessWalk {
  readonly #context: WalkContext
  readonly #first: number
  readonly #end: number

  constructor(context: WalkContext) {
    this.#context = context
    this.#first = context.ranges[0]?.first ?? 0
    this.#end = context.ranges.reduce((end, range) => Math.max(end, range.end), 0)
  }

  walk(root: number): void {
    const { kernel, mappings } = this.#context
    const { arch, levels } = kernel.memory
    walkTables({
      physical: kernel.memory.physical,
      arch,
      levels,
      root,
      from: 0,
      to: arch.userRootEntries(levels),
      entry: (page, level, low, high) => this.#entry(page, level, low, high),
      table: frame => mappings.tables.add(frame),
      missing: (_, why) =>
        mappings.incomplete.add(
          why === 'excluded'
            ? 'parts of the page tables of processes are not in the dump'
            : 'the page tables of a process have a loop',
        ),
    })
  }

  #entry(page: number, level: number, low: number, high: number): void {
    const { arch } = this.#context.kernel.memory
    const present = arch.kind(low, high, level) === 'page'
    const pages = 2 ** (arch.levelBits * (level - 1))
    if (present) {
      const frame = arch.frame(low, high)
      const form = arch.isSpecial(low) ? EntryForm.special : EntryForm.present
      this.#add(Math.floor(frame / pages) * pages, pages, page, form, 0)
      return
    }
    const swapType = arch.swapType(low, high)
    if (swapType >= this.#context.firstSpecial)
      this.#add(arch.swapFrame(low, high), pages, page, EntryForm.swap, swapType)
  }

  /** Adds what of an entry lies in device memory. */
  #add(first: number, pages: number, page: number, form: number, swapType: number): void {
    if (first + pages <= this.#first || first >= this.#end) return
    for (const range of this.#context.ranges) {
      const from = Math.max(first, range.first)
      const end = Math.min(first + pages, range.end)
      if (from >= end) continue
      const { mappings, process } = this.#context
      mappings.add({ pfn: from, pages: end - from, page: page + from - first, process, form, swapType })
    }
  }
}
