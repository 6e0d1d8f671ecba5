// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Fast GUP of 2017 (4.12-rc). At that time each reference on a ZONE_DEVICE page came with one on its pagemap, and put_page() put
 * both. x86's own fast GUP took both; the generic one that replaced it for a while took only the page's.
 */
import { cell, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import { page_exists, page_ref_inc } from '../mm/page_ref.ts'
import type { Kernel } from '../types.ts'

export const gup_2017 = driver({
  name: 'gup_2017',
  type: 'GENERIC',
  protocols: ['A'],
  setup(kernel: Kernel) {
    const { pgmap, fixes } = kernel
    const page = pgmap.pages[0]!
    const percpu_ref = cell('percpu_ref', { max: 4, init: 1 })
    kernel.cells.push(percpu_ref)

    function* get_user_pages_fast(): Steps<void> {
      yield* step('gup_pte_range', s => {
        page_ref_inc(s, page)
        if (fixes.has('gup_takes_pgmap_ref')) s.add(percpu_ref, 1)
      })
      yield* put_zone_device_page()
    }

    function* put_zone_device_page(): Steps<void> {
      yield* step('put_zone_device_page', s => {
        page_exists(s, page)
        s.add(page._refcount, -1)
        s.add(percpu_ref, -1)
      })
    }

    function* unbind(): Steps<void> {
      yield* step('percpu_ref_kill', s => s.add(percpu_ref, -1))
      yield* step('wait_for_completion', s => s.wait(s.get(percpu_ref) === 0))
    }

    return {
      ops: {},
      roles: { gup: { body: get_user_pages_fast, times: 1 }, unbind: { body: unbind, times: 1 } },
      threads: { gup: 2, unbind: 1 },
    }
  },
})
