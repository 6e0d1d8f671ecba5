// SPDX-License-Identifier: GPL-2.0-or-later
/** State that the subsystems of a simulated driver share: the machine, the driver's names, tasks and faults. */
import type { Random } from '../random.ts'
import { exponential, logUniform } from './chances.ts'
import type { Faults } from './faults.ts'
import type { Kernel } from './kernel.ts'
import type { Context, Machine, Task } from './machine.ts'
import type { DriverNames } from './names.ts'
import type { Page } from './pages.ts'
import { IOCTL_TAIL, KTHREAD_TAIL, kernelStack, Tail, WORKER_TAIL, WRITE_TAIL } from './stacks.ts'

/** Returns the context of one run: a worker of a work queue, or a burst of a softirq. */
export type Runner = () => Context

const FIRST_PID = 90

export class World {
  readonly machine: Machine
  readonly kernel: Kernel
  readonly random: Random
  readonly names: DriverNames
  readonly faults: Faults
  readonly pages: readonly Page[]
  /** Mean time between two actions of a user, in nanoseconds. */
  readonly think: number
  readonly taskNames = new Map<number, string>()
  readonly users: Context[] = []
  /** While true, users continue. Afterwards only actions under way are completed. */
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

  /** Creates a kernel thread of the driver, with a function of its own. */
  thread(cpu = this.anyCpu()): Context {
    return { task: this.task(this.names.thread(), cpu), tail: new Tail([this.names.entry(), ...KTHREAD_TAIL]) }
  }

  /** Adds processes, or threads of the driver, that use its pages. All enter the driver by the same function. */
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

  /** Creates work items of one function, which run on the CPU that queued them or on any CPU. */
  workQueue(): Runner {
    const tail = new Tail([this.names.entry(), ...WORKER_TAIL])
    return () => ({ task: this.random.pick(this.#workers), tail })
  }

  softirq(handler: string, ownFunction: boolean): (cpu?: number) => Context {
    const tail = new Tail([...(ownFunction ? [this.names.entry()] : []), ...kernelStack(handler)])
    return (cpu = this.anyCpu()) => ({ cpu, handler: tail })
  }

  /** Draws the context of the driver's completions. */
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

  /** Draws a short pause of a running function. */
  pause(): number {
    return exponential(this.random, 1000)
  }

  /** Draws a mean latency between `low` and `high` times `think`. */
  latency(low: number, high: number): number {
    return this.think * logUniform(this.random, low, high)
  }

  wait(mean: number): number {
    return exponential(this.random, mean)
  }
}
