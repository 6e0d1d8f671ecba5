// SPDX-License-Identifier: GPL-2.0-or-later
// A bounded part of `npm run fuzz -- --kind core-`, and a check that its seeds are whole dumps.
import { expect, it } from 'vitest'
import { random } from '../../testkit/random.ts'
import { runCase } from '../fuzz/cases.ts'
import { DUMP_KIND, DUMP_SEEDS } from '../fuzz/dump-seeds.ts'
import { exercise } from '../fuzz/exercise.ts'

const CASES = 600
const SEED = 7

it.each(DUMP_SEEDS.map(seed => [seed.kind, seed] as const))('starts from a whole dump: %s', async (_, seed) => {
  expect(await exercise(seed.make().bytes, random(1))).toBe('read')
})

it(`finds nothing in ${CASES} cases`, async () => {
  const outcomes = { read: 0, damaged: 0, refused: 0 }
  for (let index = 0; index < CASES; index++) {
    try {
      outcomes[await runCase(SEED, index, DUMP_KIND)]++
    } catch (error) {
      throw new Error(`npm run fuzz -- --seed ${SEED} --kind ${DUMP_KIND} --case ${index}`, { cause: error })
    }
  }
  for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(CASES / 40)
}, 600_000)
