// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings made after the ledger, of a driver that it had never seen (recordings/zd2.c): a scanner that looks at every live
// page from a thread of its own, I/O whose references a worker gives back, and one fault by request. truth.json is what
// the driver itself said of its fault.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { openFile } from '../../src/node/open.ts'

const folder = new URL('recordings/', import.meta.url)
const truth: { [file: string]: object[] } = JSON.parse(readFileSync(new URL('truth.json', folder), 'utf8'))

it('all are listed', () => {
  expect(readdirSync(folder).filter(name => name.endsWith('.dat'))).toEqual(Object.keys(truth).sort())
})

it.each(Object.keys(truth))('%s', async file => {
  const { findings } = await account(await openFile(new URL(file, folder).pathname))
  const named = findings.map(({ kind, pfn, culprit }) => {
    return { kind, pfn: `0x${pfn.toString(16)}`, function: culprit?.frame?.name }
  })
  expect(named).toEqual(truth[file])
})
