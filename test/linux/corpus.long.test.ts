// SPDX-License-Identifier: GPL-2.0-or-later
// Every known bug is found in its broken form, by the step that makes the mechanism, and absent from the mended one.
import { describe, expect, test } from 'vitest'
import { bugs } from '../../src/linux/bugs/index.ts'
import { build, G, Simulator, verify } from '../../src/linux/index.ts'
import { test_hmm_large } from '../../src/linux/lib/test_hmm_large.ts'

/** The property that breaks, and the step that breaks it; for liveness the thread that never ends, for bounds the cell. */
const MECHANISMS: Readonly<Record<string, readonly [property: string, at: string]>> = {
  1: ['pagemap-gone', 'DMA'],
  2: ['bounds', 'percpu_ref would become -1 (0..4)'],
  3: ['touch-after-free', 'page->pgmap->ops->migrate_to_ram'],
  4: ['touch-after-free', 'set_page_count'],
  5: ['pagemap-gone', 'pageunmap_range'],
  6: ['finishes', 'fault[0] never ends'],
  7: ['finishes', 'fault[0] never ends'],
  8: ['finishes', 'migrate never ends'],
  9: ['touch-after-free', 'folio->pgmap'],
  10: ['finishes', 'unbind never ends'],
  11: ['get-on-free-page', 'migrate_vma_insert_page'],
  '11a': ['touch-after-free', 'free_zone_device_folio resets order and head'],
  '11b': ['count-mismatch', 'percpu_ref_put_many'],
  12: ['finishes', 'unbind never ends'],
  13: ['warn', 'set_page_count'],
  14: ['bounds', 'page[0]._refcount would become -1 (0..12)'],
  15: ['finishes', 'unbind never ends'],
  16: ['pagemap-gone', 'dpagemap->ops->destroy'],
  17: ['finishes', 'device[0] never ends'],
  18: ['finishes', 'unbind never ends'],
  19: ['finishes', 'fault never ends'],
  20: ['freed-in-use', 'svm_range_bo_unref_async'],
  21: ['deadlock', 'stuck: truncate in wait_page_idle: schedule'],
  22: ['finishes', 'unbind never ends'],
  23: ['touch-after-free', 'DMA'],
  24: ['pagemap-gone', 'get_dev_pagemap'],
  25: ['pagemap-gone', 'pfn_to_page'],
  26: ['warn', 'unlock_page'],
  28: ['bounds', 'page[0]._refcount would become -1 (0..12)'],
  27: ['use-after-close', 'dmirror = rpage->zone_device_data'],
  'new-1': ['touch-after-free', 'set_page_count'],
  'new-2': ['touch-after-free', 'set_page_count'],
  'new-3': ['touch-after-free', 'pvt = page->zone_device_data'],
  'new-4': ['pagemap-gone', 'DMA'],
  'new-5': ['touch-after-free', 'DMA'],
  'new-6': ['warn', 'device_remove'],
  'new-7': ['finishes', 'fault[0] never ends'],
  'new-8': ['deadlock', 'stuck: truncate in wait_page_idle: schedule'],
  'new-9': ['deadlock', 'stuck: unbind in wait_for_drain: wait_for_completion'],
  'new-10': ['deadlock', 'stuck: unbind in wait_for_drain: wait_for_completion'],
  'new-12': ['bounds', 'page[1]._refcount would become -1 (0..9)'],
  'new-11': ['use-after-close', 'dmirror = rpage->zone_device_data'],
}

test('every row has its mechanism written down', () => {
  expect(bugs.map(b => b.id).sort()).toEqual(Object.keys(MECHANISMS).sort())
})

describe.each(bugs.map(b => [b.id, b] as const))('bug %s', (id, bug) => {
  test('broken: the counterexample shows the mechanism', async () => {
    const { verdict } = await verify(bug.broken, { properties: bug.breaks })
    const [property, at] = MECHANISMS[id]!
    expect([verdict.verdict, verdict.property]).toEqual(['violated', property])
    const told = ['finishes', 'deadlock', 'bounds'].includes(property)
    expect(told ? verdict.message : verdict.counterexample?.at(-1)?.operation).toBe(at)
  })

  test('fixed: holds', async () => {
    const { verdict } = await verify(bug.fixed, { properties: bug.keeps })
    expect(`${verdict.verdict} ${verdict.property ?? ''} ${verdict.message ?? ''}`.trim()).toBe('holds')
  })
})

test('a page more than the large folio has is no half of another', async () => {
  const { verdict } = await verify({ driver: test_hmm_large, protocol: G, pages: 3 })
  expect(`${verdict.verdict} ${verdict.property ?? ''}`.trim()).toBe('holds')
})

test('a large folio is split, and each half comes back by itself', () => {
  const built = build({ driver: test_hmm_large, protocol: G, threads: { large: 1, split: 1 } })
  const simulator = new Simulator(built)
  for (const thread of ['large', 'split']) expect(simulator.finish(thread)).toBe(true)
  expect(simulator.violations).toEqual([])
  expect(
    simulator.events.filter(e => e.event === 'page_ref_mod_and_test' && e.ret === 1).map(e => e.pfn - 0x100000),
  ).toEqual([0, 1])
  expect([simulator.count(0), simulator.count(1), simulator.get(built.kernel.pgmap.ref)]).toEqual([0, 0, 1])
})

test.each(['tso', 'pso'] as const)('rows with plain stores say the same with store buffers: %s', async stores => {
  for (const id of ['3', '4', '9', '26', '28', 'new-1', 'new-2', 'new-3']) {
    const bug = bugs.find(b => b.id === id)!
    const broken = await verify({ ...bug.broken, stores }, { properties: bug.breaks })
    expect([id, broken.verdict.verdict, broken.verdict.property]).toEqual([id, 'violated', MECHANISMS[id]![0]])
    const fixed = await verify({ ...bug.fixed, stores }, { properties: bug.keeps })
    expect([id, fixed.verdict.verdict]).toEqual([id, 'holds'])
  }
})
