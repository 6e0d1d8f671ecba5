// SPDX-License-Identifier: GPL-2.0-or-later
// When a page was last found by a reference that stays out.
import { expect, test } from 'vitest'
import { lastFound } from '../../src/ledger/diagnose/last-found.ts'
import type { LifetimeEvent } from '../../src/ledger/track/lifetime-event.ts'
import { Op } from '../../src/trace/events.ts'

/** A lifetime of these changes; the second one takes the reference that stays out. */
function lifetime(idle: number, ...changes: [op: number, delta: number][]): LifetimeEvent[] {
  let count = idle
  return changes.map(([op, delta], i) => {
    count += delta
    return { ordinal: 100 + i, op, delta, count } as LifetimeEvent
  })
}

const foundIn = (events: readonly LifetimeEvent[], idle = 0) => lastFound(events, events[1]!, idle)

test('a get while no other reference is out', () => {
  const events = lifetime(
    0,
    [Op.SET, 1],
    [Op.MOD, 1],
    [Op.MOD, -1],
    [Op.MOD, 1],
    [Op.MOD, -1],
    [Op.MOD, 1],
    [Op.MOD, -1],
  )
  expect(foundIn(events)).toBe(105)
})

test('the count of an idle page is that of nobody', () => {
  expect(foundIn(lifetime(1, [Op.MOD, 1], [Op.MOD, 1], [Op.MOD, -1], [Op.MOD, 1], [Op.MOD, -1]), 1)).toBe(103)
})

test('none while another is out, which may have shown the page', () => {
  expect(foundIn(lifetime(0, [Op.SET, 1], [Op.MOD, 1], [Op.MOD, 1], [Op.MOD, -1], [Op.MOD, -1]))).toBeUndefined()
})

test('one that would have been refused had the page been free tells nothing', () => {
  expect(foundIn(lifetime(0, [Op.SET, 1], [Op.MOD, 1], [Op.MOD, -1], [Op.MOD_UNLESS, 1], [Op.MOD, -1]))).toBeUndefined()
})

test('all units of the reference count as one', () => {
  expect(foundIn(lifetime(0, [Op.SET, 1], [Op.MOD, 3], [Op.MOD, -1], [Op.MOD, 1], [Op.MOD, -1]))).toBe(103)
})
