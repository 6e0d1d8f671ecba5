// SPDX-License-Identifier: GPL-2.0-or-later
// The ledger's solvers against exhaustive search on small cases.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Costs, solve } from '../../src/ledger/matching.ts'
import type { Life, Reference } from '../../src/ledger/pairs.ts'
import type { OrderedEvent } from '../../src/ledger/track/lifetime-event.ts'
import { linearize } from '../../src/ledger/track/linearize.ts'
import type { Limits } from '../../src/ledger/track/op-semantics.ts'
import { Op } from '../../src/trace/events.ts'
import { byPage, type HistoryOptions, history, historyOptions, type TrueRow } from '../support/histories.ts'
import { CLOCK_SLACK, consistentOrders, costOf, leastCost } from '../support/oracle.ts'
import { random } from '../support/random.ts'

const MAX_EVENTS = 7

/** Gets and puts in any order; positions tell them apart. */
const lives: fc.Arbitrary<Life> = fc
  .array(
    fc.record({
      isGet: fc.boolean(),
      units: fc.constantFrom(1, 1, 1, 2),
      signature: fc.nat(2),
      task: fc.nat(1),
      mapped: fc.boolean(),
    }),
    {
      minLength: 1,
      maxLength: MAX_EVENTS,
    },
  )
  .map(events => {
    const life: Life = { gets: [], puts: [] }
    events.forEach(({ isGet, ...reference }, i) => {
      // A life may begin with references from before the recording.
      const position = i === 0 && isGet && reference.units === 2 ? -1 : i
      ;(isGet ? life.gets : life.puts).push({ ...reference, position })
    })
    return life
  })

/** Any costs, by signature, as learning could have left them. */
const someCosts = fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 15, maxLength: 15 }).map(
  (bits): Costs => ({
    cost: (get, put) => bits[get.signature * 3 + put.signature]! + (get.task === put.task ? 0 : 1),
    costUnmatchedGet: get => bits[9 + get.signature]!,
    costUnmatchedPut: put => bits[12 + put.signature]!,
  }),
)

/** The solver counts in 1/1024 bit. */
const ROUNDING = (MAX_EVENTS * 2) / 1024

test('the matching of a life costs as little as the best of all matchings', () => {
  fc.assert(
    fc.property(lives, someCosts, fc.boolean(), (life, costs, someMustGo) => {
      const mayStay = (get: Reference) => !someMustGo || get.signature !== 0
      const { matches, unmatchedGets, unmatchedPuts, cost } = solve(life, costs, mayStay)
      const least = leastCost(life, costs, mayStay)
      const left = (side: Reference[], which: 'get' | 'put') =>
        side.map((reference, i) => reference.units - matches.reduce((n, m) => n + (m[which] === i ? m.units : 0), 0))
      expect(unmatchedGets).toEqual(left(life.gets, 'get'))
      expect(unmatchedPuts).toEqual(left(life.puts, 'put'))
      if (least === Number.POSITIVE_INFINITY) return
      expect(Math.abs(costOf(life, costs, matches) - least)).toBeLessThan(ROUNDING)
      expect(Math.abs(cost - least)).toBeLessThan(ROUNDING)
    }),
    { numRuns: 3000 },
  )
})

const LIMITS: Limits[] = [
  { getFrom: 0, putTo: 0, setOn: undefined },
  { getFrom: 1, putTo: 0, setOn: 0 },
  { getFrom: 1, putTo: 1, setOn: 1 },
]

/** What order search must do with any few events: find an order if there is one, and never another. */
function checkSettle(start: number, events: OrderedEvent[], limits: Limits, young = Infinity): 'some' | 'none' {
  const all = consistentOrders(start, events, limits, young)
  const found = linearize(start, events, limits, young)
  if (all.length === 0) expect(found).toBeUndefined()
  else expect(all).toContainEqual(found?.map(event => events.indexOf(event)))
  return all.length > 0 ? 'some' : 'none'
}

const operations = fc.oneof(
  fc.record({ op: fc.constant(Op.MOD), val: fc.constantFrom(1, -1, 2), ret: fc.constant(0) }),
  fc.record({ op: fc.constant(Op.MOD_AND_TEST), val: fc.constantFrom(-1, -2), ret: fc.nat(1) }),
  fc.record({ op: fc.constant(Op.MOD_AND_RETURN), val: fc.constantFrom(1, -1), ret: fc.nat(3) }),
  fc.record({ op: fc.constant(Op.MOD_UNLESS), val: fc.constant(1), ret: fc.nat(1) }),
  fc.record({ op: fc.constant(Op.SET), val: fc.nat(1), ret: fc.constant(0) }),
  fc.record({ op: fc.constantFrom(Op.FREEZE, Op.UNFREEZE), val: fc.integer({ min: 1, max: 3 }), ret: fc.nat(1) }),
)

const anyEvents = fc
  .array(
    fc.record({ gap: fc.nat(2 * CLOCK_SLACK), delay: fc.nat(8 * CLOCK_SLACK), pid: fc.nat(2), what: operations }),
    { maxLength: 6 },
  )
  .map(list => {
    let time = 0
    return list.map(({ gap, delay, pid, what }): OrderedEvent => {
      time += gap
      return { ...what, time, since: time - delay, pid, cpu: pid }
    })
  })

test('any few events are brought into an order that contradicts nothing, or into none if there is none', () => {
  const seen = { some: 0, none: 0 }
  fc.assert(
    fc.property(fc.nat(3), anyEvents, fc.constantFrom(...LIMITS), fc.nat(6), (start, events, limits, at) => {
      seen[checkSettle(start, events, limits, events[at]?.time)]++
    }),
    { numRuns: 5000, seed: 1 },
  )
  expect(seen.some).toBeGreaterThan(500)
  expect(seen.none).toBeGreaterThan(500)
})

/** With the stamp that each operation surely followed: the one before on its CPU. */
function withSince(rows: readonly TrueRow[]): (TrueRow & OrderedEvent)[] {
  const last = new Map<number, number>()
  return rows.map(row => {
    const since = last.get(row.cpu) ?? Number.NEGATIVE_INFINITY
    last.set(row.cpu, row.time)
    return { ...row, since }
  })
}

test('events of a real execution, stamped in another order, are brought into one that explains them', () => {
  const check = (options: HistoryOptions) => {
    const r = random(options.seed)
    for (const rows of byPage(withSince(history({ ...options, window: 'long' }).rows))) {
      if (rows.length < 2) continue
      const from = r.int(0, rows.length - 2)
      const some = rows.slice(from, from + MAX_EVENTS)
      const before = rows.slice(0, from)
      // A cut through the stamps is one through the operations only where no event crosses it.
      const times = some.map(row => row.opTime)
      if (before.some(row => row.opTime > Math.min(...times))) continue
      if (rows.slice(from + MAX_EVENTS).some(row => row.opTime < Math.max(...times))) continue
      const start = before.sort((a, b) => a.opTime - b.opTime || a.sequence - b.sequence).at(-1)?.after ?? 0
      expect(checkSettle(start, some, { getFrom: 0, putTo: 0, setOn: undefined })).toBe('some')
    }
  }
  fc.assert(fc.property(historyOptions({ cpus: fc.integer({ min: 2, max: 4 }) }), check), { numRuns: 300 })
})
