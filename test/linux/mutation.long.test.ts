// SPDX-License-Identifier: GPL-2.0-or-later
// A few mutants of the model, one of each kind, are caught; `npm run mutate` tries hundreds.
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { allMutants, baseline, tryMutant } from '../mutation/harness.ts'
import { type Mutant, mutantsOf, sample } from '../mutation/mutants.ts'
import { reasonFor } from '../mutation/survivors.ts'

const root = join(import.meta.dirname, '../..')
const mutants = allMutants(root)
let expected: Record<string, string>

beforeAll(async () => {
  expected = await baseline(root)
  // A suite that fails by itself would fail for every mutant alike.
  expect(Object.entries(expected).filter(([, told]) => told.startsWith('error'))).toEqual([])
}, 400_000)

test.each([
  ['the pagemap reference is not given back', 'protocols/e.ts', 'drop', 'put_dev_pagemap'],
  ['two pagemap references for one page', 'protocols/g.ts', 'count', 'percpu_ref_tryget_many'],
  ['the fault forgets its put', 'mm/memory.ts', 'drop', 'call(put_page, found)'],
  ['the page is freed before its backing page', 'lib/test_hmm.ts', 'drop', 'free_pages.push'],
  ['the migration compares with another count', 'mm/migrate_device.ts', 'count', 'busy_base(page.pgmap) + 1'],
  ['a page goes to the pool without the pagemap reference', 'pci/p2pdma.ts', 'swap', 'gen_pool_free(page, live)'],
] as const)('%s', async (_, file, kind, before) => {
  const mutant = mutants.find(m => m.file.endsWith(file) && m.kind === kind && m.before.includes(before))
  expect(mutant, `no ${kind} of "${before}" in ${file}`).toBeDefined()
  const { caught } = await tryMutant(root, mutant as Mutant, expected)
  expect(caught).toBeTypeOf('string')
})

test('mutants are what they say', () => {
  const text = 'function* f() {\n  yield* a(1)\n  yield* b(x)\n}\n'
  const told = mutantsOf('f.ts', text).map(({ kind, line, source }) => [kind, line, source])
  expect(told).toEqual([
    ['drop', 2, 'function* f() {\n  yield* b(x)\n}\n'],
    ['swap', 2, 'function* f() {\n  yield* b(x)\n  yield* a(1)\n}\n'],
    ['count', 2, 'function* f() {\n  yield* a(2)\n  yield* b(x)\n}\n'],
    ['count', 2, 'function* f() {\n  yield* a(0)\n  yield* b(x)\n}\n'],
    ['drop', 3, 'function* f() {\n  yield* a(1)\n}\n'],
  ])
})

test('a seed chooses the same mutants, and there are enough to choose from', () => {
  expect(mutants.length).toBeGreaterThan(400)
  const names = (seed: number) => sample(mutants, 20, seed).map(m => `${m.file}:${m.line} ${m.after}`)
  expect(names(7)).toEqual(names(7))
  expect(names(7)).not.toEqual(names(8))
})

test('reasons are given to mutants that exist', () => {
  expect(mutants.filter(m => reasonFor(m)).length).toBeGreaterThan(3)
})
