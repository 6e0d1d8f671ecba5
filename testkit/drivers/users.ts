// SPDX-License-Identifier: GPL-2.0-or-later
/** Users of the driver: each keeps a few pages, uses them through the subsystems, and releases them. */
import type { Context, Steps } from './machine.ts'
import type { Page, Reference } from './pages.ts'
import { showsHandOut } from './protocols.ts'
import { kernelSite, type Site } from './stacks.ts'
import type { Subsystem } from './subsystems/subsystem.ts'
import type { World } from './world.ts'

export const ROOT = 'root'

/** Allocation and release of pages by the driver, with their faults. */
export class Root {
  readonly #world: World
  readonly #alloc: Site
  readonly #map: Site
  readonly #mapped: Site
  readonly #unmap: Site
  readonly #releases: Site[]
  readonly #maps: boolean

  constructor(world: World) {
    const { names, random, kernel } = world
    const { rules } = kernel
    this.#world = world
    const own = names.site('take')
    const init = showsHandOut(rules) && rules.protocol !== 'P2PDMA_73'
    this.#alloc = init ? own.through('zone_device_page_init+0x3b') : own
    this.#map = names.through('remove_migration_pte+0x1b2 rmap_walk_anon+0xd1 remove_migration_ptes+0x62', [
      'remove_migration_pte',
    ])
    this.#mapped = names.site('put')
    this.#unmap = kernelSite(
      'unmap_page_range+0x8c1 unmap_vmas+0x80 unmap_region+0xb9 do_vmi_munmap+0x17c __x64_sys_munmap+0x1b',
      ['unmap_page_range', 'unmap_vmas'],
    )
    this.#releases = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => names.site('put'))
    this.#maps = rules.mapsRoot === 'always' || (rules.mapsRoot === 'maybe' && random.chance(0.3))
  }

  modes(): string[] {
    const initialised = showsHandOut(this.#world.kernel.rules) || this.#world.kernel.rules.protocol === 'A'
    return ['leak', 'surplus', ...(initialised ? ['no-init'] : [])]
  }

  /** Allocates a page for the user. @returns undefined if there is none */
  *handOut(user: Context): Steps<Reference | undefined> {
    const { kernel, faults, machine } = this.#world
    const page = kernel.free.pop()
    if (page === undefined) return undefined
    const noInit = faults.strikes(ROOT, 'no-init', page)
    const root = yield* kernel.handOut(user, page, this.#alloc, !noInit)
    if (root === undefined) return undefined
    if (noInit) faults.noInit(root, machine.now)
    if (kernel.rules.mapsRoot === 'is-mapping') page.setMapcount(page.mapcount + 1, machine.now)
    return this.#maps ? yield* this.#mapIt(user, root) : root
  }

  /** Replaces the reference of the allocation by that of a page table entry. */
  *#mapIt(user: Context, root: Reference): Steps<Reference> {
    const { kernel, machine } = this.#world
    const mapping = yield* kernel.take(user, root.page, this.#map, ROOT)
    root.page.setMapcount(root.page.mapcount + 1, machine.now)
    root.root = false
    mapping!.root = true
    yield* kernel.put(user, root, this.#mapped)
    return mapping!
  }

  *release(user: Context, root: Reference): Steps {
    const { faults, machine, kernel, random } = this.#world
    const unmaps = this.#maps || kernel.rules.mapsRoot === 'is-mapping'
    if (faults.strikes(ROOT, 'leak', root.page)) {
      if (unmaps) root.page.setMapcount(root.page.mapcount - 1, machine.now)
      faults.leak(root, 'leak', machine.now)
      return
    }
    const site = unmaps ? this.#unmap : random.pick(this.#releases)
    yield* kernel.put(user, root, site, { unmaps })
    if (!faults.strikes(ROOT, 'surplus', root.page)) return
    yield random.chance(0.6) ? this.#world.pause() : this.#world.wait(this.#world.think * 5)
    const event = yield* kernel.surplusPut(user, root.page, site, 1)
    faults.surplus(event, root, 'surplus', 1, [site])
  }
}

export interface Habits {
  /** Largest number of pages that a user keeps at the same time. */
  pages: number
  /** Mean number of uses of a page before its release. */
  uses: number
}

/** Runs a user while there is traffic. Then it releases its pages. */
export function* user(context: Context, world: World, root: Root, subsystems: Subsystem[], habits: Habits): Steps {
  const { random } = world
  const held: Reference[] = []
  while (world.traffic) {
    if (held.length === 0 || (held.length < habits.pages && random.chance(1 / habits.uses))) {
      const fresh = yield* root.handOut(context)
      if (fresh !== undefined) held.push(fresh)
    } else if (random.chance(1 / (habits.uses + 1))) {
      const [old] = held.splice(random.int(0, held.length - 1), 1)
      yield* root.release(context, old!)
    } else yield* random.pick(subsystems).use(context, pick(held, random()))
    yield world.wait(world.think)
    if (random.chance(0.001) && context.task !== undefined) context.task.cpu = world.anyCpu()
  }
  for (const old of held) yield* root.release(context, old)
}

const pick = (held: readonly Reference[], random: number): Page => held[Math.floor(random * held.length)]!.page
