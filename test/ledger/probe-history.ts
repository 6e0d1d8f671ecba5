// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Random histories of a driver's pages with probes, in which nothing goes wrong: tasks that take pages into use, share and
 * use them and give them back, each stamp as late after its operation as it may be.
 */
import { type Frame, Op } from '../../src/trace/events.ts'
import type { Row } from '../../testkit/fake-recording.ts'
import { random } from '../../testkit/random.ts'

/** How pages are counted: free at 0 and set to 1 (E to G), free at 1 and got by the driver (A), or set back to 1 by the core (D). */
export type Counting = 'set' | 'get' | 'reset'

export interface ProbeHistoryOptions {
  seed: number
  counting: Counting
  tasks: number
  cpus: number
  pages: number
  /** Steps of each task. */
  steps: number
  stacks: boolean
  /** Longest that a stamp lags behind its operation, in ns; most do not. */
  lag: number
  /** CPUs' clocks differ by up to this. */
  skew: number
  teardown: boolean
}

export interface ProbeHistory {
  rows: Row[]
  /** Pages handed out. */
  lives: number
}

export const FIRST_PFN = 0x140000
const MS = 1_000_000

const frame = (name: string): Frame => ({ address: 0n, name, offset: undefined, module: undefined })
const IOCTL = ['zd_ioctl', '__x64_sys_ioctl', 'do_syscall_64']
const stackOf = (...names: string[]): Frame[] => [...names, ...IOCTL].map(frame)

/** Hands out pages, and a second function that does. */
const ALLOC = ['zd_alloc', 'zd_migrate']
const INIT = ['__init_zone_device_page', 'memmap_init_zone_device', 'memremap_pages', 'zd_probe'].map(frame)

interface Task {
  pid: number
  cpu: number
  holds: number[]
}

export function probeHistory(options: ProbeHistoryOptions): ProbeHistory {
  return new Simulation(options).run()
}

class Simulation {
  readonly #options: ProbeHistoryOptions
  readonly #random: ReturnType<typeof random>
  readonly #rows: Row[] = []
  readonly #counts: number[]
  readonly #free: number[]
  /** Pages in use that others may get, with the references to them. */
  readonly #shared = new Set<number>()
  readonly #skews: number[]
  #now = MS
  #lives = 0

  constructor(options: ProbeHistoryOptions) {
    this.#options = options
    this.#random = random(options.seed)
    this.#counts = new Array(options.pages).fill(options.counting === 'set' ? 0 : 1)
    this.#free = Array.from({ length: options.pages }, (_, page) => page)
    this.#skews = Array.from({ length: options.cpus }, () => this.#random.int(0, options.skew))
  }

