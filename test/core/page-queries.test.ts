// SPDX-License-Identifier: GPL-2.0-or-later
// Pagemaps in pieces: every page once, reserved ones told apart, and few pieces however long a damaged range is.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { piecesOf } from '../../src/core/page-queries.ts'

type Account = Parameters<typeof piecesOf>[0]['pagemaps'][number]

const range = fc.record({
  first: fc.nat(2 ** 30),
  pages: fc.integer({ min: 1, max: 2 ** 18 }),
  reserved: fc.nat(2 ** 17),
})
const accountOf = (ranges: { first: number; pages: number; reserved: number }[]) =>
  ({
    ranges: ranges.map(({ first, pages, reserved }) => ({
      first,
      end: first + pages,
      reserved: Math.min(pages, reserved),
    })),
  }) as unknown as Account

test('pieces put together are the ranges', () => {
  fc.assert(
    fc.property(fc.array(fc.array(range, { maxLength: 3 }), { maxLength: 3 }), lists => {
      const pagemaps = lists.map(accountOf)
      const joined: { pagemap: Account; first: number; end: number; reserved: number }[] = []
      for (const piece of piecesOf({ pagemaps })) {
        const last = joined.at(-1)
        const isNew = pagemaps.some(
          map => map === piece.pagemap && map.ranges.some(({ first }) => first === piece.first),
        )
        if (isNew || !last) joined.push({ ...piece })
        else {
          expect([piece.pagemap, piece.first]).toEqual([last.pagemap, last.end])
          // Reserved pages are at the beginning of a range.
          if (piece.reserved > 0) expect(last.reserved).toBe(last.end - last.first)
          last.end = piece.end
          last.reserved += piece.reserved
        }
      }
      expect(joined).toEqual(pagemaps.flatMap(pagemap => pagemap.ranges.map(each => ({ pagemap, ...each }))))
    }),
  )
})

test('a range of any length makes few pieces', () => {
  const damaged = accountOf([{ first: 0, pages: 2 ** 40, reserved: 0 }])
  const pieces = [...piecesOf({ pagemaps: [damaged, damaged] })]
  expect(pieces.length).toBeLessThan(5000)
  expect(pieces.reduce((sum, { first, end }) => sum + end - first, 0)).toBe(2 ** 41)
})
