// SPDX-License-Identifier: GPL-2.0-or-later
// Which puts may be the one too many of a page: none that came after the page was short already.
import { expect, test } from 'vitest'
import type { OddLifetime } from '../../src/ledger/diagnose/page-history.ts'
import { shortages } from '../../src/ledger/diagnose/shortage.ts'
import { LawBook } from '../../src/ledger/learn/law-book.ts'
import type { LifetimeEvent } from '../../src/ledger/track/lifetime-event.ts'
import { Op } from '../../src/trace/events.ts'

/** Call sites: one that takes, and three that give back. */
const [GET, PUT, DROP, CLEAN] = [1, 2, 3, 4]

class OneLaw extends LawBook {
  override lawOf(): number {
    return 0
  }
}

function event(ordinal: number, signature: number, time: number): LifetimeEvent {
  const delta = signature === GET ? 1 : -1
  const base = {
    since: time,
    pid: 1,
    cpu: 0,
    ret: 0,
    stack: 1,
    mapcount: 0,
    count: 0,
    flags: 0,
    mapped: false,
    taskSeq: 0,
  }
  return { ...base, ordinal, signature, time, delta, val: delta, op: Op.MOD }
}

function candidates(events: LifetimeEvent[], slack: number): number[] {
  const balance = new Map([[0, -1]])
  const lifetime: OddLifetime = { events, balance, aside: new Map(), isOpen: false, isBroken: true, hasLater: true }
  const history = { row: 0, lifetimes: [lifetime], total: balance, isWhole: true, settled: [] }
  const sites = { site: (signature: number) => signature, events: () => 100, slack }
  const [found] = shortages(history, 0, new OneLaw(), sites, () => [])
  return found!.candidates.map(({ signature }) => signature)
}

test('a put that comes after the one that found nothing left is no candidate, unless its stamp may be late', () => {
  const events = [
    event(1, GET, 10),
    event(2, PUT, 20),
    event(3, DROP, 30), // Finds nothing left: it or the one before is too many.
    event(4, GET, 5000),
    event(5, CLEAN, 5010),
  ]
  expect(candidates(events, 100)).toEqual([DROP, PUT])
  expect(candidates(events, 5000)).toEqual([DROP, PUT, CLEAN])
})
