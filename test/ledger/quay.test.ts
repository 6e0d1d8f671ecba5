// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings of a driver that was written when the ledger by laws was done (lab/kernel/drivers/quay.c): references in rings, slots
// and graveyards, workers that come late, buffers too small, one fault by request. truth.json is what the driver said of its fault.
import { expect, it } from 'vitest'
import { namesAny } from '../support/named.ts'
import { PlantedRecordings } from '../support/planted.ts'

interface Planted {
  kind: string | string[]
  pfn: string
  function: string | string[]
}

const recordings = new PlantedRecordings<Planted>(new URL('recordings/quay/', import.meta.url))

it('all are listed', () => {
  expect(recordings.files).toEqual(Object.keys(recordings.truth).sort())
})

it.each(Object.entries(recordings.truth))('%s', async (file, planted) => {
  const left = await recordings.accusations(file)
  for (const { kind, pfn, function: functions } of planted) {
    const at = left.findIndex(
      found => [kind].flat().includes(found.kind) && found.pfn === Number(pfn) && namesAny(found, [functions].flat()),
    )
    expect(at, `${kind} of page ${pfn} by ${functions}`).toBeGreaterThanOrEqual(0)
    left.splice(at, 1)
  }
  expect(left.map(({ kind, pfn }) => `${kind} 0x${pfn.toString(16)}`)).toEqual([])
})

const evidenceOf = async (file: string) => {
  const findings = await recordings.accusations(file)
  return findings.filter(({ kind }) => kind === 'leak').map(({ evidence }) => evidence.join('\n'))
}

// By the order of its law the reference may still be with the task that gives such back; that nothing else is left decides.
it('a leak is told by what decides it', async () => {
  const [evidence] = await evidenceOf('quay-ringleak-6.12.dat')
  expect(evidence).toMatch(/^this is the only page in use at the end/m)
  expect(evidence).not.toMatch(/may still work on this one/)
})

it('where a task keeps many, it is not said that it never kept one', async () => {
  const all = await evidenceOf('quay-visitmany-6.12.dat')
  expect(all).toHaveLength(44)
  for (const evidence of all) expect(evidence).toMatch(/, but for those that are out on 44 pages$/m)
})
