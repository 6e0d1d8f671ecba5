// SPDX-License-Identifier: GPL-2.0-or-later
// A whole recording as columns, held against its events one by one and against the ledger's own lives.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readLedger, summarise } from '../../src/ledger/account.ts'
import { pageLifeJson } from '../../src/report/page-life.ts'
import { type Timeline, TimelineRecorder } from '../../src/report/timeline.ts'
import { traceJson } from '../../src/report/trace.ts'
import { BytesSource } from '../../src/trace/bytes.ts'
import { openRecording } from '../../src/trace/open.ts'
import type { TraceJson } from '../../web/src/documents.ts'
import type { PageLife } from '../../web/src/messages.ts'
import { dataPath, haveData } from '../support/data.ts'
import { root } from './built.ts'

async function read(path: string) {
  const bytes = new Uint8Array(readFileSync(path))
  const recording = await openRecording(new BytesSource('trace.dat', bytes))
  const recorder = new TimelineRecorder()
  const ledger = await readLedger(recorder.tap(recording))
  const made = summarise(recording, ledger)
  return { recording, ledger, trace: traceJson(made, made.findings, []) as TraceJson, ...recorder.finish(ledger) }
}

/** The recorded events of each page, in order of time. */
async function plain(path: string): Promise<Map<number, { time: number; count: number }[]>> {
  const recording = await openRecording(new BytesSource('trace.dat', new Uint8Array(readFileSync(path))))
  const pages = new Map<number, { time: number; count: number }[]>()
  for await (const { order, length, pfn, time, count } of recording.batches()) {
    for (const i of order.subarray(0, length)) {
      const list = pages.get(pfn[i]!) ?? []
      list.push({ time: time[i]!, count: count[i]! })
      pages.set(pfn[i]!, list)
    }
  }
  return pages
}

const example = join(root, 'examples/leak-6.12/trace.dat')

function eventsOf({ start, time, count }: Timeline, p: number) {
  return Array.from(time.subarray(start[p], start[p + 1]), (each, i) => ({ time: each, count: count[start[p]! + i]! }))
}

test('every event of every counted page is there, once, in order, with its count', async () => {
  const { timeline } = await read(example)
  const pages = await plain(example)
  expect(timeline.pfns.length).toBeGreaterThan(100)
  expect(Array.from(timeline.pfns)).toEqual([...pages.keys()].filter(pfn => pfn >= 0xfcf8000).sort((a, b) => a - b))
  // One CPU worked on each page of this recording, so that what it read is what the operation left.
  for (const [p, pfn] of timeline.pfns.entries()) expect(eventsOf(timeline, p)).toEqual(pages.get(pfn))
  expect(timeline.density.reduce((sum, each) => sum + each, 0)).toBe(timeline.time.length)
})

test("a page's life has the events and the pairs that the finding on it has", async () => {
  const made = await read(example)
  const [finding] = made.trace.findings
  const p = made.timeline.pfns.indexOf(Number(finding!.pfn))
  const told = pageLifeJson(made, p, made.timeline.start[p + 1]! - 1) as PageLife
  expect(JSON.parse(JSON.stringify(told.life))).toEqual(JSON.parse(JSON.stringify(finding!.life)))
  const earlier = pageLifeJson(made, p, made.timeline.start[p]! + 1) as PageLife
  expect(earlier.life.ended).not.toBeNull()
  expect(earlier.life.events.every(event => event.partner !== null)).toBe(true)
  expect(earlier.life.events.at(-1)!.count).toBe(earlier.idle)
})

test.skipIf(!haveData('6.12/zdbug-ok'))(
  'every life of a clean recording begins and ends idle, and all is paired',
  async () => {
    const made = await read(dataPath('6.12/zdbug-ok/trace.dat'))
    const { timeline } = made
    let lives = 0
    for (let p = 0; p < timeline.pfns.length; p++) {
      for (let at = timeline.start[p]!; at < timeline.start[p + 1]!; lives++) {
        const { life } = pageLifeJson(made, p, at) as PageLife
        expect(life.events.filter(event => event.partner === null && life.ended !== null)).toEqual([])
        at += Math.max(1, life.events.length)
      }
    }
    expect(lives).toBeGreaterThan(200)
  },
)