  run(): ProbeHistory {
    const { tasks, cpus, teardown, pages } = this.#options
    this.#setup()
    this.#runAll([{ at: this.#now, steps: this.#warmUp({ pid: 150, cpu: 0, holds: [] }) }])
    this.#now += MS
    const all = Array.from({ length: tasks }, (_, i) => ({ pid: 200 + i, cpu: i % cpus, holds: [] }))
    this.#runAll(all.map(task => ({ at: this.#now + this.#random.int(0, 1000), steps: this.#task(task) })))
    if (teardown) {
      const [task] = all
      this.#now += this.#options.lag + MS
      const stack = ['memunmap_pages', 'zd_remove'].map(frame)
      this.#probe(task!, Op.MEMUNMAP, 0, stack, pages)
      this.#now += 5 * MS
      if (this.#options.counting === 'get') this.#putAll(task!)
      this.#now += 5 * MS
      this.#probe(task!, Op.MEMUNMAP_END, 0, [frame('zd_remove')])
    }
    // The recording goes on for a while.
    this.#row({ pid: 1, cpu: 0, holds: [] }, Op.REPORT, 0, this.#now + 200 * MS, undefined, { val: 9 })
    return { rows: this.#rows.sort((a, b) => a.time - b.time), lives: this.#lives }
  }

  /** Always the task whose time is next. */
  #runAll(running: { at: number; steps: Generator<number> }[]): void {
    while (running.length > 0) {
      running.sort((a, b) => a.at - b.at)
      const next = running[0]!
      this.#now = next.at
      const { done, value } = next.steps.next()
      if (done) running.shift()
      else next.at += value
    }
  }

  /** Lives one after the other, from which the rule of the pages is learned. */
  *#warmUp(task: Task): Generator<number> {
    for (let page = 0; page < Math.max(4, this.#options.pages); page++) {
      yield* this.#alloc(task)
      while (task.holds.length > 0) yield* this.#put(task)
      yield 1000
    }
  }

  *#task(task: Task): Generator<number> {
    for (let step = 0; step < this.#options.steps; step++) {
      yield this.#random.int(100, 4000)
      const held = task.holds.length
      if (held > 0 && this.#random.chance(0.4)) yield* this.#put(task)
      else if (held > 0 && this.#random.chance(0.3)) this.#use(task)
      else if (this.#random.chance(0.5)) yield* this.#get(task)
      else if (held < 3) yield* this.#alloc(task)
    }
    while (task.holds.length > 0) yield* this.#put(task)
  }

  *#alloc(task: Task): Generator<number> {
    const page = this.#free.shift()
    if (page === undefined) return
    this.#lives++
    const { counting } = this.#options
    const by = this.#random.pick(ALLOC)
    yield this.#random.int(10, 300)
    this.#probe(task, Op.PAGE_ALLOC, page, stackOf('zone_device_page_init', by))
    yield this.#random.int(10, 300)
    if (counting === 'set') yield* this.#change(task, page, Op.SET, 1, ['zone_device_page_init', by])
    if (counting === 'get') yield* this.#change(task, page, Op.MOD, 1, ['get_page', by])
    task.holds.push(page)
    this.#shared.add(page)
    if (counting === 'reset' && this.#random.chance(0.7)) yield* this.#take(task, page, 'zd_insert')
  }

  *#get(task: Task): Generator<number> {
    if (this.#shared.size === 0) return
    yield* this.#take(task, this.#random.pick([...this.#shared]), 'zd_scan')
  }

  *#take(task: Task, page: number, by: string): Generator<number> {
    task.holds.push(page)
    yield* this.#change(task, page, Op.MOD, 1, [by])
  }

  #use(task: Task): void {
    this.#probe(task, Op.PAGE_USE, this.#random.pick(task.holds), stackOf('zd_dma'))
  }

  *#put(task: Task): Generator<number> {
    const { counting } = this.#options
    const page = task.holds.splice(this.#random.int(0, task.holds.length - 1), 1)[0]!
    const last = this.#counts[page] === (counting === 'get' ? 2 : 1)
    if (last) this.#shared.delete(page)
    const op = counting === 'get' ? Op.MOD_AND_RETURN : Op.MOD_AND_TEST
    yield* this.#change(task, page, op, -1, ['zd_put'])
    if (!last) return
    yield this.#random.int(10, 200)
    this.#probe(task, Op.PAGE_FREE, page, stackOf('zd_page_free', 'free_zone_device_page', 'zd_put'))
    yield this.#random.int(10, 200)
    if (counting === 'reset') {
      const lag = this.#start(task, page, Op.SET, 1, ['free_zone_device_page', 'zd_put'])
      // Here the core sets the count before the driver files the page.
      yield this.#random.int(1, 20)
      this.#free.push(page)
      yield lag
    } else this.#free.push(page)
  }

  /** An operation, and the wait until its task goes on: it is stamped by then. */
  *#change(task: Task, page: number, op: Op, val: number, names: string[]): Generator<number> {
    yield this.#start(task, page, op, val, names)
  }

  #start(task: Task, page: number, op: Op, val: number, names: string[]): number {
    const { lag } = this.#options
    const count = op === Op.SET ? val : this.#counts[page]! + val
    this.#counts[page] = count
    const ret = op === Op.MOD_AND_TEST ? Number(count === 0) : op === Op.MOD_AND_RETURN ? count : 0
    const late = this.#random.chance(0.1) ? this.#random.int(1, lag) : this.#random.int(1, 300)
    this.#row(task, op, page, this.#now + late, stackOf(...names), { val, ret, count })
    return late + this.#random.int(20, 200)
  }

  #probe(task: Task, op: Op, page: number, stack: Frame[], val = 0): void {
    this.#row(task, op, page, this.#now, stack, { val })
  }

  #row(task: Task, op: Op, page: number, time: number, stack: Frame[] | undefined, more: Partial<Row>): void {
    this.#rows.push({
      time: time + this.#skews[task.cpu]!,
      cpu: task.cpu,
      op,
      pid: task.pid,
      pfn: FIRST_PFN + page,
      val: 0,
      ret: 0,
      count: 0,
      stack: this.#options.stacks ? stack : undefined,
      ...more,
    })
  }

  #setup(): void {
    const task = { pid: 100, cpu: 0, holds: [] }
    for (let page = 0; page < this.#options.pages; page++) {
      const set = (val: number, mapcount: number) => {
        this.#now += 100
        this.#row(task, Op.SET, page, this.#now, INIT, {
          val,
          count: val,
          mapcount,
          ...(mapcount === 0 ? { flagsLow: 0 } : {}),
        })
      }
      set(1, 0)
      if (this.#options.counting === 'set') set(0, -1)
    }
    this.#now += MS
  }

  /** memunmap_pages() of protocol A. */
  #putAll(task: Task): void {
    const stack = ['put_page', 'memunmap_pages', 'zd_remove'].map(frame)
    for (let page = 0; page < this.#options.pages; page++) {
      this.#now += 300
      this.#counts[page]!--
      this.#row(task, Op.MOD_AND_RETURN, page, this.#now, stack, { val: -1, ret: 0, count: 0 })
    }
  }
}
