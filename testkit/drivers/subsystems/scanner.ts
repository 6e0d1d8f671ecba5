// SPDX-License-Identifier: GPL-2.0-or-later
/** A thread that visits pages: it takes a reference unless the page is free, and puts it a little later. */
import { Op } from '../../../src/trace/events.ts'
import type { Context, Steps } from '../machine.ts'
import type { Page } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

export class Scanner extends Subsystem {
  readonly name: string
  override readonly modes = ['leak', 'surplus', 'refused-put']
  readonly #get = this.world.names.site('take')
  readonly #put = this.world.random.chance(0.5) ? this.world.names.second(this.#get) : this.world.names.site('put')
  readonly #thread = this.world.thread()
  readonly #interval = this.world.latency(0.1, 5)
  readonly #inOrder = this.world.random.chance(0.5)
  #cursor = 0

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  override start(): void {
    this.world.machine.spawn(this.#run(), this.world.wait(this.#interval))
  }

  *use(_user: Context, _page: Page): Steps {}

  *#run(): Steps {
    while (this.world.traffic) {
      yield* this.visit()
      yield this.world.wait(this.#interval)
    }
  }

  /** Visits pages after the traffic has ended. */
  *after(visits: number): Steps {
    for (let i = 0; i < visits; i++) {
      yield* this.visit()
      yield this.world.wait(this.#interval)
    }
  }

  *visit(): Steps {
    const { world } = this
    const { pages, kernel } = world
    const page = this.#inOrder ? pages[this.#cursor++ % pages.length]! : world.random.pick(pages)
    // Where a put to 1 frees, a visit to a free page would free it again. Under that protocol only pages in use are visited.
    let refused = false
    const when = () => {
      refused = page.count === 0
      return kernel.rules.protocol !== 'A' || page.count > 1
    }
    const looked = { op: Op.MOD_UNLESS, when }
    const reference = yield* this.take(this.#thread, page, this.#get, looked)
    if (reference !== undefined) {
      yield world.pause()
      yield* this.giveBack(this.#thread, reference, this.#put)
    } else if (refused && this.strikes('refused-put', page)) yield* this.#putUntaken(page)
  }

  /** The fault of a scanner that ignores the result of get_page_unless_zero(), and puts a reference that it did not get. */
  *#putUntaken(page: Page): Steps {
    const { kernel, faults } = this.world
    const event = yield* kernel.surplusPut(this.#thread, page, this.#put, 1)
    faults.surplusOn(event, this.name, 'refused-put', this.#put)
  }
}
