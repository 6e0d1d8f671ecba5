// SPDX-License-Identifier: GPL-2.0-or-later
/** An LRU: pages are added with a reference, and a reclaim thread evicts the oldest when there are too many. */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

export class Lru extends Subsystem {
  readonly name: string
  override readonly keeps = true
  readonly #add = this.world.names.site('take')
  readonly #evict = this.world.names.site('put')
  readonly #reclaimer = this.world.thread()
  readonly #drainer = this.world.workQueue()
  readonly #capacity = Math.max(
    2,
    Math.floor(this.world.pages.length * this.world.random.pick([0.03, 0.06, 0.12, 0.2])),
  )
  readonly #batch = this.world.random.int(1, 12)
  /** Oldest first. */
  readonly #pages: Reference[] = []
  #reclaiming = false

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    if (this.#pages.some(({ page: other, life }) => other === page && life === page.lives)) return
    const reference = yield* this.take(user, page, this.#add)
    this.#pages.push(reference!)
    if (this.#reclaiming || this.#pages.length <= this.#capacity) return
    this.#reclaiming = true
    this.world.machine.spawn(this.#reclaim(), this.world.wait(this.world.think))
  }

  *#reclaim(): Steps {
    for (let i = 0; i < this.#batch || this.#pages.length > this.#capacity; i++) {
      if (this.#pages.length === 0) break
      yield* this.#evictOne(this.#reclaimer)
      yield this.world.pause()
    }
    this.#reclaiming = false
  }

  *#evictOne(context: Context): Steps {
    // Sometimes the oldest page is in use, and the next one is evicted.
    const at = this.world.random.chance(0.1) ? Math.min(1, this.#pages.length - 1) : 0
    const [reference] = this.#pages.splice(at, 1)
    yield* this.giveBack(context, reference!, this.#evict)
  }

  override *drain(): Steps {
    const context = this.world.random.chance(0.5) ? this.#drainer() : this.#reclaimer
    while (this.#pages.length > 0) yield* this.#evictOne(context)
  }
}
