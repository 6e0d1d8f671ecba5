// SPDX-License-Identifier: GPL-2.0-or-later
// The map of a dump's pages: segments, rows and strips against what each page says by itself.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CoreFinding } from '../../src/core/finding.ts'
import { MOST_SHOWN_BYTES, tooLargeToShow } from '../../src/report/core-words.ts'
import { type CorePagemap, readCore } from '../../web/src/core/document.ts'
import { COLUMNS, Grid } from '../../web/src/core/grid.ts'
import { type Segments, type SHADES, segmentsOf, shadeNumber } from '../../web/src/core/segments.ts'
import { worstOf } from '../../web/src/core/strip.ts'

const STATES = ['idle', 'busy', 'impossible', 'unknown', 'absent', 'reserved'] as const
const KINDS = ['leaked', 'count-mismatch', 'impossible-state', 'held', 'teardown-waits'] as const

const SHADE_OF: Record<string, string> = {
  absent: 'not in the dump',
  'impossible-state': 'impossible',
}

interface Made {
  map: CorePagemap
  findings: CoreFinding[]
  /** The shade that each page must have. */
  truth: Map<number, number>
}

/** Ranges that do not touch, with runs (some left out) and findings on some pages. */
const made = fc
  .record({
    start: fc.nat(300),
    ranges: fc.array(
      fc.record({
        gap: fc.integer({ min: 0, max: 200 }),
        runs: fc.array(
          fc.record({ pages: fc.integer({ min: 1, max: 700 }), state: fc.constantFrom(...STATES, undefined) }),
          { minLength: 1, maxLength: 6 },
        ),
      }),
      { maxLength: 4 },
    ),
    found: fc.array(
      fc.record({ at: fc.nat(4000), pages: fc.integer({ min: 1, max: 40 }), kind: fc.constantFrom(...KINDS) }),
      {
        maxLength: 5,
      },
    ),
  })
  .map(({ start, ranges, found }): Made => {
    const truth = new Map<number, number>()
    const map = { ranges: [], runs: [] } as unknown as CorePagemap
    let at = start
    for (const { gap, runs } of ranges) {
      at += gap
      const first = at
      for (const { pages, state } of runs) {
        if (state) map.runs.push({ first: at, end: at + pages, kind: { state } })
        for (let pfn = at; pfn < at + pages; pfn++)
          truth.set(pfn, shadeNumber((SHADE_OF[state ?? ''] ?? state) as (typeof SHADES)[number] | undefined))
        at += pages
      }
      map.ranges.push({ first, end: at })
    }
    const findings: CoreFinding[] = []
    const taken = new Set<number>()
    for (const { at: first, pages, kind } of found) {
      const range = { first, end: first + pages }
      const own = Array.from({ length: pages }, (_, i) => first + i)
      // A page has one finding of its own.
      if (own.some(pfn => taken.has(pfn))) continue
      for (const pfn of own) taken.add(pfn)
      findings.push({ kind, pages: [range] } as unknown as CoreFinding)
      if (kind === 'held' || kind === 'teardown-waits') continue
      const shade = shadeNumber((SHADE_OF[kind] ?? kind) as (typeof SHADES)[number])
      for (const pfn of own) if (truth.has(pfn)) truth.set(pfn, shade)
    }
    return { map, findings, truth }
  })

function shadesOf(segments: Segments): Map<number, number> {
  const all = new Map<number, number>()
  for (let i = 0; i < segments.length; i++)
    for (let pfn = segments.first[i]!; pfn < segments.end[i]!; pfn++) all.set(pfn, segments.shade[i]!)
  return all
}

test('every page has the colour of its finding, or of its state, and no page outside the ranges has one', () => {
  fc.assert(
    fc.property(made, ({ map, findings, truth }) => {
      const segments = segmentsOf(map, findings)
      expect([...shadesOf(segments)]).toEqual([...truth])
      for (const [pfn, shade] of truth) expect(segments.shadeAt(pfn)).toBe(shade)
      // None that could be joined with the next.
      for (let i = 1; i < segments.length; i++)
        expect(segments.end[i - 1] === segments.first[i] && segments.shade[i - 1] === segments.shade[i]).toBe(false)
    }),
  )
})

