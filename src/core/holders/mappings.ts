// SPDX-License-Identifier: GPL-2.0-or-later
/** Finds device pages in the page tables of all processes: present entries, device-private entries and migration entries. */
import { growColumns, lengthFor } from '../../util/growable.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/tasks.ts'
import { pointer } from '../kernel/typed.ts'
import { FRAME_BYTES } from '../memory/physical.ts'
import type { PagemapAccount } from '../mm/device-pages.ts'
import { walkTables } from '../mm/page-tables.ts'

export const EntryForm = { present: 0, special: 1, swap: 2 } as const

const MOST_MAPPINGS = 1 << 24

/** Page-table entries that point to device pages, as columns. */
export class Mappings {
  length = 0
  /** First device page that the entry maps, as a frame number. */
  pfn = new Float64Array(256)
  /** Number of pages that the entry maps: 1, or 512 for a large entry. */
  pages = new Float64Array(256)
  /** User address of the entry, as a page number. */
  page = new Float64Array(256)
  /** Index in {@link processes}. */
  process = new Uint32Array(256)
  form = new Uint8Array(256)
  /** Type of a swap entry, and the index of the architecture's encoding by which it was decoded. */
  swapType = new Uint8Array(256)
  swapForm = new Uint8Array(256)
  readonly processes: Task[] = []
  /** Frames of the page tables themselves. */
  readonly tables = new Set<number>()
  /** Reasons why entries may be missing, in words. */
  readonly incomplete = new Set<string>()

  add(entry: Entry): void {
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
    this.swapForm[row] = entry.swapForm
  }

  /**
   * Keeps only the swap entries decoded by the encoding with the most entries for device pages. Decoded by a wrong encoding, an
   * entry points to an arbitrary page.
   */
  settleSwapForm(): void {
    const counts = new Map<number, number>()
    for (let row = 0; row < this.length; row++) {
      const form = this.swapForm[row]!
      if (this.form[row] === EntryForm.swap) counts.set(form, (counts.get(form) ?? 0) + 1)
    }
    if (counts.size < 2) return
    const [[best]] = [...counts].sort(([, a], [, b]) => b - a) as [[number, number]]
    let kept = 0
    for (let row = 0; row < this.length; row++) {
      if (this.form[row] === EntryForm.swap && this.swapForm[row] !== best) continue
      for (const column of [this.pfn, this.pages, this.page, this.process, this.form, this.swapType, this.swapForm]) {
        column[kept] = column[row]!
      }
      kept++
    }
    this.length = kept
  }
}

interface Entry {
  pfn: number
  pages: number
  page: number
  process: number
  form: number
  swapType: number
  swapForm: number
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
      return kernel.memory.frameOf(at) * FRAME_BYTES + Number(at % BigInt(FRAME_BYTES))
    })
    if (root === undefined) mappings.incomplete.add('the page tables of a process are not in the dump')
    else new ProcessWalk({ kernel, mappings, ranges, process, firstSpecial }).walk(root)
  }
  mappings.settleSwapForm()
  return mappings
}

interface WalkContext {
  kernel: Kernel
  mappings: Mappings
  ranges: readonly { first: number; end: number }[]
  process: number
  /** Swap types below this number are swap files; those from it on have special meanings. */
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
    const { arch, space, physical } = kernel.memory
    walkTables({
      physical,
      arch,
      levels: space.levels,
      root,
      ...arch.userRoot(space),
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
      const form = arch.isSpecial(low, high) ? EntryForm.special : EntryForm.present
      this.#add({ pfn: Math.floor(frame / pages) * pages, pages, page, form, swapType: 0, swapForm: 0 })
      return
    }
    arch.swapForms.forEach((stored, swapForm) => {
      const swapType = stored.type(low, high)
      if (swapType < this.#context.firstSpecial) return
      this.#add({ pfn: stored.frame(low, high), pages, page, form: EntryForm.swap, swapType, swapForm })
    })
  }

  /** Adds the part of an entry that lies in device memory. */
  #add(entry: Omit<Entry, 'process'>): void {
    const first = entry.pfn
    const behind = first + entry.pages
    if (behind <= this.#first || first >= this.#end) return
    const { mappings, process, ranges } = this.#context
    for (const range of ranges) {
      const from = Math.max(first, range.first)
      const end = Math.min(behind, range.end)
      if (from >= end) continue
      mappings.add({ ...entry, pfn: from, pages: end - from, page: entry.page + from - first, process })
    }
  }
}
