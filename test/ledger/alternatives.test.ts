// SPDX-License-Identifier: GPL-2.0-or-later
// Which gets may have taken a reference that is out, which puts may have given it back, and which tasks may still have it.
import { describe, expect, test } from 'vitest'
import { CallSites } from '../../src/ledger/callsites/call-sites.ts'
import { narrowed, withoutVisits } from '../../src/ledger/diagnose/alternatives.ts'
import {
  holderFacts,
  type LawTraffic,
  NO_TRAFFIC,
  type Pair,
  TrafficCollector,
} from '../../src/ledger/diagnose/law-traffic.ts'
import { Overtaking } from '../../src/ledger/diagnose/overtaking.ts'
import { pairReferences } from '../../src/ledger/diagnose/references.ts'
import { WaysBack } from '../../src/ledger/diagnose/ways-back.ts'
import { LawBook, NO_LAW } from '../../src/ledger/learn/law-book.ts'
import type { LifetimeEvent } from '../../src/ledger/track/lifetime-event.ts'
import { signatureOf, type UnitKey, unitKey } from '../../src/ledger/track/unit-key.ts'
import { Stacks } from '../../testkit/stacks.ts'

const [GET, PUT, RARE] = [0, 1, 8]

/** Every two call sites are of one law: what the even one takes, the odd one gives back. From `RARE` on, they are of none. */
class Pairs extends LawBook {
  override lawOf(key: UnitKey): number {
    return signatureOf(key) < RARE ? signatureOf(key) >> 1 : NO_LAW
  }
}

type Change = [pid: number, signature: number, delta: number, taskSeq?: number]

/** The ordinals of the gets that may have taken the only reference of that task that is out. */
function left(changes: readonly Change[], pid: number, traffic: Partial<LawTraffic>): number[] {
  const book = new Pairs()
  book.laws = Array(RARE / 2).fill({})
  const events = changes.map(
    ([task, signature, delta, taskSeq = -1], ordinal) =>
      ({ pid: task, signature, delta, ordinal, taskSeq }) as LifetimeEvent,
  )
  const { open, partners } = pairReferences(events, 0, book)
  const reference = open.find(({ event }) => event?.pid === pid)!
  const gets = narrowed(reference, { events, partners }, { ...NO_TRAFFIC, ...traffic }, book, event => event.signature)
  return gets.map(({ ordinal }) => ordinal)
}

const returned = (n: number) => new Overtaking(Array.from({ length: n }, (_, i) => ({ taken: i, given: i, pid: 1 })))
const OWN: Partial<LawTraffic> = { all: returned(30), bySameTask: 30 }

describe('of a law whose references come back by the task that took them', () => {
  const others: Change[] = [
    [2, GET, 1],
    [1, GET, 1],
    [1, PUT, -1],
    [1, GET, 1],
  ]

  test('only gets of that task are alternatives, since none that it took was out', () => {
    expect(left(others, 1, OWN)).toEqual([3])
    expect(left(others, 2, OWN)).toEqual([0])
  })

  test('all gets are, where others give back as well', () => {
    expect(left(others, 1, { all: returned(30), bySameTask: 29 })).toEqual([0, 1, 3])
    expect(left(others, 1, { all: returned(10), bySameTask: 10 })).toEqual([0, 1, 3])
  })

  test('a put without a law is a rare way back of what its task took', () => {
    const changes: Change[] = [
      [1, GET, 1],
      [1, RARE, -1],
      [1, GET, 1],
    ]
    expect(left(changes, 1, OWN)).toEqual([2])
  })
})

