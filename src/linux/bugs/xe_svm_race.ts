// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drm/xe/svm: two devices populate one range. Each finds the other's pages in it, gets -EBUSY, evicts them and tries again.
 * A device maps the pages that it populates before it binds the range, and in between the other device may evict them.
 */
import { AGAIN, cell, repeat, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import type { Kernel } from '../types.ts'

const READERS_MAX = 2

export const xe_svm_race = driver({
  name: 'xe_svm_race',
  type: 'PRIVATE',
  protocols: ['G'],
  setup(kernel: Kernel) {
    const range = cell('range', { max: 2, show: v => ['in system memory', 'on device 0', 'on device 1'][v]! })
    const readers = cell('rwsem.readers', { max: READERS_MAX })
    const writer = cell('rwsem.writer', { max: 1 })
    kernel.cells.push(range, readers, writer)

    function* down_read(): Steps<void> {
      yield* step('down_read', s => {
        s.wait(s.get(writer) === 0)
        s.add(readers, 1)
      })
    }

    function* up_read(): Steps<void> {
      yield* step('up_read', s => s.add(readers, -1))
    }

    function* down_write(): Steps<void> {
      yield* step('down_write', s => {
        s.wait(s.get(writer) === 0)
        s.set(writer, 1)
      })
      yield* step('down_write acquired', s => s.wait(s.get(readers) === 0))
    }

    function* up_write(): Steps<void> {
      yield* step('up_write', s => s.set(writer, 0))
    }

    /** drm_pagemap_populate_mm(), then the check that the pages are still there when the range is bound. */
    function* populate_mm(device: number): Steps<boolean> {
      const mine = device + 1
      const populated = yield* step('drm_pagemap_populate_mm', s => {
        if (s.get(range) !== 0 && s.get(range) !== mine) return false
        s.set(range, mine)
        return true
      })
      return populated && (yield* step('xe_svm_range_bind', s => s.get(range) === mine))
    }

    function* evict(): Steps<void> {
      yield* step('drm_pagemap_evict_to_ram', s => s.set(range, 0))
    }

    function* retry(device: number): Steps<typeof AGAIN | undefined> {
      if (yield* populate_mm(device)) return undefined
      yield* evict()
      return AGAIN
    }

    function* xe_svm_alloc_vram(device: number): Steps<void> {
      if (!kernel.fixes.has('svm_serializes')) return yield* repeat(retry, device)
      yield* down_read()
      const done = yield* populate_mm(device)
      yield* up_read()
      if (done) return
      yield* down_write()
      yield* evict()
      yield* repeat(retry, device)
      yield* up_write()
    }

    return {
      ops: {},
      roles: { device: { body: xe_svm_alloc_vram, times: 1, finishes: true } },
      threads: { device: 2 },
    }
  },
})