test('rows have every page once, in order, and fold only what is of one colour', () => {
  fc.assert(
    fc.property(made, made, (one, two) => {
      const pagemaps = [one.map, two.map]
      const segments = [segmentsOf(one.map, one.findings), segmentsOf(two.map, two.findings)]
      const grid = new Grid(pagemaps, segments)
      for (const [i, { truth }] of [one, two].entries()) {
        const pages: number[] = []
        let headings = 0
        for (let row = 0; row < grid.length; row++) {
          if (grid.pagemap[row] !== i) continue
          if (grid.base[row] === -1) {
            headings++
            continue
          }
          expect(grid.base[row]! % COLUMNS).toBe(0)
          expect(grid.from[row]).toBeGreaterThanOrEqual(grid.base[row]!)
          const own = Array.from({ length: grid.end[row]! - grid.from[row]! }, (_, k) => grid.from[row]! + k)
          if (grid.isFolded(row)) expect(new Set(own.map(pfn => truth.get(pfn))).size).toBe(1)
          for (const pfn of own) expect(grid.rowOf(pfn, i)).toBe(row)
          pages.push(...own)
        }
        expect(headings).toBe(1)
        expect(pages).toEqual([...truth.keys()])
        expect(grid.rowOf((pages.at(-1) ?? 0) + 1, i)).toBe(-1)
      }
    }),
    { numRuns: 60 },
  )
})

test('a strip shows the worst of the pages that share a pixel', () => {
  fc.assert(
    fc.property(made, fc.integer({ min: 1, max: 97 }), ({ map, findings, truth }, width) => {
      const shades = [...truth.values()]
      const drawn = worstOf(map.ranges, segmentsOf(map, findings), width)
      const naive = new Uint8Array(width)
      shades.forEach((shade, i) => {
        const last = Math.min(width - 1, Math.ceil(((i + 1) / shades.length) * width) - 1)
        for (let x = Math.floor((i / shades.length) * width); x <= last; x++) naive[x] = Math.max(naive[x]!, shade)
      })
      expect([...drawn]).toEqual([...naive])
    }),
  )
})

test('16 million idle pages are one row', () => {
  const map = { ranges: [{ first: 1 << 20, end: 1 << 24 }], runs: [] as CorePagemap['runs'] } as CorePagemap
  map.runs.push({ first: 1 << 20, end: 1 << 24, kind: { state: 'idle' } })
  const grid = new Grid([map], [segmentsOf(map, [])])
  expect(grid.length).toBe(2)
})

test('what is no JSON of lastput core is refused in words, whatever it holds', () => {
  const source = { file: 'a', format: 'ELF', kernel: 'k', arch: 'x86_64', foundBy: 'b', damage: [] }
  const good = { complete: true, reasons: [], source, pagemaps: [], findings: [], notes: [] }
  expect(readCore(good).source.file).toBe('a')
  for (const bad of [
    {},
    { ...good, pagemaps: 1 },
    { ...good, pagemaps: [{}] },
    { ...good, findings: [null] },
    { ...good, source: { ...source, file: 7 } },
    { ...good, findings: [{ kind: 'leaked', certainty: 'likely', pfn: '0xg', pages: [], holders: [], evidence: [] }] },
  ])
    expect(() => readCore(bad)).toThrow('expected lastput.core/1 with source, pagemaps and findings')
})

test('a dump that is too large for a page is told what to run instead', () => {
  expect(tooLargeToShow('vmcore', MOST_SHOWN_BYTES)).toBeUndefined()
  expect(tooLargeToShow('vm\u202ecore', MOST_SHOWN_BYTES + 1)).toContain(
    '"lastput core vm\\u202ecore --html report.html"',
  )
})
