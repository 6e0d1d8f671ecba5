// SPDX-License-Identifier: GPL-2.0-or-later
/** What the subsystems of a simulated driver share: the machine, the driver's names, its tasks, and its faults. */
import type { Random } from '../random.ts'
import { exponential, logUniform } from './chances.ts'
import type { Faults } from './faults.ts'
import type { Kernel } from './kernel.ts'
import type { Context, Machine, Task } from './machine.ts'
import type { DriverNames } from './names.ts'
import type { Page } from './pages.ts'
import { IOCTL_TAIL, KTHREAD_TAIL, kernelStack, Tail, WORKER_TAIL, WRITE_TAIL } from './stacks.ts'

/** Gives the context of one run of something: a worker of the work queue, a burst of a softirq. */
export type Runner = () => Context

const FIRST_PID = 90

export class World {
  readonly machine: Machine
  readonly kernel: Kernel
  readonly random: Random
  readonly names: DriverNames
  readonly faults: Faults
  readonly pages: readonly Page[]
  /** Mean time between two things that a user does, in nanoseconds. */
  readonly think: number
  readonly taskNames = new Map<number, string>()
  readonly users: Context[] = []
  /** While true, users go on; afterwards what is under way comes to its end. */
  traffic = true
  readonly #workers: Task[] = []
  #pid = FIRST_PID

  constructor(
    kernel: Kernel,
    random: Random,
    names: DriverNames,
    faults: Faults,
    pages: readonly Page[],
    think: number,
  ) {
    this.machine = kernel.machine
    this.kernel = kernel
    this.random = random
    this.names = names
    this.faults = faults
    this.pages = pages
    this.think = think
    for (let cpu = 0; cpu < this.machine.cpus; cpu++) {
      for (let i = 0; i < random.int(1, 3); i++) this.#workers.push(this.task(`kworker/${cpu}:${i}`, cpu))
    }
  }

  task(name: string, cpu: number): Task {
    this.#pid += this.random.int(1, 4)
    const task = { pid: this.#pid, name, cpu }
    this.taskNames.set(task.pid, name)
    this.kernel.tasks.push(task)
    return task
  }

  anyCpu(): number {
    return this.random.int(0, this.machine.cpus - 1)
  }

  /** A kernel thread of the driver, with a function of its own. */
  thread(cpu = this.anyCpu()): Context {
    return { task: this.task(this.names.thread(), cpu), tail: new Tail([this.names.entry(), ...KTHREAD_TAIL]) }
  }

  /** Processes, or threads of the driver, that use its pages; all enter it in the same function. */
  addUsers(count: number): void {
    const tail = this.random.pick([KTHREAD_TAIL, KTHREAD_TAIL, IOCTL_TAIL, WRITE_TAIL])
    const below = new Tail([this.names.entry(), ...tail])
    const name =
      tail === KTHREAD_TAIL ? this.names.thread() : this.random.pick(['fio', 'python3', 'app', 'bench', 'qemu'])
    for (let i = 0; i < count; i++) {
      const cpu = i < this.machine.cpus ? i : this.anyCpu()
      this.users.push({ task: this.task(name, cpu), tail: below })
    }
  }

  /** Work items of one function, on the CPU that queued them or on any. */
  workQueue(): Runner {
    const tail = new Tail([this.names.entry(), ...WORKER_TAIL])
    return () => ({ task: this.random.pick(this.#workers), tail })
  }

  softirq(handler: string, ownFunction: boolean): (cpu?: number) => Context {
    const tail = new Tail([...(ownFunction ? [this.names.entry()] : []), ...kernelStack(handler)])
    return (cpu = this.anyCpu()) => ({ cpu, handler: tail })
  }

  /** Where a driver's completions run. */
  completionRunner(): Runner {
    const chance = this.random()
    if (chance < 0.4) return this.workQueue()
    if (chance < 0.7) {
      const irq = this.softirq('tasklet_action_common+0xc2 handle_softirqs+0xdf', true)
      const own = this.random.chance(0.5) ? this.anyCpu() : undefined
      return () => irq(own)
    }
    const thread = this.thread()
    return () => thread
  }

  /** A short pause of a running function. */
  pause(): number {
    return exponential(this.random, 1000)
  }

  /** Draws a mean latency between `low` and `high` thinking times. */
  latency(low: number, high: number): number {
    return this.think * logUniform(this.random, low, high)
  }

  wait(mean: number): number {
    return exponential(this.random, mean)
  }
}
