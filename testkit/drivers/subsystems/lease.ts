// SPDX-License-Identifier: GPL-2.0-or-later
/** Leases: a reference that a timer puts when the lease runs out, or its user before that. */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

export class Lease extends Subsystem {
  readonly name: string
  override readonly modes = ['leak', 'surplus', 'cancel-leak', 'cancel-surplus']
  readonly #begin = this.world.names.site('take')
  readonly #expire = this.world.names.site('put')
  readonly #cancel = this.world.names.site('put')
  readonly #timer = this.world.softirq(
    'call_timer_fn+0x27 __run_timers+0x1e1 run_timer_softirq+0x8a handle_softirqs+0xdf',
    true,
  )
  readonly #duration = this.world.latency(5, 60)
  readonly #cancels = this.world.random.pick([0.1, 0.3, 0.8])

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    const reference = yield* this.take(user, page, this.#begin)
    const { world } = this
    const cpu = user.task!.cpu
    if (world.random.chance(this.#cancels))
      world.machine.spawn(this.#end(user, reference!, cpu), this.#duration * world.random())
    else world.machine.spawn(this.#runOut(reference!, cpu), this.#duration)
  }

  *#runOut(reference: Reference, cpu: number): Steps {
    yield* this.giveBack(this.#timer(cpu), reference, this.#expire)
  }

  *#end(user: Context, reference: Reference, cpu: number): Steps {
    const { world } = this
    if (this.strikes('cancel-leak', reference.page)) {
      world.faults.leak(reference, 'cancel-leak', world.machine.now)
      return
    }
    yield* world.kernel.put(user, reference, this.#cancel)
    // The timer was not deleted, and puts the reference a second time.
    if (this.strikes('cancel-surplus', reference.page))
      yield* this.putAgain(this.#timer(cpu), reference, this.#expire, 'cancel-surplus')
  }
}
