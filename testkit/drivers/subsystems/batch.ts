// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Batches: several references that are taken at once by page_ref_add(). They are put one by one, with the rest put at once by
 * another function, or each by the task that has finished.
 */
import { Op } from '../../../src/trace/events.ts'
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

export class Batch extends Subsystem {
  readonly name: string
  override readonly modes = ['few', 'few-all', 'over', 'over-all']
  readonly #map = this.world.names.site('take')
  readonly #unmapOne = this.world.names.site('put')
  readonly #unmapAll = this.world.names.site('put')
  readonly #largest = this.world.random.int(2, 9)
  readonly #allOp = this.world.random.pick([Op.MOD, this.world.kernel.rules.putOp])
  readonly #all = this.world.random.pick([0, 0.4, 0.6, 1])
  readonly #hold = this.world.latency(0.1, 5)
  readonly #asynchronous = this.world.random.chance(0.3)
  readonly #runner = this.world.completionRunner()

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    const { world } = this
    const units = world.random.int(2, this.#largest)
    const reference = yield* this.take(user, page, this.#map, { units })
    if (this.#asynchronous) {
      world.machine.spawn(this.#each(this.#runner, reference!), world.wait(this.#hold))
      return
    }
    yield world.wait(this.#hold)
    const all = world.random.chance(this.#all)
    const single = all ? world.random.int(0, units - 1) : units
    for (let i = 0; i < single; i++) if (yield* this.#one(user, reference!)) return
    if (all) yield* this.#rest(user, reference!)
  }

  *#each(runner: () => Context, reference: Reference): Steps {
    for (let i = 0; i < reference.units; i++) {
      if (yield* this.#one(runner(), reference)) return
      yield this.world.wait(this.#hold / 4)
    }
  }

  /** Puts one reference of the batch. @returns true if a fault forgot the put */
  *#one(context: Context, reference: Reference): Steps<boolean> {
    const { world } = this
    const last = reference.left === 1
    if (last && this.strikes('few', reference.page)) {
      world.faults.leak(reference, 'few', world.machine.now)
      return true
    }
    yield* world.kernel.put(context, reference, this.#unmapOne, { units: 1 })
    if (last && this.strikes('over', reference.page))
      yield* this.putAgain(context, reference, this.#unmapOne, 'over', 1)
    return false
  }

  *#rest(user: Context, reference: Reference): Steps {
    const { world } = this
    const few = reference.left > 1 && this.strikes('few-all', reference.page) ? 1 : 0
    const over = few === 0 && this.strikes('over-all', reference.page) ? 1 : 0
    const units = reference.left - few
    const event = yield* world.kernel.put(user, reference, this.#unmapAll, { units, op: this.#allOp, extra: over })
    if (few > 0) world.faults.leak(reference, 'few-all', world.machine.now)
    if (over > 0) world.faults.surplus(event, reference, 'over-all', 1, [this.#unmapAll])
  }
}
