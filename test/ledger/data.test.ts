// SPDX-License-Identifier: GPL-2.0-or-later
// Every recording of a real kernel gives exactly what its truth.json says.
import { openSync, readFileSync, readSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ACCUSATIONS, type Account, account, type Finding } from '../../src/ledger/index.ts'
import { openFile } from '../../src/node/open.ts'
import {
  type DataRecording,
  type DataTruth,
  dataRecordings,
  type ExpectedFinding,
} from '../../testkit/data-recordings.ts'
import { namesAny } from '../support/named.ts'
import { needs, some } from '../support/needs.ts'

const recordings = dataRecordings()

function say({ kind, pfn, culprit, certainty }: Finding): string {
  return `${kind} 0x${pfn.toString(16)} ${culprit?.frame?.name ?? '(no stack)'} ${certainty}`
}

/** Text recordings may have been made without stacks; of the others with a planted bug all have them. */
function hasStacks({ file }: DataRecording): boolean {
  if (!file.endsWith('.txt')) return true
  const start = Buffer.alloc(1 << 16)
  readSync(openSync(file, 'r'), start)
  return start.includes('<stack trace>')
}

function answers(finding: Finding, wanted: ExpectedFinding, stacks: boolean): boolean {
  const named = !stacks || wanted.function === undefined || namesAny(finding, wanted.function)
  return wanted.kind.includes(finding.kind) && Number(wanted.pfn) === finding.pfn && named
}

function checkFindings({ findings }: Account, wanted: ExpectedFinding[], stacks: boolean): void {
  const accusations = findings.filter(finding => ACCUSATIONS.has(finding.kind))
  const wrong = accusations.filter(finding => !wanted.some(one => answers(finding, one, stacks)))
  expect(wrong.map(say), 'false accusations').toEqual([])
  const missed = wanted.filter(one => !one.optional && !accusations.some(finding => answers(finding, one, stacks)))
  expect(missed, 'missed').toEqual([])
  expect(accusations.length, 'one finding for one fault').toBeLessThanOrEqual(wanted.length)
}

/** Device pages that were read at another count than the free one, after the recording had ended. */
function pagesInUse(truth: DataTruth): number | undefined {
  if (truth.countsAtEnd === undefined) return undefined
  const idle = new Set([0, truth.pfnRanges?.[0]?.free_count ?? 0])
  const used = Object.entries(truth.countsAtEnd).filter(([key]) => !idle.has(Number(/refcount (-?\d+)/.exec(key)![1])))
  return used.reduce((sum, [, pages]) => sum + pages, 0)
}

function checkHeld({ findings }: Account, truth: DataTruth): void {
  const held = findings.filter(finding => finding.kind === 'held-at-end')
  const inUseByRight = new Set(Object.keys(truth.countsNotIdleWhenSettled ?? {}).map(Number))
  const wrong = held.filter(({ pfn, certainty }) => certainty === 'certain' && !inUseByRight.has(pfn))
  if (truth.expect?.length === 0) expect(wrong.map(say), 'all other references came back').toEqual([])
  const inUse = pagesInUse(truth)
  if (inUse !== undefined) expect(new Set(held.map(finding => finding.pfn)).size).toBeLessThanOrEqual(inUse)
}

async function accountOf({ file, kallsyms }: DataRecording): Promise<Account> {
  const recording = await openFile(file, kallsyms ? { kallsyms: [readFileSync(kallsyms, 'utf8')] } : {})
  try {
    return await account(recording)
  } finally {
    await recording.close()
  }
}

needs(some(recordings)).describe('recordings of real kernels', () => {
  test.each(recordings.map(recording => [recording.name, recording] as const))('%s', async (_, recording) => {
    const found = await accountOf(recording)
    const { truth } = recording
    checkFindings(found, truth.expect ?? [], hasStacks(recording))
    checkHeld(found, truth)
    if (truth.events !== undefined) expect(found.events + found.skipped).toBe(truth.events)
    if (truth.droppedMarkers === 0) expect(found.lost.gaps).toBe(0)
  })
})
