// SPDX-License-Identifier: GPL-2.0-or-later
// A kernel as it was released has not what was merged later: changes go by version, protocols by theirs.
import { expect, test } from 'vitest'
import { A, build, D, drivers, E, F, type Fix, fixes, G, type Protocol, verify } from '../../src/linux/index.ts'
import { merged_after, merged_fixes } from '../../src/linux/scenario/fixes.ts'

const p2pdma = drivers.find(d => d.name === 'p2pdma')!
const has = (protocol: Protocol, fix: Fix) =>
  build({ driver: p2pdma, protocol, as_released: true }).kernel.fixes.has(fix)

test.each([
  [A, ['wait_takes_no_reference', 'gup_gives_pgmap_back'], ['fault_takes_reference', 'unpin_wakes']],
  [D, ['unpin_wakes', 'wait_takes_no_reference'], ['fault_takes_reference', 'layout_break_sees_unmapped']],
  [E, ['fault_takes_reference'], ['fault_trylocks', 'layout_break_sees_unmapped']],
  [F, ['fault_trylocks', 'layout_break_sees_unmapped'], ['p2pdma_error_puts_ref', 'p2pdma_error_resets_count']],
  [G, ['fault_trylocks', 'p2pdma_error_resets_count', 'p2pdma_error_puts_ref'], []],
] as const)('$id', (protocol, with_, without) => {
  expect(with_.filter(fix => !has(protocol, fix))).toEqual([])
  expect(without.filter(fix => has(protocol, fix))).toEqual([])
})

test('nothing is later than the last release, and of each release something is later', () => {
  expect(merged_after('7.3')).toEqual([])
  expect(merged_after('6.9')).toEqual(merged_after('6.14'))
  expect(merged_after('6.14')).toContain('fault_trylocks')
  for (const fix of merged_fixes) expect(fixes[fix].since ?? '6.0').toMatch(/^\d+\.\d+$/)
})

test('P2PDMA under F: as released it warns of each page, with what came later only the order of its error path is wrong', async () => {
  const of = { driver: p2pdma, protocol: F, pages: 1, vas: 1, threads: { mmap: 1, unbind: 1 } }
  const released = await verify({ ...of, as_released: true }, { properties: ['warn'] })
  expect([released.verdict.verdict, released.verdict.property]).toEqual(['violated', 'warn'])
  const stuck = await verify({ ...of, as_released: true }, { properties: ['deadlock'] })
  expect(stuck.verdict.verdict).toBe('violated')
  expect((await verify(of)).verdict.verdict).toBe('holds')
})
