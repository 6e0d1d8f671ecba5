// SPDX-License-Identifier: GPL-2.0-or-later
// Runs of pages that are alike say of each page what was said of it, whatever stands beside it.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PageView } from '../../src/core/mm/page-layout.ts'
import { MOST_RUNS, PageRuns } from '../../src/core/mm/page-runs.ts'

const unit = fc.record({
  /** Pages of the folio. */
  pages: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 5 })),
  count: fc.integer({ min: 0, max: 1 }),
  flags: fc.integer({ min: 0, max: 1 }),
  /** Pages before it that are in no range, or not in the dump; so many tails at its end come behind a page that is absent. */
  gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 })),
  absent: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 })),
  behind: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 })),
})

test('each page has its state, its count and its flags, and is in one run', () => {
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 40 }), units => {
      const runs = new PageRuns({ runs: MOST_RUNS })
      const truth = new Map<number, string>()
      const page = new PageView()
      let pfn = 0
      const absent = (pages: number) => {
        if (pages > 0) runs.without('absent', pfn, pfn + pages)
        for (; pages > 0; pages--) truth.set(pfn++, 'absent 0 0')
      }
      for (const { pages, count, flags, gap, absent: before, behind } of units) {
        pfn += gap
        absent(before)
        const state = count > 0 ? 'busy' : 'idle'
        runs.head(Object.assign(page, { pfn, count, mapcount: -1, flagsLow: flags, flagsHigh: 0 }), state)
        truth.set(pfn++, `${state} ${count} ${flags}`)
        for (let i = 1; i < pages; i++) {
          if (i === pages - behind) absent(1)
          runs.tails(pfn, 1)
          truth.set(pfn++, `${state} ${count} ${flags}`)
        }
      }
      runs.finish(false)
      const told = new Map<number, string>()
      for (let row = 0; row < runs.length; row++) {
        const { state, count, flagsLow, folio } = runs.kinds[runs.kind[row]!]!
        expect(runs.pages[row]! % folio).toBe(0)
        // None that could be one with the run before.
        const isNext = row > 0 && runs.first[row - 1]! + runs.pages[row - 1]! === runs.first[row]
        expect(isNext && state !== 'absent' && runs.kind[row - 1] === runs.kind[row]).toBe(false)
        for (let at = runs.first[row]!; at < runs.first[row]! + runs.pages[row]!; at++) {
          expect(told.has(at)).toBe(false)
          told.set(at, `${state} ${count} ${flagsLow}`)
        }
      }
      expect([...told]).toEqual([...truth])
    }),
  )
})
