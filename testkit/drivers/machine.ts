// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Runs the processes of a simulated machine. Each is a generator that yields either a time to sleep or an operation for its CPU.
 * An operation is atomic at `opTime`. Its event is stamped later and reads the count later still, as in the kernel, where the
 * reservation in the ring buffer takes the time stamp and the fields are filled in afterwards.
 */

import { Heap } from '../heap.ts'
import type { Random } from '../random.ts'
import { exponential } from './chances.ts'
import type { Tail } from './stacks.ts'

export interface Task {
  readonly pid: number
  readonly name: string
  cpu: number
  /** The task's present operation. Its next one, by whatever process of the simulation, has to wait for it. */
  current?: Operation
}

/** What a softirq has interrupted: the task that its events are attributed to, and the frames below its handler. */
export interface Landing {
  pid: number
  tail: Tail
}

/** The context of an operation: a task, or a softirq on a CPU, for one burst of its handler. */
export type Context =
  | { task: Task; tail: Tail }
  | { task?: undefined; cpu: number; handler: Tail; landing?: Landing | undefined }

/** The times of an operation and its event, on the simulated machine's clock. */
export interface Moments {
  opTime: number
  stamp: number
  read: number
  /** When the caller continues. */
  end: number
}

export interface Operation {
  context: Context
  /** Performs the atomic operation. @param outer the interrupted operation @returns false if nothing was done */
  apply(moments: Moments, cpu: number, outer: Operation | undefined): boolean
  moments?: Moments
}

export type Steps<T = void> = Generator<number | Operation, T, void>

interface Waiting {
  steps: Steps
  /** An operation that waits for its CPU or has not ended. */
  operation: Operation | undefined
  started: boolean
}

interface Cpu {
  busyUntil: number
  /** End of an interrupt that runs on top of the operation. */
  nestedUntil: number
  current: Operation | undefined
}

/** How quickly the machine gets from an operation to its event. */
export interface Pace {
  /** Factor on delays; 1: about 100 ns from operation to stamp. */
  speed: number
  /** Probability of an interrupt without page events in between. */
  interrupts: number
  /** Probability that the task is preempted between operation and stamp. */
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

  /** Makes `run()` return before the next step. */
  stop(): void {
    this.#stopped = true
  }

  /** Runs until no process waits, or until stopped. */
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
      // An interrupt may have delayed the operation after its end was scheduled.
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

  /** Starts the operation if its CPU is free or can be interrupted for it. Otherwise the operation waits for the CPU. */
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
      // While a task is preempted, others use its CPU.
      const away = moments.stamp - moments.opTime > 400_000
      cpu.busyUntil = away ? moments.opTime + 200 : moments.end
      cpu.nestedUntil = moments.opTime
      if (operation.context.task !== undefined) operation.context.task.current = operation
      cpu.current = away ? undefined : operation
    } else moments.end = this.now + 50
    waiting.started = true
    this.#heap.push(moments.end, waiting)
  }

  /** Runs the operation in an interrupt on top of a task's operation, whose remaining times are delayed by its duration. */
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

  /** Draws a delay: cache misses, interrupts without page events, and preemption. */
  #late(preempted: number): number {
    const random = this.#random
    const chance = random()
    if (chance < preempted) return random.int(500_000, 4_000_000)
    if (chance < preempted + this.#pace.interrupts) return random.int(10_000, 100_000)
    return chance < 0.01 ? random.int(500, 8000) : 0
  }
}
