// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings of a driver that was written without a look at the ledger (lab/kernel/drivers/weir.c): jobs that interrupts complete, copy
// on write, a walker, magazines of free pages. truth.json is what the driver said of its fault.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ACCUSATIONS, account } from '../../src/ledger/index.ts'
import { openFile } from '../../src/node/open.ts'
import { namesOf } from '../support/named.ts'

interface Planted {
  kind: string
  pfn: string
  function: string
}

const folder = new URL('recordings/weir/', import.meta.url)
const truth: { [file: string]: Planted[] } = JSON.parse(readFileSync(new URL('truth.json', folder), 'utf8'))

it('all are listed', () => {
  expect(readdirSync(folder).filter(name => name.endsWith('.dat'))).toEqual(Object.keys(truth).sort())
})

it.each(Object.entries(truth))('%s', async (file, planted) => {
  const recording = await openFile(new URL(file, folder).pathname)
  const accusations = (await account(recording)).findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  await recording.close()
  const said = accusations.map(({ kind, pfn, ...found }) => ({
    kind,
    pfn: `0x${pfn.toString(16)}`,
    // Of several candidates the likeliest comes first.
    function: namesOf(found)[0],
  }))
  expect(said).toEqual(planted)
})
