// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A ring of requests: submission takes a reference, and completion puts it on another CPU. Rarely, another function aborts a
 * request instead.
 */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

export class Ring extends Subsystem {
  readonly name: string
  override readonly modes = ['leak', 'surplus', 'abort-leak', 'abort-surplus']
  readonly #submit = this.world.names.site('take')
  readonly #complete = this.world.names.site('put')
  readonly #abort = this.world.names.site('put')
  readonly #completer = this.world.completionRunner()
  readonly #aborter = this.world.workQueue()
  readonly #latency = this.world.latency(0.2, 20)
  readonly #aborts = this.world.random.chance(0.5) ? 0.02 : 0

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    const reference = yield* this.take(user, page, this.#submit)
    const { world } = this
    const late = world.random.chance(this.#aborts || this.#hasAbortBug() ? Math.max(this.#aborts, 0.02) : 0)
    const steps = late ? this.#abortOne(reference!) : this.#completeOne(reference!)
    world.machine.spawn(steps, world.wait(late ? 4 * this.#latency : this.#latency))
  }

  #hasAbortBug(): boolean {
    return this.world.faults.bugs.some(bug => bug.owner === this.name && bug.mode.startsWith('abort'))
  }

  *#completeOne(reference: Reference): Steps {
    yield* this.giveBack(this.#completer(), reference, this.#complete)
  }

  *#abortOne(reference: Reference): Steps {
    const { world } = this
    if (this.strikes('abort-leak', reference.page)) {
      world.faults.leak(reference, 'abort-leak', world.machine.now)
      return
    }
    yield* world.kernel.put(this.#aborter(), reference, this.#abort)
    // The aborted request completes nevertheless, which puts the reference a second time.
    if (this.strikes('abort-surplus', reference.page))
      yield* this.putAgain(this.#completer(), reference, this.#complete, 'abort-surplus')
  }
}
