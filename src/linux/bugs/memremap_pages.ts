// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Insertion into and removal from pgmap_array, where get_dev_pagemap() finds a pagemap by pfn. memremap_pages() inserts the
 * pagemap before its struct pages exist, and memunmap_pages() once destroyed the percpu ref before it removed the pagemap. A
 * lookup by pfn alone, as by memory_failure(), may come at any time.
 */
import { cell, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import type { Kernel } from '../types.ts'

export const pgmap_array = driver({
  name: 'pgmap_array',
  type: 'GENERIC',
  protocols: ['A', 'G'],
  setup({ cells, fixes, threads }: Kernel) {
    const found = cell('pgmap_array', { max: 1, show: v => (v ? 'has it' : 'empty') })
    const vmemmap = cell('vmemmap', { max: 1, show: v => (v ? 'there' : 'none') })
    const REFS = ['none', 'live', 'killed', 'exited']
    const state = cell('pgmap->ref', { max: 3, show: v => REFS[v]! })
    const refs = cell('references', { max: threads })
    cells.push(found, vmemmap, state, refs)

    function* memremap_pages(): Steps<void> {
      yield* step('percpu_ref_init', s => s.set(state, 1))
      const publish = step('xa_store_range', s => s.set(found, 1))
      const populate = step('arch_add_memory', s => s.set(vmemmap, 1))
      yield* fixes.has('pagemap_published_last') ? populate : publish
      yield* fixes.has('pagemap_published_last') ? publish : populate
    }

    function* memunmap_pages(): Steps<void> {
      yield* step('percpu_ref_kill', s => s.set(state, 2))
      yield* step('wait_for_completion', s => s.wait(s.get(refs) === 0))
      if (!fixes.has('ref_exits_last')) yield* percpu_ref_exit()
      yield* step('arch_remove_memory', s => s.set(vmemmap, 0))
      yield* step('pgmap_array_delete', s => s.set(found, 0))
      if (fixes.has('ref_exits_last')) yield* percpu_ref_exit()
    }

    function* percpu_ref_exit(): Steps<void> {
      yield* step('percpu_ref_exit', s => s.set(state, 3))
    }

    /** The lookup is one step, because it is under rcu_read_lock(), for which pgmap_array_delete() waits. */
    function* memory_failure(): Steps<void> {
      const got = yield* step('get_dev_pagemap', s => {
        if (s.get(found) === 0) return false
        if (s.get(state) === 3) s.fail('pagemap-gone', 'percpu_ref_tryget_live() after percpu_ref_exit()')
        if (s.get(state) !== 1) return false
        s.add(refs, 1)
        return true
      })
      if (!got) return
      yield* step('pfn_to_page', s => {
        if (s.get(vmemmap) === 0) s.fail('pagemap-gone', 'a struct page is used that does not exist yet')
      })
      yield* step('put_dev_pagemap', s => s.add(refs, -1))
    }

    function* probe_and_remove(): Steps<void> {
      yield* memremap_pages()
      yield* memunmap_pages()
    }

    return {
      ops: {},
      roles: {
        device: { body: probe_and_remove, times: 1, finishes: true },
        'memory-failure': { body: memory_failure, times: 2 },
      },
      threads: { device: 1, 'memory-failure': 1 },
    }
  },
})
