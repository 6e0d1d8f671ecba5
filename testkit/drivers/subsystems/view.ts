// SPDX-License-Identifier: GPL-2.0-or-later
/** Views: a short reference around each access. The fault is a stale view, which is opened on a page that has been freed. */
import { Op } from '../../../src/trace/events.ts'
import type { Context, Steps } from '../machine.ts'
import type { Page } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

export class View extends Subsystem {
  readonly name: string
  override readonly modes = ['leak', 'surplus', 'stale', 'stale-put', 'stale-own', 'stale-own-put']
  readonly #open = this.world.names.site('take')
  readonly #close = this.world.names.site('put')
  readonly #stale = this.world.names.site('take')
  readonly #hold = this.world.latency(0.05, 2)

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    for (const mode of ['stale', 'stale-put', 'stale-own', 'stale-own-put']) {
      const free = this.#freePage()
      if (free !== undefined && this.strikes(mode, free)) yield* this.#openStale(user, free, mode)
    }
    const reference = yield* this.take(user, page, this.#open)
    yield this.world.wait(this.#hold)
    yield* this.giveBack(user, reference!, this.#close)
  }

  #freePage(): Page | undefined {
    const { kernel, random, pages } = this.world
    const page = random.pick(pages)
    const idle = page.count === kernel.rules.idle && !page.live && page.open.size === 0 && page.lives > 0
    return idle && kernel.free.has(page) ? page : undefined
  }

  *#openStale(user: Context, page: Page, mode: string): Steps {
    const { kernel, faults } = this.world
    const site = mode.startsWith('stale-own') ? this.#stale : this.#open
    const puts = mode.endsWith('put')
    const when = () => page.count === kernel.rules.idle && !page.live
    const event = yield* kernel.change(user, { page, op: Op.MOD, val: 1, site, role: 'stale', when })
    if (event === undefined) return
    faults.staleGet(event, this.name, mode, site, puts)
    if (!puts) return
    yield this.world.wait(this.#hold)
    yield* kernel.surplusPut(user, page, this.#close, 1)
  }
}
