// SPDX-License-Identifier: GPL-2.0-or-later
/** A hand-over between tasks: one takes the reference and posts the page; another, which is sometimes slow, puts it. */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { Subsystem } from './subsystem.ts'

interface Consumer {
  context: Context
  queue: Reference[]
  running: boolean
}

/** Largest number of messages that wait for one reader. */
const LONGEST = 6

export class Mailbox extends Subsystem {
  readonly name: string
  readonly #post = this.world.names.site('take')
  readonly #done = this.world.names.site('put')
  readonly #consumers: Consumer[] = Array.from({ length: this.world.random.int(1, 3) }, () => ({
    context: this.world.thread(),
    queue: [] as Reference[],
    running: false,
  }))
  readonly #work = this.world.latency(0.1, 3)
  readonly #slow = this.world.random.chance(0.5) ? 0.01 : 0
  /** True if one reader works on a page for longer than the recording lasts. */
  #stuck = this.world.random.chance(0.15)

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    const ready = this.#consumers.filter(({ queue }) => queue.length < LONGEST)
    if (ready.length === 0) return
    const reference = yield* this.take(user, page, this.#post)
    const consumer = this.world.random.pick(ready)
    consumer.queue.push(reference!)
    if (consumer.running) return
    consumer.running = true
    this.world.machine.spawn(this.#consume(consumer), this.world.pause())
  }

  *#consume(consumer: Consumer): Steps {
    const { world } = this
    for (let next = consumer.queue.shift(); next !== undefined; next = consumer.queue.shift()) {
      yield world.wait(this.#work)
      if (world.random.chance(this.#slow)) yield world.wait(200 * this.#work)
      if (this.#stuck && consumer === this.#consumers[1] && world.kernel.events.length > 500) {
        // The reader works on this page until the end. Its other messages wait; the other readers continue.
        this.#stuck = false
        return
      }
      yield* this.giveBack(consumer.context, next, this.#done)
    }
    consumer.running = false
  }
}
