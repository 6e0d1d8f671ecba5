// SPDX-License-Identifier: GPL-2.0-or-later
/** Base class of a simulated driver's subsystems, which take references for users and put them, each in its own way. */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import type { Site } from '../stacks.ts'
import type { World } from '../world.ts'

export interface PutOptions {
  units?: number
  op?: number
  unmaps?: boolean
}

export abstract class Subsystem {
  abstract readonly name: string
  /** Faults that the subsystem can have. */
  readonly modes: readonly string[] = ['leak', 'surplus']
  /** True if the subsystem keeps references until others replace them. */
  readonly keeps: boolean = false
  protected readonly world: World

  constructor(world: World) {
    this.world = world
  }

  /** Lets a user, who holds a reference, use the page once. */
  abstract use(user: Context, page: Page): Steps

  /** Starts threads that run while there is traffic. */
  start(): void {}

  /** Puts the kept references at the end. */
  *drain(): Steps {}

  protected strikes(mode: string, page: Page): boolean {
    return this.world.faults.strikes(this.name, mode, page)
  }

  protected take(context: Context, page: Page, site: Site, options = {}): Steps<Reference | undefined> {
    return this.world.kernel.take(context, page, site, this.name, options)
  }

  /** Puts the reference, unless a fault forgets it. Another fault puts it twice. */
  protected *giveBack(context: Context, reference: Reference, site: Site, options: PutOptions = {}): Steps {
    const { kernel, faults, machine } = this.world
    if (this.strikes('leak', reference.page)) {
      // The page table entry is cleared nevertheless; only its reference leaks.
      if (options.unmaps) reference.page.setMapcount(reference.page.mapcount - 1, machine.now)
      faults.leak(reference, 'leak', machine.now)
      return
    }
    const units = options.units ?? reference.left
    yield* kernel.put(context, reference, site, options as object)
    if (this.strikes('surplus', reference.page))
      yield* this.putAgain(context, reference, site, 'surplus', units, options)
  }

  /** Puts the reference a second time: at once, or much later, when the page may be free or in use by somebody else. */
  protected *putAgain(
    context: Context,
    reference: Reference,
    site: Site,
    mode: string,
    units = reference.units,
    options: PutOptions = {},
  ): Steps {
    const { world } = this
    const { kernel, faults } = world
    yield world.random.chance(0.6) ? world.pause() : world.wait(world.think * 5)
    const again: Context = context.task === undefined ? { ...context, landing: undefined } : context
    const event = yield* kernel.surplusPut(again, reference.page, site, units, options.op as never)
    faults.surplus(event, reference, mode, units, [site, ...reference.putSites])
  }
}
