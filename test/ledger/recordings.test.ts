// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings made after the ledger, of a driver that it had never seen (recordings/zd2.c): a scanner that looks at every live
// page from a thread of its own, I/O whose references a worker gives back, and one fault by request. truth.json is what
// the driver itself said of its fault.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { openFile } from '../../src/node/open.ts'
import { namesOf } from '../support/named.ts'

const folder = new URL('recordings/', import.meta.url)
const truth: { [file: string]: object[] } = JSON.parse(readFileSync(new URL('truth.json', folder), 'utf8'))

it('all are listed', () => {
  expect(readdirSync(folder).filter(name => name.endsWith('.dat'))).toEqual(Object.keys(truth).sort())
})

/** Findings of a recording; the first of the functions is the likeliest. */
const findingsOf = async (file: string) => (await account(await openFile(new URL(file, folder).pathname))).findings

it.each(Object.keys(truth))('%s', async file => {
  const named = (await findingsOf(file)).map(finding => {
    return { kind: finding.kind, pfn: `0x${finding.pfn.toString(16)}`, function: namesOf(finding)[0] }
  })
  expect(named).toEqual(truth[file])
})

// In this driver each lifetime takes one reference by zdbug_alloc() and one by zd2_pin(), and gives one back by zd2_release() and
// one by zd2_unpin(). What the one put gives back may have been taken by the other get, and nothing in the lifetimes tells.
it.each(['zd2-relleak-5.10.dat', 'zd2-relleak-6.12.dat'])('%s: either get may have taken what is out', async file => {
  const [leak] = await findingsOf(file)
  expect(leak!.culprit).toBeUndefined()
  expect(namesOf(leak!)).toEqual(['zdbug_alloc', 'zd2_pin'])
})

it.each(['zd2-pintwice-5.10.dat', 'zd2-pintwice-6.12.dat'])('%s: one get more than puts, by either law', async file => {
  const [leak] = await findingsOf(file)
  expect(leak!.candidates).toHaveLength(1)
  expect(leak!.culpritCertainty).not.toBe('possible')
  // Whole lifetimes show the leak, whichever law is the right one.
  expect(leak!.certainty).not.toBe('possible')
  expect(leak!.evidence.join('\n')).toMatch(/^96 pages were handed out later and are free again/m)
})
