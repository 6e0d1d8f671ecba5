// SPDX-License-Identifier: GPL-2.0-or-later
import { lengthFor } from '../../util/growable.ts'
import { type Arena, plainArena } from './arena.ts'
import type { OrderLimits } from './order-limits.ts'
import type { TaskActivity } from './task-activity.ts'

/** Gives a lower bound for the time at which an operation took effect: the previous stamp on the same CPU. */
export class CpuOrder {
  readonly #tasks: TaskActivity
  readonly #limits: OrderLimits
  /** Time and task of each CPU's last event. */
  time: Float64Array
  pid: Int32Array
  readonly #arena: Arena

  constructor(tasks: TaskActivity, limits: OrderLimits, arena: Arena = plainArena()) {
    this.#arena = arena
    this.time = arena.column(Float64Array, 0)
    this.pid = arena.column(Int32Array, 0)
    this.#tasks = tasks
    this.#limits = limits
  }

  /** Returns the latest time that the operation of an event is known to have come after. The event is stamped with `time`. */
  since(cpu: number, pid: number, time: number): number {
    if (cpu >= this.time.length) this.#grow(cpu)
    const before = this.time[cpu]!
    if (this.#limits.isImmediate) {
      this.time[cpu] = time
      return before
    }
    // The task may have been scheduled out between operation and stamp. Then only its own previous stamp is a bound, and not that
    // of an interrupt, which may have come in between, too. On an idle CPU there are only interrupts, which are not scheduled out.
    const isBound = pid === 0 || this.pid[cpu] === pid
    const since = isBound ? before : Math.min(before, this.#tasks.lastOwnTimeOf(pid))
    this.time[cpu] = time
    this.pid[cpu] = pid
    // An interrupt has the pid of the task that it interrupted, and may have come between that task's operation and its stamp.
    return Math.min(since, time - this.#limits.interrupt)
  }

  #grow(cpu: number): void {
    const length = lengthFor(cpu, this.time.length)
    this.time = this.#arena.grown(this.time, length, -Infinity)
    this.pid = this.#arena.grown(this.pid, length, -1)
  }
}
