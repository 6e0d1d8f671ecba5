// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings of a driver that was written without a look at the ledger (lab/kernel/drivers/sluice.c): pins that count 1,024, counts
// that a migrator freezes, commands that interrupts complete. truth.json is what the driver said of its fault, with each function
// that may have taken the reference.
import { expect, it } from 'vitest'
import { namesOf } from '../support/named.ts'
import { PlantedRecordings } from '../support/planted.ts'

interface Planted {
  kind: string
  pfn: string
  function: string[]
}

const recordings = new PlantedRecordings<Planted>(new URL('recordings/sluice/', import.meta.url))

it('all are listed', () => {
  expect(recordings.files).toEqual(Object.keys(recordings.truth).sort())
})

it.each(Object.entries(recordings.truth))('%s', async (file, planted) => {
  const accusations = await recordings.accusations(file)
  expect(accusations.map(({ kind, pfn }) => ({ kind, pfn: `0x${pfn.toString(16)}` }))).toEqual(
    planted.map(({ kind, pfn }) => ({ kind, pfn })),
  )
  // Of several candidates the likeliest comes first.
  for (const [i, found] of accusations.entries()) expect(planted[i]!.function).toContain(namesOf(found)[0])
})
