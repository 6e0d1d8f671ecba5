// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings of a driver that was written when the ledger by laws was done (lab/kernel/drivers/quay.c): references in rings, slots
// and graveyards, workers that come late, buffers too small, one fault by request. truth.json is what the driver said of its fault.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ACCUSATIONS, account } from '../../src/ledger/index.ts'
import { openFile } from '../../src/node/open.ts'
import { namesAny } from '../support/named.ts'

interface Planted {
  kind: string | string[]
  pfn: string
  function: string | string[]
}

const folder = new URL('recordings/quay/', import.meta.url)
const truth: { [file: string]: Planted[] } = JSON.parse(readFileSync(new URL('truth.json', folder), 'utf8'))

it('all are listed', () => {
  expect(readdirSync(folder).filter(name => name.endsWith('.dat'))).toEqual(Object.keys(truth).sort())
})

it.each(Object.entries(truth))('%s', async (file, planted) => {
  const recording = await openFile(new URL(file, folder).pathname)
  const accusations = (await account(recording)).findings.filter(({ kind }) => ACCUSATIONS.has(kind))
  await recording.close()
  const left = [...accusations]
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
  const recording = await openFile(new URL(file, folder).pathname)
  const { findings } = await account(recording)
  await recording.close()
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