describe('visits', () => {
  // The first get stays out. Two visits follow, and one that takes its time.
  const changes: Change[] = [
    [1, GET, 1, 5],
    [1, GET, 1, 10],
    [1, PUT, -1, 11],
    [1, GET, 1, 20],
    [1, PUT, -1, 21],
    [1, GET, 1, 30],
    [1, PUT, -1, 32],
  ]

  test('take none of the references that are out', () => {
    expect(left(changes, 1, OWN)).toEqual([0, 1, 3, 5])
    expect(left(changes, 1, { ...OWN, visits: new Set([PUT]) })).toEqual([0, 5])
  })

  test('are known by call sites that put what their task took right before, but for few', () => {
    const pairs = (isVisit: (i: number) => boolean): Pair[] =>
      Array.from({ length: 40 }, (_, i) => ({
        taken: 2 * i,
        given: 2 * i + 1,
        pid: 1,
        putPid: 1,
        putStack: 0,
        putSite: 7,
        isVisit: isVisit(i),
      }))
    const visitsOf = (some: readonly Pair[]) => {
      const collector = new TrafficCollector(new CallSites(new Stacks()))
      for (const pair of some) collector.add([pair])
      return [...collector.traffic().visits]
    }
    expect(visitsOf(pairs(i => i > 1))).toEqual([7])
    expect(visitsOf(pairs(i => i > 3))).toEqual([])
    expect(visitsOf(pairs(() => true).slice(0, 10))).toEqual([])
  })

  test('also give back by a put without a law', () => {
    const events = [
      { pid: 1, delta: 1, taskSeq: 3 },
      { pid: 1, delta: -1, taskSeq: 4 },
      { pid: 1, delta: -1, taskSeq: 5 },
    ] as LifetimeEvent[]
    const partners = [1, 0, 0]
    expect(withoutVisits(events.slice(1), { events, partners })).toEqual([events[2]])
  })
})

test('a put whose call site many lifetimes have, in none of which the law was over, gives back nothing of it', () => {
  const kinds: [units: [signature: number, units: number][], lifetimes: number][] = [
    // Ten lifetimes with the one rare put, none of them over. Of those with the other, one is over by the first law.
    [
      [
        [GET, 1],
        [PUT, -1],
        [2, 1],
        [RARE, -1],
      ],
      10,
    ],
    [
      [
        [2, 1],
        [RARE + 1, -1],
      ],
      20,
    ],
    [
      [
        [GET, 1],
        [RARE + 1, -1],
      ],
      1,
    ],
    [
      [
        [2, 1],
        [RARE + 2, -1],
      ],
      9,
    ],
  ]
  const counts = {
    size: kinds.length,
    forEach: (each: (units: ReadonlyMap<UnitKey, number>, lifetimes: number) => void) => {
      for (const [units, lifetimes] of kinds)
        each(new Map(units.map(([signature, n]) => [unitKey(signature, n), n])), lifetimes)
    },
  }
  const ways = new WaysBack(counts, new Pairs())
  const may = (signature: number, law: number) => ways.mayGiveBack({ signature, delta: -1 } as LifetimeEvent, law)
  expect([may(RARE, 0), may(RARE, 1)]).toEqual([false, true])
  expect(may(RARE + 1, 0)).toBe(true)
  expect(may(RARE + 2, 0)).toBe(true)
  expect(may(RARE + 3, 0)).toBe(true)
})

test('nothing waits for a worker that is idle while another of its pool works on', () => {
  const worker = { isWorker: true, all: 5, ofOthers: 5 }
  const giversOf = (other: number): LawTraffic => ({
    ...NO_TRAFFIC,
    givers: new Map([
      [24, { ...worker, latest: 50, last: 60 }],
      [28, { ...worker, latest: other, last: other + 1 }],
    ]),
  })
  const pools = new Map([
    [24, 'u9'],
    [28, 'u9'],
  ])
  const facts = (other: number, pools: ReadonlyMap<number, string>) =>
    holderFacts(giversOf(other), 55, 1, pid => pools.get(pid))
  // It may also be blocked at work on this one.
  expect(facts(70, pools)).toEqual({ maybeWith: undefined, maybeWithConsumer: false, mayBeBlocked: true })
  expect(facts(52, pools)).toMatchObject({ maybeWith: 24, mayBeBlocked: false })
  expect(facts(70, new Map([...pools, [28, 'u10']]))).toMatchObject({ maybeWith: 24, mayBeBlocked: false })
  expect(facts(70, new Map())).toMatchObject({ maybeWith: 24, mayBeBlocked: false })
})

test('how far a reference was overtaken is known only where no other get may belong to its put', () => {
  const back = [
    { taken: 1, given: 50, pid: 1, isGuess: true },
    ...Array.from({ length: 10 }, (_, i) => ({ taken: 2 + 2 * i, given: 4 + 2 * i + (i === 0 ? 3 : 0), pid: 1 })),
  ]
  const guessed = new Overtaking(back)
  expect([guessed.most, guessed.sure, guessed.returned, guessed.since(1)]).toEqual([1, 10, 11, 10])
  expect(new Overtaking(back.map(each => ({ ...each, isGuess: false }))).most).toBe(10)
})
