// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * lib/test_hmm.c: device memory that is emulated by system memory. Each device page in use has a backing page `rpage`, an
 * ordinary page with a count of its own, which page_free() frees with __free_page().
 */
import { cells, type Steps, step } from '../../checker/index.ts'
import { device_private } from '../device_private.ts'
import { type DriverParts, driver } from '../driver.ts'
import { irqs_off_cell, pin_longterm, pin_user_page } from '../mm/gup.ts'
import { zone_device_page_init } from '../mm/memremap.ts'
import { migrate_vma_to_system } from '../mm/migrate_device.ts'
import { page_list } from '../page_list.ts'
import type { Kernel, Page, Role } from '../types.ts'

export default driver({
  name: 'test_hmm',
  type: 'PRIVATE',
  protocols: ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G'],
  setup: dmirror,
})

/** Coherent memory, which the CPU can access. Present entries map it, so that GUP can pin it, and no fault migrates it back. */
export const test_hmm_coherent = driver({
  name: 'test_hmm_coherent',
  type: 'COHERENT',
  protocols: ['E', 'F', 'G'],
  setup(kernel: Kernel) {
    const parts = dmirror(kernel)
    return {
      ...parts,
      roles: { ...parts.roles, ...coherent_roles(kernel) },
      threads: { migrate: 1, longterm: 1, exit: 1, unbind: 1 },
      scenarios: {
        'users only': { migrate: 1, gup: 1, longterm: 1, exit: 1 },
        'moved back': { migrate: 1, back: 1, longterm: 1, exit: 1 },
        'mappings stay': { migrate: 1, gup: 1, unbind: 1 },
        'unguarded unplug': { 'migrate-unguarded': 1, longterm: 1, exit: 1, unplug: 1 },
      },
      also: [],
    }
  },
})

function coherent_roles(kernel: Kernel): Record<string, Role> {
  const { addresses } = kernel.mm
  const at = (index: number) => addresses[index % addresses.length]!
  const irqs_off = addresses.map((_, i) => irqs_off_cell(kernel, i))
  function* gup(index: number): Steps<void> {
    yield* pin_user_page(at(index), irqs_off[index % irqs_off.length]!)
  }
  function* longterm(index: number): Steps<void> {
    yield* pin_longterm(at(index), irqs_off[index % irqs_off.length]!)
  }
  /** The ioctl that moves memory back (MIGRATE_VMA_SELECT_DEVICE_COHERENT). */
  function* dmirror_migrate_to_system(index: number): Steps<void> {
    yield* migrate_vma_to_system(at(index))
  }
  return {
    gup: { about: 'pins what an address maps, lets a device use it, unpins', body: gup, times: 2, finishes: true },
    longterm: {
      about: 'pins for long (FOLL_LONGTERM): device memory moves to system memory first',
      body: longterm,
      times: 2,
      finishes: true,
    },
    back: { about: 'an ioctl moves an address back', body: dmirror_migrate_to_system, times: 1, finishes: true },
  }
}

function dmirror(kernel: Kernel): DriverParts {
  const free_pages = page_list(kernel)
  const rpage_refcount = cells(kernel.page_sort, 'rpage->_refcount', { max: 1 })
  kernel.cells.push(...rpage_refcount)

  function* dmirror_devmem_alloc_page(): Steps<Page | undefined> {
    const page = yield* step('dmirror_devmem_alloc_page', s => {
      const page = free_pages.pop(s)
      if (page) s.set(rpage_refcount[page.index]!, 1)
      return page
    })
    if (page) yield* zone_device_page_init(page)
    return page
  }

  function* dmirror_devmem_free(page: Page): Steps<void> {
    yield* kernel.protocol.before_file?.(page) ?? []
    yield* step('dmirror_devmem_free', s => {
      free_pages.push(s, page)
      s.warn(s.add(rpage_refcount[page.index]!, -1) !== 0, 'warn', '__free_page(rpage) does not free it')
    })
  }

  return device_private(kernel, {
    alloc_page: dmirror_devmem_alloc_page,
    page_free: dmirror_devmem_free,
    clear: free_pages.clear,
    evicts: kernel.protocol.pgmap_refs_per_page('PRIVATE') === 0,
  })
}
