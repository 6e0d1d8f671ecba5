// SPDX-License-Identifier: GPL-2.0-or-later
/** Jobs: the preparation of a job takes a reference. On an error the same function puts it, otherwise the end of the job does. */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

export class Job extends Subsystem {
  readonly name: string
  override readonly modes = ['leak', 'surplus', 'error-leak', 'error-surplus']
  readonly #prepare = this.world.names.site('take')
  readonly #error = this.world.names.second(this.#prepare)
  readonly #end = this.world.names.site('put')
  readonly #runner = this.world.random.chance(0.5) ? this.world.completionRunner() : undefined
  readonly #latency = this.world.latency(0.2, 10)
  readonly #errors = this.world.random.pick([0.01, 0.05, 0.3])

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    const { world } = this
    const reference = yield* this.take(user, page, this.#prepare)
    if (world.random.chance(this.#errors)) {
      yield world.pause()
      yield* this.#fail(user, reference!)
    } else if (this.#runner === undefined) {
      yield world.wait(this.#latency)
      yield* this.giveBack(user, reference!, this.#end)
    } else world.machine.spawn(this.#finish(this.#runner, reference!), world.wait(this.#latency))
  }

  *#finish(runner: () => Context, reference: Reference): Steps {
    yield* this.giveBack(runner(), reference, this.#end)
  }

  *#fail(user: Context, reference: Reference): Steps {
    const { world } = this
    if (this.strikes('error-leak', reference.page)) {
      world.faults.leak(reference, 'error-leak', world.machine.now)
      return
    }
    yield* world.kernel.put(user, reference, this.#error)
    // The caller sees the error and ends the job as well, which puts the reference a second time.
    if (this.strikes('error-surplus', reference.page)) {
      const context = this.#runner === undefined ? user : this.#runner()
      yield* this.putAgain(context, reference, this.#end, 'error-surplus')
    }
  }
}
