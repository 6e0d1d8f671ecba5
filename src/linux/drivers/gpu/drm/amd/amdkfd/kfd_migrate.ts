// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drivers/gpu/drm/amd/amdkfd/kfd_migrate.c: VRAM belongs to buffer objects, and a page in use holds its `svm_bo`. page_free()
 * drops that reference; the last one has a worker give the VRAM back. One page per buffer object here; the range's own
 * reference, which only delays the worker, is left out.
 */
import { cells, type Steps, step } from '../../../../../../engine/index.ts'
import { device_private } from '../../../../../device_private.ts'
import { driver } from '../../../../../driver.ts'
import { zone_device_page_init } from '../../../../../mm/memremap.ts'
import { file_free, hand_out } from '../../../../../page_list.ts'
import type { Kernel, Page } from '../../../../../types.ts'

const FREE = 0
const USED = 1
const RELEASE_QUEUED = 2

export default driver({
  name: 'kfd_migrate',
  type: 'PRIVATE',
  protocols: ['A', 'D', 'E', 'F', 'G'],
  setup(kernel: Kernel) {
    const { pages } = kernel.pgmap
    const vram = cells(kernel.page_sort, 'svm_bo', {
      max: RELEASE_QUEUED,
      show: v => ['free', 'used', 'release queued'][v]!,
    })
    kernel.cells.push(...vram)

    function* svm_migrate_get_vram_page(): Steps<Page | undefined> {
      const page = yield* step('svm_range_vram_node_new', s => {
        const free = pages.filter(p => s.get(vram[p.index]!) === FREE)
        if (free.length === 0) return undefined
        const page = free[s.choose(free.length)]!
        s.set(vram[page.index]!, USED)
        hand_out(s, page)
        return page
      })
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function* svm_migrate_page_free(page: Page): Steps<void> {
      yield* kernel.protocol.before_file?.(page) ?? []
      yield* step('svm_range_bo_unref_async', s => {
        file_free(s, page)
        s.set(vram[page.index]!, RELEASE_QUEUED)
      })
    }

    function* svm_range_bo_wq_release(): Steps<void> {
      yield* step('svm_range_bo_release', s => {
        const queued = pages.filter(p => s.get(vram[p.index]!) === RELEASE_QUEUED)
        s.wait(queued.length > 0)
        s.set(vram[queued[s.choose(queued.length)]!.index]!, FREE)
      })
    }

    const parts = device_private(kernel, {
      alloc_page: svm_migrate_get_vram_page,
      page_free: svm_migrate_page_free,
      clear: s => {
        for (const v of vram) s.set(v, USED)
      },
      evicts: false,
    })
    return {
      ...parts,
      roles: { ...parts.roles, worker: { body: svm_range_bo_wq_release, daemon: true } },
      threads: { ...parts.threads, worker: 1 },
      scenarios: Object.fromEntries(
        Object.entries(parts.scenarios ?? {}).map(([name, threads]) => [name, { ...threads, worker: 1 }]),
      ),
    }
  },
})
