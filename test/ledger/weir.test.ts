// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings of a driver that was written without a look at the ledger (lab/kernel/drivers/weir.c): jobs that interrupts complete, copy
// on write, a walker, magazines of free pages. truth.json is what the driver said of its fault.
import { expect, it } from 'vitest'
import { namesOf } from '../support/named.ts'
import { PlantedRecordings } from '../support/planted.ts'

interface Planted {
  kind: string
  pfn: string
  function: string
}

const recordings = new PlantedRecordings<Planted>(new URL('recordings/weir/', import.meta.url))

it('all are listed', () => {
  expect(recordings.files).toEqual(Object.keys(recordings.truth).sort())
})

/** Recordings in which a fault strikes so often that not each strike is found, and how many are at least. */
const MANY = new Map([['weir-errmany-6.12.dat', 8]])

it.each(Object.entries(recordings.truth))('%s', async (file, planted) => {
  const accusations = await recordings.accusations(file)
  const said = accusations.map(({ kind, pfn, ...found }) => ({
    kind,
    pfn: `0x${pfn.toString(16)}`,
    // Of several candidates the likeliest comes first.
    function: namesOf(found)[0],
  }))
  const least = MANY.get(file)
  if (least === undefined) expect(said).toEqual(planted)
  else {
    expect(said.length).toBeGreaterThanOrEqual(least)
    for (const each of said) expect(planted).toContainEqual(each)
  }
})
