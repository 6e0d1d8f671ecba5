// SPDX-License-Identifier: GPL-2.0-or-later
import { INTERRUPT_WINDOW } from './order.ts'
import type { TaskClock } from './task-clock.ts'

/** Bounds the time of an operation from below, by the stamps before its own. */
export class CpuClock {
  readonly #tasks: TaskClock
  /** Time and task of each CPU's last event. */
  #time = new Float64Array(0)
  #pid = new Int32Array(0)

  constructor(tasks: TaskClock) {
    this.#tasks = tasks
  }

  /** Time that the operation of an event, which is stamped now, surely came after. */
  since(cpu: number, pid: number, time: number): number {
    if (cpu >= this.#time.length) this.#grow(cpu)
    const before = this.#time[cpu]!
    // A task that was taken from the CPU between operation and stamp: only its own last stamp is a bound.
    const since = this.#pid[cpu] === pid ? before : Math.min(before, this.#tasks.lastTimeOf(pid))
    this.#time[cpu] = time
    this.#pid[cpu] = pid
    // An interrupt runs in the name of the task that it interrupted, also one between that task's operation and its stamp.
    return Math.min(since, time - INTERRUPT_WINDOW)
  }

  #grow(cpu: number): void {
    const time = new Float64Array(cpu * 2 + 2).fill(-Infinity)
    time.set(this.#time)
    this.#time = time
    const pid = new Int32Array(cpu * 2 + 2).fill(-1)
    pid.set(this.#pid)
    this.#pid = pid
  }
}
