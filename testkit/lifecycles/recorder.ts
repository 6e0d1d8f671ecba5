// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What tracing makes of an operation: an event that is stamped some time after it, in whose context is known only then, and
 * whose count is read at yet another moment. ftrace stamps first; perf, and ftrace with a filter, read first.
 */
import type { Frame } from '../../src/trace/events.ts'
import type { Row } from '../fake-recording.ts'
import type { Random } from '../random.ts'
import type { Code, Kernel, Way } from './kernel.ts'
import type { Operation } from './operation.ts'

export interface Clocks {
  readsFirst: boolean
  /** Largest usual delay between operation and event, and between stamp and reading of the count. */
  delay: number
  /** By CPU: offset of its clock in ns; below, its drift in parts per million. */
  skew: readonly number[]
  drift: readonly number[]
  /** Stamps are multiples of this. */
  grain: number
  stacks: boolean
}

export class Recorder {
  readonly rows: Row[] = []
  /** The operation of each row. */
  readonly operations = new Map<Row, Operation>()
  readonly #kernel: Kernel
  readonly #clocks: Clocks
  readonly #random: Random
  readonly #firstPfn: number

  constructor(kernel: Kernel, clocks: Clocks, firstPfn: number, random: Random) {
    this.#kernel = kernel
    this.#firstPfn = firstPfn
    this.#clocks = clocks
    this.#random = random
  }

  clock(cpu: number, time: number): number {
    const { skew, drift, grain } = this.#clocks
    const shown = time + skew[cpu]! + (time * drift[cpu]!) / 1e6
    return Math.floor(shown / grain) * grain
  }

  setUp(
    operation: Operation,
    stack: readonly Frame[],
    { time, cpu, pid, first }: { time: number; cpu: number; pid: number; first: boolean },
  ): void {
    const row = this.#row(operation, cpu, pid, time + 50, stack)
    row.count = operation.after
    if (first) Object.assign(row, { mapcount: 0, flagsLow: 0 })
  }

  #row(operation: Operation, cpu: number, pid: number, time: number, stack: readonly Frame[]): Row {
    const { op, page, val, ret } = operation
    operation.stamped = time
    const row: Row = {
      time: this.clock(cpu, time),
      cpu,
      op,
      pid,
      pfn: this.#firstPfn + page,
      val,
      ret,
      count: 0,
      stack: this.#clocks.stacks ? stack : undefined,
      mapcount: -1,
    }
    this.rows.push(row)
    this.operations.set(row, operation)
    return row
  }

  /** Makes the event of an operation. The caller is busy meanwhile. */
  *event(
    operation: Operation,
    stackOf: (way: Way, idle: boolean) => readonly Frame[],
    read: () => [count: number, mapcount: number],
  ): Code {
    const { delay, readsFirst } = this.#clocks
    const some = () => 1 + Math.floor(this.#random() ** 3 * delay)
    yield { busy: some() }
    let seen: [number, number] | undefined
    if (readsFirst) {
      seen = read()
      yield { busy: some(), pinned: true }
    }
    // The task may have migrated to another CPU, so that the context is read only here.
    const { cpu, pid, way, idle } = this.#kernel.active
    const row = this.#row(operation, cpu, pid, this.#kernel.now, stackOf(way, idle))
    // These values remain if the recording ends before the count is read.
    ;[row.count, row.mapcount] = seen ?? read()
    yield { busy: some(), pinned: true }
    if (!readsFirst) [row.count, row.mapcount] = read()
    yield { busy: 20 + some() }
  }
}
