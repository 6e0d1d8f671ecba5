// SPDX-License-Identifier: GPL-2.0-or-later
// Real recordings made harder: begun late, ended early, with events lost or filtered out, with clocks that differ. Whatever is
// missing, nobody innocent is accused.
import { expect, test } from 'vitest'
import { ACCUSATIONS, account, type Finding } from '../../src/ledger/index.ts'
import { Op } from '../../src/trace/events.ts'
import { type DataRecording, dataRecordings } from '../../testkit/data-recordings.ts'
import {
  cutRows,
  filterRows,
  loseRows,
  type Rows,
  readRows,
  recordingOf,
  roundTimes,
  shiftClock,
  withoutStacks,
} from '../../testkit/histories/variants.ts'
import { random } from '../../testkit/random.ts'
import { needs, some } from '../support/needs.ts'

/** Rows are objects here, so the largest recordings are left to data.test.ts. */
const MOST_EVENTS = 60_000

const recordings = dataRecordings().filter(({ truth }) => (truth.events ?? 0) <= MOST_EVENTS)

const say = ({ kind, pfn, certainty, culprit }: Finding) =>
  `${kind} 0x${pfn.toString(16)} ${culprit?.frame?.name} ${certainty}`

async function accusationsOf(rows: Rows): Promise<Finding[]> {
  const { findings } = await account(recordingOf(rows))
  return findings.filter(({ kind }) => ACCUSATIONS.has(kind))
}

/** Accusations of pages on which nothing was planted. */
function innocent(found: Finding[], { truth }: DataRecording): string[] {
  // After a page was filed as free twice the driver hands out pages that are in use: true findings, of any page.
  if (truth.cascade === 'any') return []
  const guilty = new Set(truth.expect?.map(({ pfn }) => Number(pfn)))
  return found.filter(({ pfn }) => !guilty.has(pfn)).map(say)
}

needs(some(recordings)).describe('recordings of real kernels, made harder', () => {
  test.each(recordings.map(recording => [recording.name, recording] as const))('%s', async (name, recording) => {
    const rows = await readRows(recording.file, recording.kallsyms)
    const r = random(name.length * 7919)
    const heavy = rows.rows.length > 25_000
    for (let i = 0; i < (heavy ? 3 : 6); i++) {
      const from = i % 3 === 1 ? 0 : r()
      const to = i % 3 === 0 ? 1 : from + (1 - from) * r()
      const found = await accusationsOf(cutRows(rows, from, to))
      expect(innocent(found, recording), `events from ${from} to ${to} of all`).toEqual([])
    }
    for (let i = 0; i < (heavy ? 1 : 4); i++) {
      const [from, length] = [r(), r.int(1, 300)]
      const found = await accusationsOf(loseRows(rows, r, from, length))
      expect(innocent(found, recording), `${length} events lost from ${from} of all`).toEqual([])
    }
  })
})

/** How much the clocks of two CPUs may differ. */
const CLOCKS = [-15_000, 3000, 15_000]

const DISTORTIONS: [string, (all: Rows) => Rows][] = [
  ['times in microseconds', roundTimes],
  ['without stacks', withoutStacks],
  ...CLOCKS.map((by): [string, (all: Rows) => Rows] => [`a clock off by ${by} ns`, all => shiftClock(all, 1, by)]),
  ['half of the pages', all => filterRows(all, ({ pfn }) => pfn % 2 === 0)],
]

/** What is filtered out without a word in the recording: by event, by CPU. */
const FILTERS: [string, (all: Rows) => Rows][] = [
  ['no sets', all => filterRows(all, ({ op }) => op !== Op.SET)],
  ['no gets', all => filterRows(all, ({ op }) => op !== Op.MOD)],
  ['no conditional gets', all => filterRows(all, ({ op }) => op !== Op.MOD_UNLESS)],
  ['no puts', all => filterRows(all, ({ op }) => op !== Op.MOD_AND_TEST && op !== Op.MOD_AND_RETURN)],
  ['one CPU', all => filterRows(all, ({ cpu }) => cpu === 0)],
]

const innocents = recordings.filter(({ truth }) => truth.expect?.length === 0)

needs(some(innocents)).describe('well-behaved recordings, distorted', () => {
  test.each(innocents.map(recording => [recording.name, recording] as const))('%s', async (_, recording) => {
    const rows = await readRows(recording.file, recording.kallsyms)
    for (const [name, distort] of DISTORTIONS) expect((await accusationsOf(distort(rows))).map(say), name).toEqual([])
    for (const [name, filter] of FILTERS) {
      const filtered = filter(rows)
      if (filtered.rows.length > 0) expect((await accusationsOf(filtered)).map(say), name).toEqual([])
    }
  })
})
