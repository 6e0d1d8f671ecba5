// SPDX-License-Identifier: GPL-2.0-or-later
// A put too many frees a page early, and the rightful put of the same law comes in the page's next lifetime. It is no more to
// blame for being the last: who may have freed the page before is named beside it.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account } from '../../src/ledger/index.ts'
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

// The owner of page 0xf0ca00e was handed it without a get by kii_job_desc_unlink(); kii_chan_advance() puts its reference by right.
test('the put of a page that was handed out without its reference is not blamed for certain', async () => {
  const made = makeRecording(8_003_260)
  const [fault] = made.truth.faults
  expect(fault).toMatchObject({ kind: 'no-init', pfn: 0xf0ca00e })
  const { findings } = await account(made.recording())
  const accused = findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  expect(accused.map(({ pfn }) => pfn)).toEqual([fault!.pfn])
  expect(accused[0]).toMatchObject({ certainty: 'certain', culpritCertainty: 'likely' })
})
