// SPDX-License-Identifier: GPL-2.0-or-later
/** drivers/gpu/drm/nouveau/nouveau_dmem.c: VRAM of one chunk, with a count of the pages it has handed out. */
import { cell, type Shared, type Steps, step } from '../../../../../checker/index.ts'
import { device_private } from '../../../../device_private.ts'
import { driver } from '../../../../driver.ts'
import { zone_device_page_init } from '../../../../mm/memremap.ts'
import { page_list } from '../../../../page_list.ts'
import type { Kernel, Page } from '../../../../types.ts'

export default driver({
  name: 'nouveau_dmem',
  type: 'PRIVATE',
  protocols: ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G'],
  setup(kernel: Kernel) {
    const free_pages = page_list(kernel)
    const callocated = cell('chunk->callocated', { max: kernel.pgmap.pages.length })
    kernel.cells.push(callocated)

    function* nouveau_dmem_page_alloc_locked(): Steps<Page | undefined> {
      const page = yield* step('nouveau_dmem_page_alloc_locked', s => {
        const page = free_pages.pop(s)
        if (page) s.add(callocated, 1)
        return page
      })
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function* nouveau_dmem_page_free(page: Page): Steps<void> {
      yield* kernel.protocol.before_file?.(page) ?? []
      yield* step('nouveau_dmem_page_free', s => {
        free_pages.push(s, page)
        s.warn(s.get(callocated) === 0, 'warn', 'WARN_ON(!chunk->callocated)')
        s.add(callocated, -1)
      })
    }

    function warn_if_allocated(s: Shared): void {
      s.warn(s.get(callocated) !== 0, 'warn', 'WARN_ON(chunk->callocated) in nouveau_dmem_fini()')
    }

    return device_private(kernel, {
      alloc_page: nouveau_dmem_page_alloc_locked,
      page_free: nouveau_dmem_page_free,
      clear: free_pages.clear,
      evicts: kernel.protocol.pgmap_refs_per_page('PRIVATE') === 0,
      // nouveau_dmem_fini() assumes that eviction left no page in use (6.1 and later).
      ...(kernel.fixes.has('nouveau_waits_for_pages') ? {} : { after_eviction: warn_if_allocated }),
    })
  },
})
