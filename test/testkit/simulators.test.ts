// SPDX-License-Identifier: GPL-2.0-or-later
/** The simulators as calibration uses them: what their truth expects is what the one scorer calls right. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runSeed } from '../../bench/calibrate/run-seed.ts'
import { score } from '../../bench/calibrate/score.ts'
import type { ExpectedFault, Simulation } from '../../bench/calibrate/simulation.ts'
import { simulatorOf } from '../../bench/calibrate/simulators.ts'
import { tableOf } from '../../bench/calibrate/table.ts'
import { add, emptyTally } from '../../bench/calibrate/tally.ts'
import type { Actor, Finding } from '../../src/ledger/findings/finding.ts'
import { account } from '../../src/ledger/index.ts'
import { BytesSource, openRecording } from '../../src/trace/index.ts'

const lifecycles = simulatorOf('lifecycles')

function actor(name: string, time: number): Actor {
  const frame = { address: 1n, name, offset: 1, module: undefined }
  return { frame, stack: [frame], task: 'x', pid: 1, cpu: 0, time, operation: 'page_ref_mod', delta: 1 }
}

function truly({ accepted, pfn, time, functions }: ExpectedFault, name = functions[0]!): Finding {
  const nothing = { history: [], consequences: [], moreConsequences: 0, evidence: [], candidates: [], law: undefined }
  const counts = { pagemap: 0, count: 1, expected: 0, references: 1 }
  const sure = { certainty: 'certain', culprit: actor(name, time), culpritCertainty: 'certain' } as const
  return { kind: accepted[0]!, pfn, life: { began: time, ended: undefined }, ...sure, ...counts, ...nothing }
}

const withFaults: Simulation[] = Array.from({ length: 17 }, (_, seed) => lifecycles(seed + 1, false)).filter(
  ({ expected }) => expected.faults.length > 0,
)

describe('the second simulator', () => {
  it('has a truth that the scorer takes for right, and anything else for wrong', () => {
    expect(withFaults.length).toBeGreaterThan(6)
    for (const { expected, correct } of withFaults) {
      expect(correct).toBe(false)
      const right = score(
        expected,
        expected.faults.map(fault => truly(fault)),
      )
      for (const one of right.findings) expect(one).toMatchObject({ fault: 'right', culprit: 'right' })
      for (const one of right.faults) expect(one).toMatchObject({ found: true, functionFound: true })
      const [fault] = expected.faults
      const innocent = { ...truly(fault!), pfn: fault!.pfn + 1e6 }
      const wrong = score(expected, [truly(fault!, 'somebody_else'), innocent])
      expect(wrong.findings[0]).toMatchObject({ fault: 'right', culprit: 'wrong' })
      expect(wrong.findings[1]).toMatchObject({ fault: 'wrong', culprit: 'wrong' })
    }
  })

  it('tells since when counts are wrong, so that what was over before is no consequence', () => {
    const spoilt = withFaults.filter(({ expected }) => expected.cascade.length > 0)
    expect(spoilt.length).toBeGreaterThan(2)
    for (const { expected } of spoilt) {
      const { pfn, time } = expected.cascade[0]!
      const fault = { ...expected.faults[0]!, pfn, time, accepted: ['count-mismatch' as const] }
      const early = { ...truly(fault), life: { began: 0, ended: time - 1e9 }, culprit: undefined }
      expect(score(expected, [truly(fault), early]).findings.map(one => one.fault)).toEqual(['consequence', 'wrong'])
    }
  })

  it('is judged as a row of the table, and without a fault if none is wanted', async () => {
    const tally = emptyTally()
    for (const seed of [5, 7]) add(tally, await runSeed(lifecycles, seed, true))
    expect(tally).toMatchObject({ recordings: 2, faults: {}, fault: {}, crashed: [] })
    expect(tally.tags.all).toMatchObject({ recordings: 2, correct: 2, correctAccused: 0 })
    const { seed } = withFaults[0]!
    const scored = await runSeed(lifecycles, seed)
    add(tally, scored)
    expect(scored.faults.length).toBeGreaterThan(0)
    expect(tableOf(tally, 1)).toContain(`\n  ${scored.faults[0]!.mode}`)
  })
})

it.each(['drivers', 'lifecycles'])('a recording of %s can be written as a file that is judged alike', async name => {
  const directory = mkdtempSync(join(tmpdir(), 'lastput-simulated-'))
  try {
    // Of both simulators, a recording with a fault, an exact clock and no loss.
    const made = simulatorOf(name)(name === 'drivers' ? 2 : 16, false)
    made.write(directory)
    const bytes = readFileSync(join(directory, 'trace.dat'))
    const truth = JSON.parse(readFileSync(join(directory, 'truth.json'), 'utf8')) as { seed: number }
    expect(truth.seed).toBe(made.seed)
    const [inMemory, asFile] = [
      await account(made.recording()),
      await account(await openRecording(new BytesSource('simulated', bytes))),
    ]
    const brief = (findings: readonly Finding[]) => findings.map(({ kind, pfn, certainty }) => [kind, pfn, certainty])
    expect(inMemory.findings.length).toBeGreaterThan(0)
    expect(brief(asFile.findings)).toEqual(brief(inMemory.findings))
  } finally {
    rmSync(directory, { recursive: true })
  }
})

it('a simulator that there is not is refused with those that there are', () => {
  expect(() => simulatorOf('nobody')).toThrow('there is no simulator "nobody"; use one of: drivers, lifecycles')
  expect(() => simulatorOf('constructor')).toThrow('there is no simulator')
})
