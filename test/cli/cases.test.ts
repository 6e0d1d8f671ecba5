// SPDX-License-Identifier: GPL-2.0-or-later
// Small inputs that went wrong in people's hands, from ../shared/cases: each has the answer that is right.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { openFile } from '../../src/node/open.ts'
import { type Missing, SHARED } from '../../testkit/data.ts'
import { needs } from '../support/needs.ts'

const cases = join(SHARED, 'cases')
const there: Missing = existsSync(cases) ? undefined : `small inputs in ${cases}`

async function judged(path: string) {
  const recording = await openFile(join(cases, path))
  const { findings, lost, lives } = await account(recording)
  await recording.close()
  const named = findings.map(({ kind, pfn, culprit }) => ({ kind, pfn, function: culprit?.frame?.name }))
  return { named, lives, gaps: lost.gaps, damage: recording.damage }
}

needs(there).describe('texts with anything around them', () => {
  const leak = [{ kind: 'leak', pfn: 0x100000, function: 'madvise' }]
  for (const folder of ['01-trace-cmd-version-line', '02-line-around-the-text', '04-dmesg-prefix', '05-journal-prefix'])
    for (const file of there ? [] : readdirSync(join(cases, folder)))
      needs(there).test(`${folder}/${file}`, async () => {
        const { named, gaps, damage } = await judged(`${folder}/${file}`)
        expect([gaps, damage]).toEqual([0, []])
        if (file.includes('nostacks')) expect(named.map(({ kind }) => kind)).toEqual([])
        else expect(named).toEqual(leak)
      })
})

needs(there).describe('perf.data without tracepoints', () => {
  needs(there).test('says what it holds and how to record', async () => {
    for (const file of ['cycles.perf.data', 'piped.perf.data'])
      await expect(openFile(join(cases, '06-perf-data-no-tracepoints', file))).rejects.toThrow(
        /expected page_ref events, found no tracepoint, only [\w -]+.*: record them with perf record -a -g -e 'page_ref:\*'/,
      )
  })
})
