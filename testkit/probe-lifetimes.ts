// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Simulates recordings of a kernel without page_ref events: probes on a driver's allocations and frees of pages. Processes map
 * pages and exit, tasks take single pages in succession, and a cache keeps some.
 */
import { type Frame, type LostEvents, Op } from '../src/trace/events.ts'
import type { Row } from './fake-recording.ts'
import { random } from './random.ts'

export interface LifetimeOptions {
  seed: number
  /** Single pages that tasks take and others free; below, processes that map pages, and the pages of each: all as numbers. */
  singles: number
  processes: number
  mapped: number
  /** Single pages that are never given back, from this one on; pages that an exiting process leaves behind. */
  leaks: number
  left: number
  /** Number of single pages that a cache keeps for good. They are taken in a row at the start. */
  cached: number
  /** One in this many single pages is freed without a probe. */
  unprobed: number
  stacks: boolean
  /** True if memunmap_pages() is entered at the end. It waits if a page is still allocated. */
  teardown: boolean
}

export const QUIET: LifetimeOptions = {
  seed: 1,
  singles: 60,
  processes: 3,
  mapped: 8,
  leaks: 0,
  left: 0,
  cached: 0,
  unprobed: 0,
  stacks: true,
  teardown: false,
}

export interface SimulatedLifetimes {
  rows: Row[]
  /** Pages that are never freed. */
  leaked: number[]
}

export const FIRST = 0x140000
const PAGES = 4096
const IOCTL = ['drv_ioctl', '__x64_sys_ioctl', 'do_syscall_64']
const frames = (...names: string[]): Frame[] => names.map(name => ({ address: 0n, name, offset: 4, module: undefined }))

const STACKS = {
  single: frames('zone_device_page_init', 'drv_take', 'drv_single', ...IOCTL),
  cached: frames('zone_device_page_init', 'drv_take', 'drv_single', ...IOCTL),
  mapped: frames('zone_device_page_init', 'drv_take', 'drv_migrate', ...IOCTL),
  put: frames('free_zone_device_folio', 'drv_put', ...IOCTL),
  exit: frames('free_zone_device_folio', '__zap_vma_range', 'unmap_vmas', 'exit_mmap', 'mmput', 'do_exit'),
  unmap: frames('memunmap_pages', 'drv_remove', 'device_release'),
}

/** Makes rows for `fakeRecording`. */
export function probeLifetimes(options: LifetimeOptions): SimulatedLifetimes {
  return new Simulation(options).run()
}

class Simulation {
  readonly #options: LifetimeOptions
  readonly #random: ReturnType<typeof random>
  readonly #rows: Row[] = []
  /** The free pages, as a stack: the page freed last is allocated first. */
  readonly #free = Array.from({ length: PAGES }, (_, i) => FIRST + PAGES - 1 - i)
  readonly #leaked: number[] = []
  #now = 1_000_000
  #pid = 100

  constructor(options: LifetimeOptions) {
    this.#options = options
    this.#random = random(options.seed)
  }

  run(): SimulatedLifetimes {
    const { singles, processes, mapped, leaks, left, cached, teardown } = this.#options
    for (let i = 0; i < cached; i++) this.#take(this.#pid, STACKS.cached)
    this.#pid++
    const firstLeak = Math.floor(singles / 2) - leaks
    for (let process = 0; process < processes; process++) {
      const pid = this.#pid++
      const pages = Array.from({ length: mapped }, () => this.#take(pid, STACKS.mapped))
      const [from, to] = [process, process + 1].map(part => Math.floor((singles * part) / processes)) as [
        number,
        number,
      ]
      for (let i = from; i < to; i++) this.#single(i >= firstLeak && i < firstLeak + leaks)
      const stays = process === 0 ? pages.splice(Math.floor(mapped / 2), left) : []
      this.#leaked.push(...stays)
      for (const page of pages) this.#give(page, pid, STACKS.exit)
    }
    if (teardown) this.#teardown()
    return { rows: this.#rows, leaked: this.#leaked }
  }

  /** Allocates a page for a task. Another task frees it, unless it leaks. */
  #single(isLeaked: boolean): void {
    const page = this.#take(this.#pid++, STACKS.single)
    if (isLeaked) {
      this.#leaked.push(page)
      return
    }
    const { unprobed } = this.#options
    const isSilent = unprobed > 0 && this.#random.int(0, unprobed - 1) === 0
    if (isSilent) this.#free.push(page)
    else this.#give(page, this.#pid++, STACKS.put)
  }

  #take(pid: number, stack: Frame[]): number {
    const page = this.#free.pop()!
    this.#add(Op.PAGE_ALLOC, page, pid, stack)
    return page
  }

  #give(page: number, pid: number, stack: Frame[]): void {
    this.#free.push(page)
    this.#add(Op.PAGE_FREE, page, pid, stack)
  }

  #teardown(): void {
    this.#now += 1_000_000
    const pid = this.#pid++
    this.#add(Op.MEMUNMAP, FIRST, pid, STACKS.unmap, PAGES)
    if (this.#leaked.length === 0) this.#add(Op.MEMUNMAP_END, 0, pid, STACKS.unmap)
    this.#now += 1_000_000_000
    // Unrelated events keep the recording going.
    this.#add(Op.REPORT, 0, 1, frames('somewhere'))
  }

  #add(op: Op, pfn: number, pid: number, stack: Frame[], val = 0): void {
    this.#now += this.#random.int(30_000, 90_000)
    this.#rows.push({
      time: this.#now,
      cpu: this.#random.int(0, 1),
      op,
      pid,
      pfn,
      val,
      ret: 0,
      count: 0,
      stack: this.#options.stacks ? stack : undefined,
    })
  }
}

/** Removes the events between two times, and marks the gap as a recorder does. */
export function withGap(rows: readonly Row[], from: number, to: number): { rows: Row[]; lost: LostEvents[] } {
  const kept = rows.filter(({ time, cpu }) => cpu !== 1 || time < from || time > to)
  return { rows: kept, lost: [{ cpu: 1, from, to, count: rows.length - kept.length }] }
}
