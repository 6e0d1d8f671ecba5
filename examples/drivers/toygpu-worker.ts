// SPDX-License-Identifier: GPL-2.0-or-later
/** The tutorial's driver with a thread of its own: page_free() leaves a page dirty, and a worker clears it before it is handed out again. */

import type { Kernel, Page, Shared } from 'lastput/linux'
import {
  cells,
  device_private,
  driver,
  file_free,
  hand_out,
  type Steps,
  step,
  zone_device_page_init,
} from 'lastput/linux'

const [CLEAN, USED, DIRTY, GONE] = [0, 1, 2, 3]
const NAMES = ['clean', 'used', 'dirty', 'gone']

export default driver({
  name: 'toygpu-worker',
  type: 'PRIVATE',
  protocols: ['E', 'F', 'G'],
  setup(kernel: Kernel) {
    const { pages } = kernel.pgmap
    const state = cells(kernel.page_sort, 'state', { max: GONE, show: v => NAMES[v]! })
    kernel.cells.push(...state)
    const pages_in = (s: Shared, wanted: number) => pages.filter(p => s.get(state[p.index]!) === wanted)

    function* toygpu_alloc_page(): Steps<Page | undefined> {
      const page = yield* step('toygpu_alloc_page', s => {
        const clean = pages_in(s, CLEAN)
        if (clean.length === 0) return undefined
        const page = clean[s.choose(clean.length)]!
        s.set(state[page.index]!, USED)
        hand_out(s, page)
        return page
      })
      if (page) yield* zone_device_page_init(page)
      return page
    }

    function* toygpu_page_free(page: Page): Steps<void> {
      yield* step('queue_work', s => {
        file_free(s, page)
        if (s.get(state[page.index]!) === USED) s.set(state[page.index]!, DIRTY)
      })
    }

    function* toygpu_clear_work(): Steps<void> {
      yield* step('toygpu_clear_page', s => {
        const dirty = pages_in(s, DIRTY)
        s.wait(dirty.length > 0)
        s.set(state[dirty[s.choose(dirty.length)]!.index]!, CLEAN)
      })
    }

    return device_private(kernel, {
      alloc_page: toygpu_alloc_page,
      page_free: toygpu_page_free,
      clear: s => {
        for (const page of pages) s.set(state[page.index]!, GONE)
      },
      evicts: true,
      threads: { worker: { about: 'clears pages that were freed', body: toygpu_clear_work, daemon: true } },
    })
  },
})
