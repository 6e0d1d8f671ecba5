// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drivers/gpu/drm/drm_pagemap.c, as xe's SVM uses it (6.16 and later): a page in use holds its `zdd`, and so does the
 * thread that populates it. The last of them frees the device memory, which may be the migrating thread, long after page_free().
 *
 * A page that has been migrated to system memory is marked as such (7.3). Eviction skips such a page if it finds one that
 * somebody still holds.
 */
import { call, cells, type Shared, type Steps, step } from '../../../../checker/index.ts'
import { device_private } from '../../../device_private.ts'
import { driver } from '../../../driver.ts'
import { put_page, trylock_page, unlock_page, zone_device_page_init } from '../../../mm/memremap.ts'
import { migrate_device_page, migrate_vma_device_to_device, migrate_vma_to_ram } from '../../../mm/migrate_device.ts'
import { get_page_unless_zero } from '../../../mm/page_ref.ts'
import { file_free, hand_out } from '../../../page_list.ts'
import type { Fault, Kernel, Page, VmFault } from '../../../types.ts'

export default driver({
  name: 'drm_pagemap',
  type: 'PRIVATE',
  protocols: ['F', 'G'],
  // biome-ignore lint/complexity/noExcessiveLinesPerFunction: the functions of a driver share its locks and counters, which are local.
  setup(kernel: Kernel) {
    const { pages } = kernel.pgmap
    const zdd = cells(kernel.page_sort, 'zdd->refcount', { max: 2 })
    const removed = cells(kernel.page_sort, 'devmem_removed', { max: 1 })
    const migrated = cells(kernel.page_sort, 'zdd flag migrated', { max: 1 })
    kernel.cells.push(...zdd, ...removed, ...migrated)

    function* drm_pagemap_get_devmem_page(): Steps<Page | undefined> {
      const page = yield* step('populate_devmem_pfn', s => {
        const free = pages.filter(p => s.get(zdd[p.index]!) === 0 && s.get(removed[p.index]!) === 0)
        if (free.length === 0) return undefined
        const page = free[s.choose(free.length)]!
        s.set(zdd[page.index]!, 2)
        s.set(migrated[page.index]!, 0)
        hand_out(s, page)
        return page
      })
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function drm_pagemap_zdd_put(s: Shared, page: Page): void {
      s.add(zdd[page.index]!, -1)
    }

    function* drm_pagemap_page_free(page: Page): Steps<void> {
      yield* step('drm_pagemap_page_free', s => {
        file_free(s, page)
        drm_pagemap_zdd_put(s, page)
      })
    }

    function* after_migration(page: Page): Steps<void> {
      yield* step('drm_pagemap_zdd_put', s => drm_pagemap_zdd_put(s, page))
    }

    function drm_pagemap_retire_migrated_page(s: Shared, page: Page): void {
      s.set(migrated[page.index]!, 1)
    }

    function* drm_pagemap_migrate_to_ram(fault: Fault): Steps<VmFault> {
      const moved = yield* migrate_vma_to_ram(fault, drm_pagemap_retire_migrated_page)
      return !moved && kernel.fixes.has('failed_migration_is_sigbus') ? 'SIGBUS' : 'retry'
    }

    /** drm_pagemap_evict_to_ram() on one page. */
    function* drm_pagemap_evict_to_ram(page: Page): Steps<void> {
      if (!(yield* get_page_unless_zero(page))) return
      if (!(yield* step('folio_trylock', s => trylock_page(s, page), 'relaxed'))) return yield* call(put_page, page)
      const skip = yield* step('drm_pagemap_skip_retired_pages', s => s.get(migrated[page.index]!) === 1)
      if (!skip) {
        yield* call(migrate_device_page, page, undefined, drm_pagemap_retire_migrated_page)
        return
      }
      yield* unlock_page(page)
      yield* call(put_page, page)
    }

    function* evict(): Steps<void> {
      for (const page of pages) yield* call(drm_pagemap_evict_to_ram, page)
    }

    /** drm_pagemap_migrate_to_devmem() of a page that is in device memory already. */
    function* move(index: number): Steps<void> {
      const address = kernel.mm.addresses[index % kernel.mm.addresses.length]!
      const page = yield* migrate_vma_device_to_device(address, drm_pagemap_get_devmem_page)
      if (page) yield* after_migration(page)
    }

    const parts = device_private(kernel, {
      alloc_page: drm_pagemap_get_devmem_page,
      page_free: drm_pagemap_page_free,
      after_migration,
      migrate_to_ram: drm_pagemap_migrate_to_ram,
      clear: s => {
        for (const r of removed) s.set(r, 1)
      },
      evicts: true,
      evict: drm_pagemap_evict_to_ram,
      threads: {
        evict: {
          about: 'device memory is short: all of it moves to system memory',
          body: evict,
          times: 1,
          count: 0,
          finishes: true,
        },
        move: {
          about: 'what is on a device moves to another place on one',
          body: move,
          times: 1,
          count: 0,
          finishes: true,
        },
      },
    })
    return {
      ...parts,
      scenarios: {
        ...parts.scenarios,
        // The code of both scenarios is of 7.x, and so can only be checked under G.
        ...(kernel.protocol.id === 'G'
          ? {
              eviction: { fault: 1, migrate: 1, evict: 1 },
              'device to device': { fault: 1, migrate: 1, move: 1, exit: 1 },
            }
          : {}),
      },
    }
  },
})
