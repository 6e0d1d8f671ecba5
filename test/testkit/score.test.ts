// SPDX-License-Identifier: GPL-2.0-or-later
/** Scores made-up findings about simulated recordings: what the truth says is right, and anything else is not. */
import { describe, expect, it } from 'vitest'
import { score as scoreOf } from '../../bench/calibrate/score.ts'
import { expectedOf } from '../../bench/calibrate/simulators/drivers.ts'
import type { Actor, Finding } from '../../src/ledger/findings/finding.ts'
import { makeRecording, type SimulatedRecording } from '../../testkit/drivers/make.ts'
import type { TrueFault } from '../../testkit/drivers/truth.ts'

const score = (made: SimulatedRecording, findings: readonly Finding[]) => scoreOf(expectedOf(made), findings)

function actor(name: string, callers: string[], time: number): Actor {
  const stack = [name, ...callers].map(one => ({ address: 1n, name: one, offset: 1, module: undefined }))
  return { frame: stack[0], stack, task: 'x', pid: 1, cpu: 0, time, operation: 'page_ref_mod', delta: 1 }
}

function finding(kind: Finding['kind'], pfn: number, time: number, culprit: Actor | undefined): Finding {
  const nothing = { history: [], consequences: [], moreConsequences: 0, evidence: [], candidates: [], law: undefined }
  const counts = { pagemap: 0, count: 1, expected: 0, references: 1 }
  const sure = { certainty: 'certain', culprit, culpritCertainty: culprit && 'certain' } as const
  return { kind, pfn, life: { began: time, ended: undefined }, ...sure, ...counts, ...nothing }
}

function truly(fault: TrueFault): Finding {
  const { function: name, caller } = fault.culprits[0]!
  return finding(
    fault.accepted[0]!,
    fault.pfn,
    fault.time,
    actor(name, caller === undefined ? [] : [caller], fault.time),
  )
}

const withFaults = (): SimulatedRecording[] =>
  Array.from({ length: 60 }, (_, i) =>
    makeRecording(i + 1, { driver: { events: 1000, bugs: [{ strikes: 1 }] } }),
  ).filter(({ truth }) => truth.faults.length > 0)

describe('the score', () => {
  it('finds everything right that repeats the truth', () => {
    for (const made of withFaults()) {
      const { findings, faults } = score(made, made.truth.faults.map(truly))
      for (const one of findings) expect(one).toMatchObject({ fault: 'right', culprit: 'right' })
      for (const one of faults) expect(one).toMatchObject({ found: true, functionFound: true })
    }
  })

  it('tells a wrong function from a right page, and an innocent page from both', () => {
    for (const made of withFaults()) {
      const [fault] = made.truth.faults
      const { kind, pfn } = truly(fault!)
      const { time } = fault!
      const stranger = actor('somebody_else', [], time)
      const innocent = made.run.world.pages.find(page => page.taintedAt === undefined && page.pfn !== pfn)!
      const { findings, faults } = score(made, [
        finding(kind, pfn, time, stranger),
        finding(kind, innocent.pfn, time, stranger),
      ])
      expect(findings[0]).toMatchObject({ fault: 'right', culprit: 'wrong' })
      expect(findings[1]).toMatchObject({ fault: 'wrong', culprit: 'wrong' })
      expect(faults[0]).toMatchObject({ found: true, functionFound: false })
    }
  })

  it('takes what a fault has spoilt for a consequence, but not what was over before', () => {
    const spoilt = withFaults().filter(({ truth }) => truth.cascade.length > 0)
    expect(spoilt.length).toBeGreaterThan(5)
    for (const made of spoilt) {
      const { pfn, time } = made.truth.cascade[0]!
      const early = { ...finding('count-mismatch', pfn, 0, undefined), life: { began: 0, ended: time - 1e9 } }
      const { findings } = score(made, [finding('count-mismatch', pfn, time, undefined), early])
      expect(findings.map(({ fault }) => fault)).toEqual(['consequence', 'wrong'])
    }
  })

  it('is content with one right candidate of several', () => {
    const [made] = withFaults()
    const right = truly(made!.truth.faults[0]!)
    const candidates = [actor('somebody_else', [], 0), right.culprit!].map(each => ({ actor: each, reasons: [] }))
    const several = { ...right, culprit: undefined, culpritCertainty: undefined, candidates }
    expect(score(made!, [several]).findings[0]).toMatchObject({ culprit: 'right', culpritCertainty: 'candidates' })
  })

  it('leaves findings alone that only report', () => {
    const [made] = withFaults()
    const { findings, reports } = score(made!, [finding('held-at-end', 1, 0, undefined)])
    expect([findings, reports]).toEqual([[], 1])
  })
})
