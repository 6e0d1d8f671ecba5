// SPDX-License-Identifier: GPL-2.0-or-later
/** A table of slots: a page stays in its slot, with a reference, until another page replaces it. Slots are looked up at times. */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

export class Table extends Subsystem {
  readonly name: string
  override readonly keeps = true
  override readonly modes = ['leak', 'surplus', 'lookup-leak', 'lookup-surplus']
  readonly #install = this.world.names.site('take')
  readonly #release = this.world.random.chance(0.3)
    ? this.world.names.second(this.#install)
    : this.world.names.site('put')
  readonly #lookup = this.world.names.site('take')
  readonly #done = this.world.names.site('put')
  readonly #drainer = this.world.workQueue()
  readonly #softirq = this.world.softirq('rcu_do_batch+0x1c1 rcu_core+0x15b handle_softirqs+0xdf', false)
  readonly #rcu = this.world.random.chance(0.4)
  readonly #grace = this.world.latency(5, 50)
  readonly #lookups = this.world.random.pick([0, 0.5, 0.8])
  readonly #slots: (Reference | undefined)[] = new Array(
    Math.min(this.world.random.pick([4, 8, 16, 32]), this.world.pages.length >> 3),
  ).fill(undefined)

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    const { world } = this
    if (world.random.chance(this.#lookups)) {
      yield* this.#lookUp(user)
      return
    }
    const reference = yield* this.take(user, page, this.#install)
    const slot = world.random.int(0, this.#slots.length - 1)
    const old = this.#slots[slot]
    this.#slots[slot] = reference
    if (old === undefined) return
    if (this.#rcu) world.machine.spawn(this.#putLater(old, user.task!.cpu), this.#grace)
    else yield* this.giveBack(user, old, this.#release)
  }

  *#putLater(reference: Reference, cpu: number): Steps {
    yield* this.giveBack(this.#softirq(cpu), reference, this.#release)
  }

  /** Takes a reference on the page in a slot. That is safe, since the slot's reference is held under its lock. */
  *#lookUp(user: Context): Steps {
    const { world } = this
    const slot = world.random.int(0, this.#slots.length - 1)
    const cached = this.#slots[slot]
    if (cached === undefined) return
    const there = { when: () => this.#slots[slot] === cached && cached.returned === undefined }
    const reference = yield* this.take(user, cached.page, this.#lookup, there)
    if (reference === undefined) return
    yield world.wait(world.think / 4)
    if (this.strikes('lookup-leak', reference.page)) {
      world.faults.leak(reference, 'lookup-leak', world.machine.now)
      return
    }
    yield* world.kernel.put(user, reference, this.#done)
    if (this.strikes('lookup-surplus', reference.page))
      yield* this.putAgain(user, reference, this.#done, 'lookup-surplus')
  }

  override *drain(): Steps {
    const context = this.#drainer()
    for (const [slot, reference] of this.#slots.entries()) {
      this.#slots[slot] = undefined
      if (reference !== undefined) yield* this.giveBack(context, reference, this.#release)
    }
  }
}
