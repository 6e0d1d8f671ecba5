// SPDX-License-Identifier: GPL-2.0-or-later
/** References that are put by RCU callbacks: many in one burst of the softirq, after a grace period. */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

interface CpuCallbacks {
  waiting: Reference[]
  armed: boolean
}

export class Deferred extends Subsystem {
  readonly name: string
  readonly #install = this.world.names.site('take')
  readonly #release = this.world.names.site('put')
  readonly #softirq = this.world.softirq('rcu_do_batch+0x1c1 rcu_core+0x15b handle_softirqs+0xdf', false)
  readonly #grace = this.world.latency(5, 100)
  readonly #life = this.world.latency(0.5, 20)
  readonly #limit = this.world.random.pick([10, 32, 1000])
  readonly #cpus: CpuCallbacks[] = Array.from({ length: this.world.machine.cpus }, () => ({
    waiting: [],
    armed: false,
  }))

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    const reference = yield* this.take(user, page, this.#install)
    this.world.machine.spawn(this.#retire(reference!, user.task!.cpu), this.world.wait(this.#life))
  }

  /** call_rcu(): unlinks the entry. Its reference is held for another grace period. */
  *#retire(reference: Reference, cpu: number): Steps {
    yield this.world.pause()
    this.defer(reference, cpu)
  }

  /** Puts the reference after a grace period. */
  defer(reference: Reference, cpu: number): void {
    const callbacks = this.#cpus[cpu]!
    callbacks.waiting.push(reference)
    if (callbacks.armed) return
    callbacks.armed = true
    this.world.machine.spawn(this.#burst(cpu), this.#grace * (1 + this.world.random()))
  }

  *#burst(cpu: number): Steps {
    const callbacks = this.#cpus[cpu]!
    const context = this.#softirq(cpu)
    const due = callbacks.waiting.splice(0, this.#limit)
    for (const reference of due) yield* this.giveBack(context, reference, this.#release)
    callbacks.armed = callbacks.waiting.length > 0
    if (callbacks.armed) this.world.machine.spawn(this.#burst(cpu), this.#grace * 0.1)
  }
}
