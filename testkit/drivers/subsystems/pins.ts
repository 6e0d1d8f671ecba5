// SPDX-License-Identifier: GPL-2.0-or-later
/** Pins by get_user_pages_fast(): 1 and then 1023 references, or 1024 at once. They are put at once when the I/O is done. */
import { Op } from '../../../src/trace/events.ts'
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { kernelSite } from '../stacks.ts'
import { Subsystem } from './subsystem.ts'

const PIN = 1024
const TAKERS = [
  'try_grab_folio_fast',
  'try_get_folio',
  'gup_fast_fallback',
  'pin_user_pages_fast',
  'internal_get_user_pages_fast',
]
const PUTTERS = ['gup_put_folio', 'unpin_user_pages', 'unpin_user_page', 'bio_release_pages']

export class Pins extends Subsystem {
  readonly name: string
  override readonly modes = ['leak', 'surplus', 'put-one']
  readonly #first = this.world.names.through(
    'try_get_folio+0x31 try_grab_folio_fast+0x20 gup_fast_fallback+0x2d1 pin_user_pages_fast+0x39',
    TAKERS,
  )
  readonly #rest = this.world.names.through(
    'try_grab_folio_fast+0x98 gup_fast_fallback+0x2d1 pin_user_pages_fast+0x39',
    TAKERS,
  )
  readonly #unpin = this.world.names.through('gup_put_folio+0x55 unpin_user_pages+0x7c', PUTTERS)
  readonly #bio = kernelSite(
    'gup_put_folio+0x55 unpin_user_page+0x2a __bio_release_pages+0x8e blkdev_bio_end_io+0x9f',
    [...PUTTERS, '__bio_release_pages', 'blkdev_bio_end_io'],
  )
  readonly #softirq = this.world.softirq('blk_complete_reqs+0x40 blk_done_softirq+0x1d handle_softirqs+0xdf', false)
  readonly #inTwoSteps = this.world.random.chance(0.6)
  readonly #byBio = this.world.random.pick([0, 0.5, 1])
  readonly #hold = this.world.latency(0.2, 20)

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    const { world } = this
    const first = this.#inTwoSteps ? 1 : PIN
    const reference = yield* this.take(user, page, this.#first, { op: Op.MOD_UNLESS, val: first, units: PIN })
    if (reference === undefined) return
    if (this.#inTwoSteps) yield* world.kernel.more(user, reference, this.#rest, PIN - 1)
    const byBio = world.random.chance(this.#byBio)
    world.machine.spawn(this.#end(byBio ? this.#softirq() : user, reference, byBio), world.wait(this.#hold))
  }

  *#end(context: Context, reference: Reference, byBio: boolean): Steps {
    const { world } = this
    const site = byBio ? this.#bio : this.#unpin
    if (this.strikes('put-one', reference.page)) {
      // The fault is put_page() instead of unpin_user_page().
      yield* world.kernel.put(context, reference, site, { units: 1 })
      world.faults.leak(reference, 'put-one', world.machine.now)
    } else yield* this.giveBack(context, reference, site)
  }
}
