// SPDX-License-Identifier: GPL-2.0-or-later
// The state bits of a page: which may occur together, in real recordings that are cut and lose events, and what they allow.
import { describe, expect, test } from 'vitest'
import { LearningTracker } from '../../src/ledger/learn/learning-tracker.ts'
import {
  canClaim,
  canCountReferences,
  hasAllEvents,
  illegalState,
  isFollowed,
  isOrdinary,
  PageBit,
} from '../../src/ledger/track/page-state.ts'
import type { Recording } from '../../src/trace/events.ts'
import { cutRows, loseRows, readRows, recordingOf, shiftClock } from '../../testkit/histories/variants.ts'
import { random } from '../../testkit/random.ts'

const RECORDINGS = ['zd2-pintwice-6.12', 'zd2-scanleak-5.10', 'probes/zd3-dying-6.12', 'probes/zd3-race-5.10']

/** Holds the state of every page against the list of legal ones after each batch, and counts the states that were met. */
async function statesOf(recording: Recording): Promise<Map<number, number>> {
  const ledger = new LearningTracker(recording.stacks)
  const states = new Map<number, number>()
  const look = () => {
    for (let row = 0; row < ledger.pages.length; row++) {
      const bits = ledger.pages.bits[row]!
      if (!states.has(bits)) expect(illegalState(bits), `bits ${bits}`).toBeUndefined()
      states.set(bits, (states.get(bits) ?? 0) + 1)
    }
  }
  for await (const batch of recording.batches()) {
    ledger.add(batch)
    look()
  }
  ledger.finish()
  look()
  return states
}

describe('pages are in legal states only', () => {
  test.each(RECORDINGS)('%s', async name => {
    const rows = await readRows(new URL(`recordings/${name}.dat`, import.meta.url).pathname, undefined)
    const r = random(name.length)
    const whole = await statesOf(recordingOf(rows, 512))
    expect(whole.size).toBeGreaterThan(1)
    const part = cutRows(rows, 0.2, 0.6)
    await statesOf(recordingOf(loseRows(part, r, 0.4, 100), 512))
    await statesOf(recordingOf(shiftClock(part, 1, 15_000), 512))
  })
})

test('a combination of bits that contradicts itself is told', () => {
  const { countKnown, open, lossy, begunEarlier, unmapping, unmapped, anomalous, freed } = PageBit
  expect([0, countKnown, countKnown | open | lossy, unmapping, freed].map(illegalState)).toEqual(
    Array(5).fill(undefined),
  )
  for (const bits of [countKnown | lossy, countKnown | begunEarlier, unmapping | unmapped, open, anomalous])
    expect(illegalState(bits), `bits ${bits}`).toBeDefined()
})

test('the more a claim needs, the fewer states allow it', () => {
  for (let bits = 0; bits < 1 << 14; bits++) {
    if (canCountReferences(bits)) expect(canClaim(bits) && isFollowed(bits), `bits ${bits}`).toBe(true)
    if (canClaim(bits) || isFollowed(bits)) expect(hasAllEvents(bits), `bits ${bits}`).toBe(true)
    if (isOrdinary(bits)) expect(isFollowed(bits) || (bits & PageBit.lossy) !== 0, `bits ${bits}`).toBe(true)
  }
})
