// SPDX-License-Identifier: GPL-2.0-or-later
// Which call sites free pages early: those whose lifetimes are mostly followed by something impossible.
import { describe, expect, it } from 'vitest'
import { spoilers } from '../../src/ledger/learn/spoilers.ts'
import { type LifetimeCounts, unitKey } from '../../src/ledger/track/unit-key.ts'

/** Call sites: one that takes, one that gives back, and one that does so seldom. */
const [GET, PUT, ABORT] = [1, 2, 3]
const sites = { depth: 1, at: (signature: number) => signature, related: () => false }

const kind = (...puts: number[]) => new Set([unitKey(GET, 1), ...puts.map(put => unitKey(put, -1))])

/** Returns who is one, of so many lifetimes in which the job was aborted and not, and so many of them before something impossible. */
function found(lifetimes: [aborted: number, others: number], before: [aborted: number, others: number]): number[] {
  const kinds = [kind(PUT, ABORT), kind(PUT)]
  const counts: LifetimeCounts = {
    size: 2,
    forEach: each => {
      kinds.forEach((keys, i) => {
        each(new Map([...keys].map(key => [key, 1])), lifetimes[i]!)
      })
    },
  }
  const all = kinds.flatMap((keys, i) => Array.from({ length: before[i]! }, () => keys))
  return [...spoilers(counts, sites, all)]
}

describe('a call site that puts frees pages early', () => {
  it('if something impossible follows half of its lifetimes, and few others', () => {
    expect(found([6, 400], [3, 2])).toEqual([ABORT])
  })

  it.each([
    ['follows once, as it may by chance', [1, 400], [1, 0]],
    ['follows fewer than half', [7, 400], [3, 2]],
    ['follows other lifetimes nearly as often', [6, 40], [3, 8]],
    ['never happens', [6, 400], [0, 0]],
  ] as const)('but not if something impossible %s', (_, lifetimes, before) => {
    expect(found([...lifetimes], [...before])).toEqual([])
  })
})
