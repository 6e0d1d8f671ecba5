// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Runs the processes of a simulated machine: each is a generator that yields how long it sleeps, or an operation that its
 * CPU must do. An operation is atomic at `opTime`; its event is stamped later and reads the count later still, as in the
 * kernel, where the ring buffer's reservation takes the time stamp and the fields are filled in afterwards.
 */

import { Heap } from '../heap.ts'
import type { Random } from '../random.ts'
import { exponential } from './chances.ts'
import type { Tail } from './stacks.ts'

export interface Task {
  readonly pid: number
  readonly name: string
  cpu: number
  /** What the task is doing: its next operation comes after that, whichever process of the simulation wants it. */
  current?: Operation
}

/** What a softirq came upon: the task that it is accounted to, and the frames below its handler. */
export interface Landing {
  pid: number
  tail: Tail
}

/** Who runs an operation: a task, or a softirq on a CPU, for as long as one burst of its handler lasts. */
export type Context =
  | { task: Task; tail: Tail }
  | { task?: undefined; cpu: number; handler: Tail; landing?: Landing | undefined }

/** What an operation leaves in the trace, before clocks: times are those of the simulated machine. */
export interface Moments {
  opTime: number
  stamp: number
  read: number
  /** When the caller goes on. */
  end: number
}

export interface Operation {
  context: Context
  /** Does the atomic operation. `outer` is the operation that an interrupt came upon. Returns false if nothing was done. */
  apply(moments: Moments, cpu: number, outer: Operation | undefined): boolean
  moments?: Moments
}

export type Steps<T = void> = Generator<number | Operation, T, void>

interface Waiting {
  steps: Steps
  /** An operation that has not found its CPU free yet, or that has not ended. */
  operation: Operation | undefined
  started: boolean
}

interface Cpu {
  busyUntil: number
  /** Until when an interrupt runs on top of the operation. */
  nestedUntil: number
  current: Operation | undefined
}

/** How quickly a machine gets from an operation to its event. */
export interface Pace {
  /** 1: some 100 ns from the operation to its stamp. */
  speed: number
  /** How often an interrupt without page events comes between. */
  interrupts: number
  /** How often a task loses its CPU between the operation and the stamp. */
  preempted: number
}

export class Machine {
  now = 0
  readonly #heap = new Heap<Waiting>()
  readonly #cpus: Cpu[]
  readonly #random: Random
  readonly #pace: Pace
  #stopped = false

  constructor(cpus: number, random: Random, pace: Pace) {
    this.#cpus = Array.from({ length: cpus }, () => ({ busyUntil: 0, nestedUntil: 0, current: undefined }))
    this.#random = random
    this.#pace = pace
  }

  get cpus(): number {
    return this.#cpus.length
  }

  spawn(steps: Steps, delay = 0): void {
    this.#heap.push(this.now + Math.ceil(delay), { steps, operation: undefined, started: false })
  }

  /** Ends `run()` before the next step. */
  stop(): void {
    this.#stopped = true
  }

  /** Runs until nobody waits for anything, or until stopped. */
  run(): void {
    this.#stopped = false
    while (!this.#stopped) {
      const next = this.#heap.pop()
      if (next === undefined) return
      this.now = next.time
      this.#advance(next.item)
    }
  }

  #advance(waiting: Waiting): void {
    const { operation } = waiting
    if (operation !== undefined) {
      if (!waiting.started) {
        this.#attempt(waiting, operation)
        return
      }
      // An interrupt may have made the operation longer than it was when its end was entered.
      if (operation.moments!.end > this.now) {
        this.#heap.push(operation.moments!.end, waiting)
        return
      }
    }
    this.#resume(waiting.steps)
  }

  #resume(steps: Steps): void {
    const { value, done } = steps.next()
    if (done) return
    if (typeof value === 'number')
      this.#heap.push(this.now + Math.max(1, Math.ceil(value)), { steps, operation: undefined, started: false })
    else this.#attempt({ steps, operation: value, started: false }, value)
  }

  /** Starts the operation if its CPU is free or may be interrupted for it; otherwise it waits for the CPU. */
  #attempt(waiting: Waiting, operation: Operation): void {
    const doing = operation.context.task?.current?.moments
    if (doing !== undefined && doing.end > this.now) {
      this.#heap.push(doing.end, waiting)
      return
    }
    const number = operation.context.task === undefined ? operation.context.cpu : operation.context.task.cpu
    const cpu = this.#cpus[number]!
    if (this.now >= cpu.busyUntil) {
      this.#start(waiting, operation, number, cpu)
      return
    }
    const interrupts = operation.context.task === undefined && cpu.current?.context.task !== undefined
    if (!interrupts || this.now < cpu.nestedUntil) {
      this.#heap.push(interrupts ? cpu.nestedUntil : cpu.busyUntil, waiting)
      return
    }
    this.#interrupt(waiting, operation, number, cpu)
  }

  #start(waiting: Waiting, operation: Operation, number: number, cpu: Cpu): void {
    const moments = this.#moments(operation.context.task !== undefined)
    operation.moments = moments
    if (operation.apply(moments, number, undefined)) {
      // A task that lost its CPU leaves it to others meanwhile.
      const away = moments.stamp - moments.opTime > 400_000
      cpu.busyUntil = away ? moments.opTime + 200 : moments.end
      cpu.nestedUntil = moments.opTime
      if (operation.context.task !== undefined) operation.context.task.current = operation
      cpu.current = away ? undefined : operation
    } else moments.end = this.now + 50
    waiting.started = true
    this.#heap.push(moments.end, waiting)
  }

  /** The operation runs in an interrupt on top of a task's, whose remaining moments come later by as much. */
  #interrupt(waiting: Waiting, operation: Operation, number: number, cpu: Cpu): void {
    const outer = cpu.current!
    const moments = this.#moments(false)
    operation.moments = moments
    if (operation.apply(moments, number, outer)) {
      const late = moments.end - this.now + this.#random.int(300, 2000)
      const interrupted = outer.moments!
      if (interrupted.stamp > this.now) interrupted.stamp += late
      if (interrupted.read > this.now) interrupted.read += late
      interrupted.end += late
      cpu.busyUntil = interrupted.end
      cpu.nestedUntil = moments.end
    } else moments.end = this.now + 50
    waiting.started = true
    this.#heap.push(moments.end, waiting)
  }

  #moments(task: boolean): Moments {
    const { speed, interrupts, preempted } = this.#pace
    const random = this.#random
    const opTime = this.now
    const stamp = opTime + Math.ceil(speed * (20 + exponential(random, 90))) + this.#late(task ? preempted : 0)
    const read = stamp + Math.ceil(speed * (15 + exponential(random, 50))) + this.#late(0)
    const end =
      read + Math.ceil(speed * random.int(150, 900)) + (random.chance(interrupts) ? random.int(5000, 50000) : 0)
    return { opTime, stamp, read, end }
  }

  /** Cache misses, interrupts without page events, and the loss of the CPU. */
  #late(preempted: number): number {
    const random = this.#random
    const chance = random()
    if (chance < preempted) return random.int(500_000, 4_000_000)
    if (chance < preempted + this.#pace.interrupts) return random.int(10_000, 100_000)
    return chance < 0.01 ? random.int(500, 8000) : 0
  }
}
