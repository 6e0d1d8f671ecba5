// SPDX-License-Identifier: GPL-2.0-or-later
/** Simulates, judges and scores the recording of one seed. An exception of the ledger is counted, and is not fatal. */
import { account } from '../../src/ledger/index.ts'
import { type Scored, score } from './score.ts'
import type { Simulator } from './simulation.ts'

/** @param correct true for a driver without faults, whatever the seed draws */
export async function runSeed(simulate: Simulator, seed: number, correct = false): Promise<Scored> {
  const start = performance.now()
  const made = simulate(seed, correct)
  const judged = performance.now()
  const base = { seed, events: made.events, correct: made.correct, tags: made.tags }
  const ms = () => ({ make: judged - start, judge: performance.now() - judged })
  try {
    const { findings } = await account(made.recording())
    const scored = score(made.expected, findings)
    return { ...base, ...scored, ms: ms() }
  } catch (error) {
    const none = { findings: [], faults: [], reports: 0 }
    return { ...base, ...none, ms: ms(), error: error instanceof Error ? `${error.stack}` : String(error) }
  }
}
