// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A small kernel as a discrete-event simulation. CPUs run threads and softirqs, which are generators that yield how long they
 * compute or sleep. At every step a softirq can interrupt the running code, and another thread can preempt it, also between the
 * change of a count and the stamp of its event. Only this makes the order of stamps differ from that of the operations.
 */

import { Heap } from '../heap.ts'
import type { Random } from '../random.ts'

/** `busy`: computes, if `pinned` with preemption disabled, as in a tracepoint. `sleep` is for threads only. */
export type Step = { busy: number; pinned?: boolean } | { sleep: number }
export type Code<T = void> = Generator<Step, T, undefined>

/** The kind of context that runs the code. It determines the outermost frames of stacks. */
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
  /** True if the current thread has disabled preemption. */
  pinned: boolean
  /** True if an event is already scheduled for this CPU. */
  planned: boolean
}

export interface KernelOptions {
  cpus: number
  tasks: number
  /** Probability of preemption at a step if another thread is ready. */
  preempt: number
  /** Probability of a long interrupt; below, its maximal duration. */
  stall: number
  stallNs: number
  /** Probability that a thread wakes up on another CPU. */
  migrate: number
  /** Returns the name of a new thread. */
  name: () => string
}

export class Kernel {
  readonly tasks: Thread[] = []
  readonly workers: Thread[] = []
  /** The running context, which is set whenever code is entered. */
  active: { cpu: number; pid: number; way: Way; idle: boolean } = { cpu: 0, pid: 0, way: 'task', idle: false }
  now = 0
  readonly #cpus: Cpu[]
  readonly #queue = new Heap<() => void>()
  readonly #random: Random
  readonly #options: KernelOptions
  /** RCU callbacks that wait for the end of a grace period. */
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

  /** Runs scheduled events up to `time`, or until `until` returns true. */
  run(time: number, until: () => boolean = () => false): void {
    while (this.#queue.size > 0 && this.#queue.next <= time && !until()) {
      this.now = this.#queue.next
      this.#queue.pop()!.item()
    }
    if (time !== Number.POSITIVE_INFINITY && !until()) this.now = Math.max(this.now, time)
  }

  /** Appends work to a thread's queue. */
  submit(thread: Thread, code: Code): void {
    thread.jobs.push({ way: thread.way, code })
    if (thread.state === 'idle') this.#wake(thread)
  }

  raise(cpu: number, way: 'softirq' | 'timer' | 'rcu', code: Code): void {
    const target = this.#cpus[cpu]!
    target.raised.push({ way, code })
    this.#plan(target, 0)
  }

  /** Runs code after a grace period, in a batch with all other callbacks that wait for it. */
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

  /** Runs a CPU until code computes, or until there is nothing to do. */
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

  /** Performs the next step of the CPU's thread. @returns its duration, 0 for a thread switch, undefined if there is no work */
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
