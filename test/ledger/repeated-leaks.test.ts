// SPDX-License-Identifier: GPL-2.0-or-later
// A fault that leaks again and again is found, and no other page is accused; the same driver without it is not.
import { expect, test } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { ACCUSATIONS } from '../../src/ledger/findings/kinds.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'

const WHOLE = { start: 'whole', startAt: 0, markedGaps: 0, unmarked: 'none', stacks: true, kernelKnown: true } as const

test.each([
  [5100139, 22],
  [5100203, 26],
  [5100215, 38],
  [5100312, 15],
])('driver %i leaks %i times', async (seed, strikes) => {
  const made = makeRecording(seed, { driver: { bugs: [{ strikes }] }, conditions: WHOLE })
  const { findings } = await account(made.recording())
  const leaks = findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  expect(leaks.length).toBeGreaterThan(0)
  for (const { kind, pfn, culprit, candidates } of leaks) {
    const fault = made.truth.faults.find(each => each.pfn === pfn)!
    expect(kind).toBe(fault.kind)
    const named = [culprit, ...candidates.map(({ actor }) => actor)].map(actor => actor?.frame?.name)
    expect(named.some(name => fault.functions.includes(name!))).toBe(true)
  }
  const correct = makeRecording(seed, { driver: { bugs: [] }, conditions: WHOLE })
  const other = await account(correct.recording())
  expect(other.findings.filter(({ kind }) => ACCUSATIONS.has(kind))).toEqual([])
})
