// SPDX-License-Identifier: GPL-2.0-or-later
// A bounded part of `npm run fuzz`, and a check that its seeds are whole recordings.

import { describe, expect, it } from 'vitest'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import { openRecording } from '../../src/trace/open.ts'
import { random } from '../../testkit/random.ts'
import { runCase } from '../fuzz/cases.ts'
import { exercise } from '../fuzz/exercise.ts'
import { RECORDING_SEEDS } from '../fuzz/seeds.ts'
import { collect } from '../support/collect.ts'

const CASES = 1500
const SEED = 7

describe('the fuzzer', () => {
  it.each(RECORDING_SEEDS.map(seed => [seed.kind, seed] as const))(
    'starts from a whole recording: %s',
    async (_, seed) => {
      const { bytes } = seed.make()
      const recording = await openRecording(new BytesSource('seed', bytes))
      const { events } = await collect(recording)
      expect(events.length).toBeGreaterThan(20)
      expect(recording.damage).toEqual([])
      expect(events.some(({ stack }) => stack !== 0)).toBe(true)
      expect(await exercise(bytes, random(1))).toMatch(/read|refused/)
    },
  )

  it(`finds nothing in ${CASES} cases`, async () => {
    const outcomes = { read: 0, damaged: 0, refused: 0 }
    for (let index = 0; index < CASES; index++) {
      try {
        outcomes[await runCase(SEED, index)]++
      } catch (error) {
        throw new Error(`npm run fuzz -- --seed ${SEED} --case ${index}`, { cause: error })
      }
    }
    // Damage that is too rough tests the first check only.
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(CASES / 20)
  }, 600_000)
})
