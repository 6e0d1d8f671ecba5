// SPDX-License-Identifier: GPL-2.0-or-later
/** Page tables: a mapping takes a reference and raises the map count, a fork takes another, unmapping puts them. */
import type { Context, Steps } from '../machine.ts'
import type { Page, Reference } from '../pages.ts'
import { kernelSite, type Site } from '../stacks.ts'
import { Subsystem } from './subsystem.ts'

const ACCOUNTED = ['insert_page_into_pte_locked', 'vm_insert_page', 'insert_page']
const UNMAP = 'unmap_page_range+0x8c1 unmap_vmas+0x80 unmap_region+0xb9 do_vmi_munmap+0x17c __x64_sys_munmap+0x1b'
const BATCH =
  'folios_put_refs+0x13d free_pages_and_swap_cache+0xb5 __tlb_batch_free_encoded_pages+0x52 tlb_flush_mmu+0x60 ' +
  'unmap_page_range+0x8d5 unmap_vmas+0x80 exit_mmap+0xd2'

export class Mapping extends Subsystem {
  readonly name: string
  readonly #map = this.world.names.through(
    'insert_page_into_pte_locked+0x52 insert_page+0x41 vm_insert_page+0xc1',
    ACCOUNTED,
  )
  readonly #fork = kernelSite(
    'copy_nonpresent_pte+0x1a3 copy_page_range+0x60c dup_mmap+0x3b2 copy_process+0x1a11 kernel_clone+0x9c',
    ['copy_nonpresent_pte', 'copy_page_range'],
  )
  readonly #unmap = kernelSite(UNMAP, ['unmap_page_range', 'unmap_vmas'])
  readonly #exit = kernelSite(BATCH, [
    'folios_put_refs',
    'free_pages_and_swap_cache',
    '__tlb_batch_free_encoded_pages',
    'tlb_flush_mmu',
    'unmap_page_range',
    'unmap_vmas',
    'exit_mmap',
  ])
  readonly #hold = this.world.latency(1, 30)
  readonly #forks = this.world.random.pick([0, 0.1, 0.3])

  constructor(world: Subsystem['world'], name: string) {
    super(world)
    this.name = name
  }

  *use(user: Context, page: Page): Steps {
    yield* this.#enter(user, page, this.#map)
    if (!this.world.random.chance(this.#forks)) return
    yield this.world.wait(this.world.think / 4)
    yield* this.#enter(user, page, this.#fork)
  }

  *#enter(user: Context, page: Page, site: Site): Steps {
    const { world } = this
    const reference = yield* this.take(user, page, site)
    page.setMapcount(page.mapcount + 1, world.machine.now)
    const leaver = world.random.chance(0.7) ? user : world.random.pick(world.users)
    world.machine.spawn(this.#leave(leaver, reference!), world.wait(this.#hold))
  }

  *#leave(user: Context, reference: Reference): Steps {
    yield* this.giveBack(user, reference, this.world.random.chance(0.7) ? this.#unmap : this.#exit, { unmaps: true })
  }
}
