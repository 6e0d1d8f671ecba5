// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A small kernel as a discrete-event simulation: CPUs run threads and softirqs, which are generators that say how long
 * they compute or sleep. Whoever computes can be interrupted by a softirq and preempted by another thread at every
 * step, so also between a change of a count and the stamp of its event: nothing else makes the order of stamps differ
 * from that of the operations, on one CPU or on several.
 */

import { Heap } from '../heap.ts'
import type { Random } from '../random.ts'

/** `busy` computes; `pinned`: with preemption off, as a tracepoint runs. `sleep` is for threads only. */
export type Step = { busy: number; pinned?: boolean } | { sleep: number }
export type Code<T = void> = Generator<Step, T, undefined>

/** How a piece of code came to run; it decides what stands at the bottom of its stacks. */
export type Way = 'task' | 'work' | 'softirq' | 'timer' | 'rcu'

export interface Job {
  way: Way
  code: Code
}

export interface Thread {
  pid: number
  name: string
  cpu: number
  way: 'task' | 'work'
  jobs: Job[]
  job: Job | undefined
  state: 'idle' | 'ready' | 'running' | 'sleeping'
}

interface Cpu {
  id: number
  ready: Thread[]
  current: Thread | undefined
  raised: Job[]
  irq: Job | undefined
  /** The current thread has preemption off. */
  pinned: boolean
  /** Something is planned for this CPU already. */
  planned: boolean
}

export interface KernelOptions {
  cpus: number
  tasks: number
  /** Chance of a preemption at a step where another thread is ready. */
  preempt: number
  /** Chance of an interrupt that takes long, and how long at most. */
  stall: number
  stallNs: number
  /** Chance that a thread wakes on another CPU than it slept on. */
  migrate: number
  /** Threads' names. */
  name: () => string
}

export class Kernel {
  readonly tasks: Thread[] = []
  readonly workers: Thread[] = []
  /** Who runs at the moment: set whenever code is entered. */
  active: { cpu: number; pid: number; way: Way; idle: boolean } = { cpu: 0, pid: 0, way: 'task', idle: false }
  now = 0
  readonly #cpus: Cpu[]
  readonly #queue = new Heap<() => void>()
  readonly #random: Random
  readonly #options: KernelOptions
  /** Callbacks that wait for the end of a grace period. */
  #callbacks: Job[] = []

  constructor(options: KernelOptions, random: Random) {
    this.#options = options
    this.#random = random
    this.#cpus = Array.from({ length: options.cpus }, (_, id) => ({
      id,
      ready: [],
      current: undefined,
      raised: [],
      irq: undefined,
      pinned: false,
      planned: false,
    }))
    let pid = random.int(90, 4000)
    const thread = (way: Thread['way'], cpu: number, name: string): Thread => {
      pid += random.int(1, 9)
      return { pid, name, cpu, way, jobs: [], job: undefined, state: 'idle' }
    }
    for (let i = 0; i < options.tasks; i++) this.tasks.push(thread('task', i % options.cpus, options.name()))
    for (let i = 0; i < options.cpus; i++) this.workers.push(thread('work', i, `kworker/${i}:${random.int(0, 3)}`))
  }

  get cpus(): number {
    return this.#cpus.length
  }

  at(time: number, run: () => void): void {
    this.#queue.push(time, run)
  }

  /** Runs what is planned up to that time, or until `until` says that it is enough. */
  run(time: number, until: () => boolean = () => false): void {
    while (this.#queue.size > 0 && this.#queue.next <= time && !until()) {
      this.now = this.#queue.next
      this.#queue.pop()!.item()
    }
    if (time !== Number.POSITIVE_INFINITY && !until()) this.now = Math.max(this.now, time)
  }

  /** Gives a thread something to do after what it has to do already. */
  submit(thread: Thread, code: Code): void {
    thread.jobs.push({ way: thread.way, code })
    if (thread.state === 'idle') this.#wake(thread)
  }

  raise(cpu: number, way: 'softirq' | 'timer' | 'rcu', code: Code): void {
    const target = this.#cpus[cpu]!
    target.raised.push({ way, code })
    this.#plan(target, 0)
  }

  /** After a grace period, together with whatever else waits for it: callbacks come in batches. */
  afterGracePeriod(code: Code): void {
    this.#callbacks.push({ way: 'rcu', code })
    if (this.#callbacks.length > 1) return
    this.at(this.now + this.#random.int(200_000, 6_000_000), () => {
      const cpu = this.#random.int(0, this.cpus - 1)
      const batch = this.#callbacks
      this.#callbacks = []
      for (const { code: callback } of batch) this.raise(cpu, 'rcu', callback)
    })
  }

  #wake(thread: Thread): void {
    if (this.#random.chance(this.#options.migrate) && thread.way === 'task')
      thread.cpu = this.#random.int(0, this.cpus - 1)
    thread.state = 'ready'
    const cpu = this.#cpus[thread.cpu]!
    cpu.ready.push(thread)
    this.#plan(cpu, 0)
  }

  #plan(cpu: Cpu, after: number): void {
    if (cpu.planned) return
    cpu.planned = true
    this.at(this.now + after, () => {
      cpu.planned = false
      this.#go(cpu)
    })
  }

  /** Lets a CPU run until somebody computes, or nobody has anything to do. */
  #go(cpu: Cpu): void {
    for (;;) {
      cpu.irq ??= cpu.raised.shift()
      const spent = cpu.irq ? this.#interrupt(cpu, cpu.irq) : this.#thread(cpu)
      if (spent === undefined) return
      if (spent <= 0) continue
      const stalls = this.#random.chance(this.#options.stall)
      this.#plan(cpu, spent + (stalls ? this.#random.int(1000, this.#options.stallNs) : 0))
      return
    }
  }

  #interrupt(cpu: Cpu, job: Job): number {
    const { current } = cpu
    this.active = { cpu: cpu.id, pid: current?.pid ?? 0, way: job.way, idle: current === undefined }
    const { done, value } = job.code.next()
    if (done) {
      cpu.irq = undefined
      return 0
    }
    return 'busy' in value ? value.busy : value.sleep
  }

  /** The next step of the CPU's thread: how long it takes, 0 for a change of threads, undefined for nothing to do. */
  #thread(cpu: Cpu): number | undefined {
    if (cpu.current && cpu.ready.length > 0 && !cpu.pinned && this.#random.chance(this.#options.preempt)) {
      cpu.current.state = 'ready'
      cpu.ready.push(cpu.current)
      cpu.current = undefined
    }
    cpu.current ??= cpu.ready.shift()
    const thread = cpu.current
    if (thread === undefined) return undefined
    thread.state = 'running'
    thread.job ??= thread.jobs.shift()
    if (thread.job === undefined) {
      thread.state = 'idle'
      cpu.current = undefined
      return 0
    }
    this.active = { cpu: cpu.id, pid: thread.pid, way: thread.job.way, idle: false }
    const { done, value } = thread.job.code.next()
    if (done) {
      thread.job = undefined
      cpu.pinned = false
      return 0
    }
    if ('sleep' in value) {
      thread.state = 'sleeping'
      cpu.current = undefined
      cpu.pinned = false
      this.at(this.now + value.sleep, () => this.#wake(thread))
      return 0
    }
    cpu.pinned = value.pinned === true
    return value.busy
  }
}
