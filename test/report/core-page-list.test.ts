// SPDX-License-Identifier: GPL-2.0-or-later
// A list of pages that are alike is that of the pages one by one, wherever their numbers become a digit longer.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PageView } from '../../src/core/mm/page-layout.ts'
import type { PageFacts } from '../../src/core/page-queries.ts'
import { PAGE_COLUMNS, pageRow } from '../../src/report/core-page.ts'
import { PageList } from '../../src/report/core-page-list.ts'

const SIZE = 64

/** A page of a memory map at `base`, as a visit has it. */
function page(pfn: number, base: bigint, isTail: boolean, state: PageFacts['state']): PageFacts {
  const view = Object.assign(new PageView(), { pfn, head: isTail ? 0 : pfn, layout: { size: SIZE } })
  return {
    view,
    get address() {
      return base + BigInt(view.pfn) * BigInt(SIZE)
    },
    pagemap: undefined,
    state,
    flagNames: [],
  }
}

/** Numbers near those that have a digit more. */
const near = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: -200, max: 20 }))
  .map(([digits, by]) => Math.max(1, 16 ** digits + by))

const group = fc.record({
  pfn: near,
  base: fc.oneof(fc.constant(0xffffea0000000000n), fc.constant(0n), fc.bigInt(0n, 1n << 40n)),
  pages: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 9000 })),
  isTail: fc.boolean(),
  state: fc.constantFrom<PageFacts['state']>('idle', 'not a device page'),
})

test('rows one by one', () => {
  fc.assert(
    fc.property(fc.array(group, { maxLength: 6 }), groups => {
      const pieces: Uint8Array[] = []
      const list = new PageList(bytes => pieces.push(bytes.slice()))
      const rows = [PAGE_COLUMNS]
      for (const { pfn, base, pages, isTail, state } of groups) {
        const one = page(pfn, base, isTail, state)
        for (let i = 0; i < pages; i++, one.view.skip(1)) rows.push(pageRow(one))
        list.add(page(pfn, base, isTail, state), pages)
      }
      list.end()
      expect(Buffer.concat(pieces).toString()).toBe(`${rows.join('\n')}\n`)
    }),
    { numRuns: 60 },
  )
})
