// SPDX-License-Identifier: GPL-2.0-or-later
// A put too many frees a page early, and the rightful put of the same law comes in the page's next lifetime. It is no more to
// blame for being the last: who may have freed the page before is named beside it.
import { expect, test } from 'vitest'
import { account } from '../../src/ledger/index.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'
import { namesAny } from '../support/named.ts'

// A hundred times sqfp_ring_ring_visit() puts too much, and so does nobody else; sqfp_ring_track() puts under the same law.
test('whoever puts a page in the next lifetime is not accused alone', async () => {
  const made = makeRecording(300_141)
  const { findings } = await account(made.recording())
  const planted = new Set(made.truth.faults.filter(({ kind }) => kind === 'surplus-put').map(({ pfn }) => pfn))
  const puts = findings.filter(
    ({ kind, pfn }) => planted.has(pfn) && (kind === 'surplus-put' || kind === 'put-on-free-page'),
  )
  expect(puts.length).toBeGreaterThan(80)
  const wrong = puts.filter(finding => !namesAny(finding, ['sqfp_ring_ring_visit']))
  // It can have happened lifetimes before, of which little is remembered: then it is possible at most.
  expect(wrong.filter(({ culpritCertainty }) => culpritCertainty !== 'possible')).toEqual([])
  expect(wrong.length).toBeLessThanOrEqual(puts.length / 20)
})
