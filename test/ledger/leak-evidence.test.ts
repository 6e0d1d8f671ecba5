// SPDX-License-Identifier: GPL-2.0-or-later
// What is said of leaks in recordings of real kernels adds up.
import { expect, test } from 'vitest'
import { account } from '../../src/ledger/index.ts'
import { openFile } from '../../src/node/open.ts'
import { data, dataPath } from '../../testkit/data.ts'
import { makeRecording } from '../../testkit/drivers/make.ts'
import { needs } from '../support/needs.ts'

async function leaksOf(name: string) {
  const recording = await openFile(dataPath(`${name}/trace.dat`))
  const { findings } = await account(recording)
  await recording.close()
  return findings.filter(({ kind }) => kind === 'leak')
}

// Two references are out, one that leaked and one of the eviction that waits for it. No law has either.
needs(data('6.12/hmmbug-leak-migrate')).test('references of two call sites without a law are two', async () => {
  const [leak, ...others] = await leaksOf('6.12/hmmbug-leak-migrate')
  expect(others).toEqual([])
  expect(leak).toMatchObject({ references: 1, count: 2, expected: 0 })
  expect(leak!.evidence).toContain('1 reference of other call sites is out, too, which may be by right')
})

// The same driver with the same fault. On 5.10 memunmap_pages() waits, which is more evidence, not less.
needs(data('5.10/zdbug-leak'), data('6.12/zdbug-leak')).test('who waits knows as much as who does not', async () => {
  const [waits, rests] = [await leaksOf('5.10/zdbug-leak'), await leaksOf('6.12/zdbug-leak')]
  expect(rests).toMatchObject([{ certainty: 'likely', culpritCertainty: 'likely' }])
  expect(waits).toMatchObject([{ certainty: 'certain', culpritCertainty: 'likely' }])
})

// A page that is freed twice may be handed out to two owners at once. Neither leaks another page for that.
test.each([31_001_093, 31_001_100])(
  'a leak beside a page that was freed twice is a fault of its own (%i)',
  async seed => {
    const made = makeRecording(seed)
    const { findings } = await account(made.recording())
    const freed = made.truth.faults.find(({ kind }) => kind !== 'leak')!
    const leaked = made.truth.faults.find(({ kind }) => kind === 'leak')!
    const other = findings.find(({ pfn }) => pfn === freed.pfn)!
    expect(other.evidence.join()).toContain('its count became that of a free page twice')
    expect(other.consequences.filter(({ pfn }) => pfn === leaked.pfn)).toEqual([])
    expect(findings.filter(({ pfn }) => pfn === leaked.pfn)).toMatchObject([{ kind: 'leak' }])
  },
)

test('what a page table took is leaked if it maps the page no longer', async () => {
  const made = makeRecording(33_000_070)
  const [fault] = made.truth.faults
  expect(fault).toMatchObject({ kind: 'leak', mode: 'leak', subsystem: 'mapping1' })
  const { findings } = await account(made.recording())
  expect(findings.filter(({ kind }) => kind === 'leak')).toMatchObject([{ pfn: fault!.pfn, certainty: 'likely' }])
})
