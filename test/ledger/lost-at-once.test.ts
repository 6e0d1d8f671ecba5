// SPDX-License-Identifier: GPL-2.0-or-later
// A job that is lost with all its pages: as much as a fault, it may be with somebody who stopped and goes on yet.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account } from '../../src/ledger/index.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { checkEvidence } from '../../testkit/evidence-check.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'
import { namesOf } from '../support/named.ts'

const FIRST_PFN = 0x150000
/** Pages of each job. */
const JOB = 4
const PAGES = 16

const frame = (name: string): Frame => ({ address: 0n, name, offset: undefined, module: undefined })
const SUBMIT = ['job_pin', 'job_submit', 'kthread'].map(frame)
const COMPLETE = ['job_complete', 'device_thread', 'kthread'].map(frame)
const ALLOC = ['job_alloc', 'client_thread', 'kthread'].map(frame)
const FREE = ['job_free', 'client_thread', 'kthread'].map(frame)
const SETUP = ['__init_zone_device_page', 'memmap_init_zone_device', 'memremap_pages', 'job_probe'].map(frame)

/** Jobs one after the other, of one client and one device, of which some are never completed. */
function jobs(number: number, lost: readonly number[]): Row[] {
  const rows: Row[] = []
  const counts = new Map<number, number>()
  const put = (pfn: number, op: Op, val: number, pid: number, stack: readonly Frame[], more: Partial<Row> = {}) => {
    const count = op === Op.SET ? val : counts.get(pfn)! + val
    counts.set(pfn, count)
    const ret = Number(op === Op.MOD_AND_TEST && count === 0)
    rows.push({ time: (rows.length + 1) * 1_000_000, cpu: 0, op, pid, pfn, val, ret, count, stack, ...more })
  }
  const free = Array.from({ length: PAGES }, (_, page) => FIRST_PFN + page)
  for (const pfn of free)
    for (const val of [1, 0]) put(pfn, Op.SET, val, 300, SETUP, { flagsLow: val === 1 ? 0 : 0x2000 })
  for (let job = 0; job < number; job++) {
    const pages = free.splice(0, JOB)
    for (const pfn of pages) put(pfn, Op.SET, 1, 301, ALLOC)
    const isLost = lost.includes(job)
    // Some pages are used by no job, which tells the references of jobs from those of hand-outs.
    const isUsed = job % 5 !== 4
    if (isUsed) for (const pfn of pages) put(pfn, Op.MOD, 1, 301, SUBMIT)
    if (isUsed && !isLost) for (const pfn of pages) put(pfn, Op.MOD_AND_TEST, -1, 302, COMPLETE)
    for (const pfn of pages) put(pfn, Op.MOD_AND_TEST, -1, 301, FREE)
    if (!isLost) free.push(...pages)
  }
  return rows
}

async function accused(rows: readonly Row[]): Promise<string[]> {
  const made = await account(fakeRecording(rows))
  const { wrong, checked } = await checkEvidence(fakeRecording(rows), made)
  expect(wrong).toEqual([])
  expect(checked).toBeGreaterThan(0)
  return made.findings
    .filter(({ kind }) => ACCUSATIONS.has(kind))
    .map(found => {
      expect(found.evidence).toContain(
        `${JOB} gets of that law were overtaken by more than any whose references came back: one holder who stopped may have what they took, and give it back yet`,
      )
      return `${found.kind} on ${found.pfn - FIRST_PFN} ${found.certainty}, ${found.culpritCertainty} ${namesOf(found).join(' or ')}`
    })
}

test('a job that is lost after many others came back is possibly a leak', async () => {
  expect(await accused(jobs(80, [30]))).toEqual(
    [8, 9, 10, 11].map(page => `leak on ${page} possible, possible job_pin`),
  )
})

test.each([
  ['before others came back, as a table that is filled at the start', jobs(80, [10])],
  ['of few that came back', jobs(22, [8])],
])('but not one %s', async (_, rows) => {
  expect(await accused(rows)).toEqual([])
})
