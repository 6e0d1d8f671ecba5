// SPDX-License-Identifier: GPL-2.0-or-later
// Each page that is in use when the recording ends has a finding, or is counted as one of which nothing can be told.
import { expect, test } from 'vitest'
import { account, type Finding } from '../../src/ledger/index.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'

const OPEN = new Set<Finding['kind']>(['leak', 'held-at-end', 'teardown-waits'])

test.each([
  ['a burst of events is missing without a mark', 8001379],
  ['a clock of jiffies contradicts itself', 8001339],
  ['the same, with pages of which a count does not agree', 8001347],
  ['it begins in the middle, and no page is known to be of a device', 8001390],
  ['it begins in the middle of pages whose count the core resets', 8001406],
  ['stamps of text, and most pages begun before', 8001419],
  ['the events of a task are missing', 8001349],
])('%s', async (_, seed) => {
  const { lives, findings } = await account(makeRecording(seed, { driver: { bugs: [] } }).recording())
  const told = new Set(findings.filter(({ kind }) => OPEN.has(kind)).map(({ pfn }) => pfn))
  expect(told.size + lives.unknown).toBe(lives.openAtEnd)
  expect(lives.unknown).toBeLessThanOrEqual(lives.openAtEnd)
})

test('a page that is freed twice explains what goes wrong with others, not that they are in use', async () => {
  const made = makeRecording(14000045)
  const { findings } = await account(made.recording())
  const held = findings.filter(({ kind }) => kind === 'held-at-end')
  expect(held.length).toBeGreaterThan(0)
  const faulty = new Set(made.truth.faults.map(({ pfn }) => pfn))
  expect(held.filter(({ pfn }) => faulty.has(pfn))).toEqual([])
})
