// SPDX-License-Identifier: GPL-2.0-or-later
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Gaps } from '../../src/ledger/track/lost-events.ts'

const time = fc.oneof(
  fc.integer({ min: 0, max: 30 }),
  fc.constantFrom(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY),
)

it('opens and ends gaps as their edges pass, in whatever order they are told', () => {
  const step = fc.oneof(fc.record({ gap: fc.tuple(time, time) }), fc.record({ pass: fc.integer({ min: 0, max: 30 }) }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const gaps = new Gaps()
      let edges: { time: number; opens: number }[] = []
      let [open, epoch] = [0, 0]
      for (const each of steps) {
        if ('gap' in each) {
          const [a, b] = each.gap
          const [from, to] = [Math.min(a, b), Math.max(a, b)]
          gaps.add({ cpu: 0, from, to, count: undefined })
          edges.push({ time: from, opens: 1 }, { time: to, opens: -1 })
        } else {
          gaps.pass(each.pass)
          const passed = edges.filter(edge => edge.time <= each.pass)
          edges = edges.filter(edge => edge.time > each.pass)
          open += passed.reduce((sum, edge) => sum + edge.opens, 0)
          epoch += passed.length
        }
        expect([gaps.open, gaps.epoch]).toEqual([open, epoch])
        expect(gaps.nextEdge).toBe(Math.min(Infinity, ...edges.map(edge => edge.time)))
      }
    }),
  )
})

it('takes as many gaps as a hostile file may tell of', () => {
  const gaps = new Gaps()
  for (let cpu = 0; cpu < 65_536; cpu++) {
    gaps.add({ cpu, from: Number.NEGATIVE_INFINITY, to: cpu, count: undefined })
    gaps.pass(cpu / 2)
  }
  expect(gaps.list).toHaveLength(65_536)
})
