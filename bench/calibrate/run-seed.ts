// SPDX-License-Identifier: GPL-2.0-or-later
/** Simulates, judges and scores the recording of one seed. An exception of the ledger is counted, and is not fatal. */
import { account } from '../../src/ledger/index.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'
import { type Scored, score, tagsOf } from './score.ts'

/** @param correct true for a driver without faults, whatever the seed draws */
export async function runSeed(seed: number, correct = false): Promise<Scored> {
  const start = performance.now()
  const made = makeRecording(seed, correct ? { driver: { bugs: [] } } : {})
  const judged = performance.now()
  const base = { seed, events: made.rows.length, correct: made.truth.correct, tags: tagsOf(made) }
  const ms = () => ({ make: judged - start, judge: performance.now() - judged })
  try {
    const { findings } = await account(made.recording())
    const scored = score(made, findings)
    return { ...base, ...scored, ms: ms() }
  } catch (error) {
    const none = { findings: [], faults: [], reports: 0 }
    return { ...base, ...none, ms: ms(), error: error instanceof Error ? `${error.stack}` : String(error) }
  }
}
