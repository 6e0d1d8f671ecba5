// SPDX-License-Identifier: GPL-2.0-or-later
// A whole recording as columns, held against its events one by one and against the ledger's own lives.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readLedger, summarise } from '../../src/ledger/account.ts'
import { LearningTracker } from '../../src/ledger/learn/learning-tracker.ts'
import { pageLifeJson } from '../../src/report/page-life.ts'
import { TimelineRecorder } from '../../src/report/recorder.ts'
import { lifeAround, type Timeline } from '../../src/report/timeline.ts'
import { traceJson } from '../../src/report/trace-json.ts'
import { newBatch } from '../../src/trace/common/batch.ts'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import { type Frame, Op } from '../../src/trace/events.ts'
import { openRecording } from '../../src/trace/open.ts'
import { data, dataPath } from '../../testkit/data.ts'
import type { TraceJson } from '../../web/src/documents.ts'
import type { PageLife } from '../../web/src/messages.ts'
import { needs } from '../support/needs.ts'
import { root } from './built.ts'

async function read(path: string) {
  const bytes = new Uint8Array(readFileSync(path))
  const recording = await openRecording(new BytesSource('trace.dat', bytes))
  const recorder = new TimelineRecorder()
  const ledger = await readLedger(recorder.tap(recording))
  const made = summarise(recording, ledger)
  const timeline = recorder.timeline(ledger)
  recorder.sort()
  return { recording, ledger, trace: traceJson(made, []) as TraceJson, timeline, recorder }
}

/** The life around an event, as the viewer asks for it. */
function lifeOf(made: Awaited<ReturnType<typeof read>>, page: number, at: number): PageLife {
  const { from, to } = lifeAround(made.timeline, page, at)
  return pageLifeJson(made, { page, from, to, times: made.timeline.time.slice(from, to) }) as PageLife
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
  const told = lifeOf(made, p, made.timeline.start[p + 1]! - 1)
  expect(JSON.parse(JSON.stringify(told.lifetime))).toEqual(JSON.parse(JSON.stringify(finding!.lifetime)))
  const earlier = lifeOf(made, p, made.timeline.start[p]! + 1)
  expect(earlier.lifetime.ended).not.toBeNull()
  expect(earlier.lifetime.events.every(event => event.partner !== null)).toBe(true)
  expect(earlier.lifetime.events.at(-1)!.count).toBe(earlier.idle)
})

needs(data('6.12/zdbug-ok')).test(
  'every life of a clean recording begins and ends idle, and all is paired',
  async () => {
    const made = await read(dataPath('6.12/zdbug-ok/trace.dat'))
    const { timeline } = made
    let lives = 0
    for (let p = 0; p < timeline.pfns.length; p++) {
      for (let at = timeline.start[p]!; at < timeline.start[p + 1]!; lives++) {
        const { lifetime: life } = lifeOf(made, p, at)
        expect(life.events.filter(event => event.partner === null && life.ended !== null)).toEqual([])
        at += Math.max(1, life.events.length)
      }
    }
    expect(lives).toBeGreaterThan(200)
  },
)

// --- counts -------------------------------------------------------------------------------------------------------------------

interface Given {
  page: number
  op: Op
  val: number
  ret: number
  count: number
  /** A gap ends with this event. */
  gap: boolean
}

const given: fc.Arbitrary<Given> = fc.record({
  page: fc.nat(2),
  op: fc.constantFrom(Op.SET, Op.MOD, Op.MOD_AND_TEST, Op.MOD_AND_RETURN, Op.MOD_UNLESS, Op.FREEZE),
  val: fc.integer({ min: -2, max: 2 }),
  ret: fc.nat(1),
  count: fc.integer({ min: -1, max: 5 }),
  gap: fc.boolean(),
})

/** What the operation left, where it says so itself, and by how much it changed the count. */
function effect({ op, val, ret }: Given): { left?: number; change: number } {
  if (op === Op.SET) return { left: val, change: 0 }
  if (op === Op.MOD_AND_RETURN) return { left: ret, change: val }
  if (op === Op.MOD_UNLESS) return { change: ret ? val : 0 }
  if (op === Op.FREEZE) return ret ? { left: 0, change: -val } : { change: 0 }
  return op === Op.MOD_AND_TEST && ret ? { left: 0, change: val } : { change: val }
}

function counts(events: Given[]): number[][] {
  const pages: number[][] = [[], [], []]
  const known = [false, false, false]
  for (const event of events) {
    if (event.gap) known.fill(false)
    const { left, change } = effect(event)
    const before = pages[event.page]!.at(-1)
    pages[event.page]!.push(left ?? (known[event.page] ? before! + change : event.count))
    known[event.page] = true
  }
  return pages
}

test('counts are added up from one certain value to the next; behind lost events the recorded one stands', () => {
  fc.assert(
    fc.property(fc.array(given, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (events, size) => {
      const recorder = new TimelineRecorder()
      const batch = newBatch(size)
      for (let at = 0; at < events.length; at += size) {
        const part = events.slice(at, at + size)
        batch.length = part.length
        batch.lost = part.flatMap(({ gap }, i) => (gap ? [{ cpu: 0, from: 0, to: at + i, count: 1 }] : []))
        part.forEach((event, i) => {
          batch.time[i] = at + i
          batch.pfn[i] = event.page
          for (const column of ['op', 'val', 'ret', 'count'] as const) batch[column][i] = event[column]
        })
        recorder.add(batch)
      }
      const stacks = { size: 1, frames: () => new Uint32Array(0), frame: () => ({}) as Frame }
      const ledger = new LearningTracker(stacks, { allPages: true })
      for (const page of [0, 1, 2]) ledger.pages.add(page, ledger.pagemaps.covering(page), 0)
      const timeline = recorder.timeline(ledger)
      recorder.sort()
      const wanted = counts(events)
      for (const [p, pfn] of timeline.pfns.entries()) {
        expect(eventsOf(timeline, p).map(event => event.count)).toEqual(wanted[pfn])
        const kept = Array.from(wanted[pfn]!, (_, i) => recorder.event(timeline.start[p]! + i).count)
        expect(kept).toEqual(wanted[pfn])
      }
      expect(timeline.time.length).toBe(events.length)
    }),
  )
})
