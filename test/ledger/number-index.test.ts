// SPDX-License-Identifier: GPL-2.0-or-later
// The hash table of the tracker's columns, held against a Map.
import { expect, test } from 'vitest'
import { NumberIndex } from '../../src/ledger/track/number-index.ts'
import { random } from '../../testkit/random.ts'

test.each([1, 2, 3])('numbers of any size are found, and no others, seed %i', seed => {
  const r = random(seed)
  const index = new NumberIndex()
  const known = new Map<number, number>()
  for (let i = 0; i < 5000; i++) {
    const key = Math.floor(r() * 2 ** r.int(1, 53))
    expect(index.get(key)).toBe(known.get(key) ?? -1)
    if (known.has(key)) continue
    known.set(key, i)
    index.add(key, i)
  }
  expect(index.size).toBe(known.size)
  for (const [key, place] of known) expect(index.get(key)).toBe(place)
})
