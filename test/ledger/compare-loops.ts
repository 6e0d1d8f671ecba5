// SPDX-License-Identifier: GPL-2.0-or-later
/** Compares the hot loop in WebAssembly with the tracker in TypeScript: after the same events no column of theirs may differ. */
import { readdirSync } from 'node:fs'
import { expect } from 'vitest'
import { LearningTracker } from '../../src/ledger/learn/learning-tracker.ts'
import type { Tracker } from '../../src/ledger/track/tracker.ts'
import { type EventBatch, type Frame, Op, type Recording } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'
import {
  cutRows,
  loseRows,
  readRows,
  recordingOf,
  shiftClock,
  withoutStacks,
} from '../../testkit/histories/variants.ts'
import { random } from '../../testkit/random.ts'

type Options = ConstructorParameters<typeof LearningTracker>[1]

async function read(recording: Recording, options: Options): Promise<LearningTracker> {
  const first = new LearningTracker(recording.stacks, options, recording.info)
  // Such a recording delivers its events once, each batch in memory of its own.
  const batches: EventBatch[] = []
  for await (const batch of recording.batches()) batches.push(batch)
  for (const batch of batches) first.add(batch)
  first.finish()
  const ledger = new LearningTracker(recording.stacks, options, recording.info, first)
  for (const batch of batches) ledger.add(batch)
  expect(ledger.events + ledger.skipped).toBeGreaterThan(0)
  return ledger
}

/** All that a tracker knows, as far as the hot loop may have a hand in it. */
function knownTo(ledger: Tracker): Record<string, unknown> {
  const { pages, nodes, log, kinds, tasks, pagemaps, lives, events, skipped } = ledger
  const known: Record<string, unknown> = { lives, events, skipped, free: nodes.free, next: nodes.next, end: nodes.end }
  const columns = (name: string, table: object, length: number) => {
    for (const [field, value] of Object.entries(table))
      if (ArrayBuffer.isView(value)) known[`${name}.${field}`] = Array.from((value as Int32Array).subarray(0, length))
  }
  columns('pages', pages, pages.length)
  columns('log', log, log.length)
  columns('kinds', kinds, kinds.size)
  columns('tasks', tasks.activity, Infinity)
  known['tasks.signatures'] = Array.from(tasks.signatures)
  known.pagemaps = pagemaps.list.map(({ lives, pages: seen, votes, ...others }) => ({
    ...others,
    lives,
    seen,
    votes: { ...votes },
  }))
  known.run = pagemaps.run
  const tails = [...pages.tail.subarray(0, pages.length), ...log.tail.subarray(0, log.length)]
  known.chains = tails.map(tail => (tail < 0 ? [] : nodes.chain(tail)))
  return known
}

/** Reads a recording both ways, twice each as an account does, and compares what the trackers know. */
export async function compare(make: () => Recording, options: Options = {}): Promise<void> {
  const fast = await read(make(), options)
  const plain = await read(make(), { ...options, isPlain: true })
  expect(knownTo(fast)).toEqual(knownTo(plain))
  fast.finish()
  plain.finish()
  expect(knownTo(fast)).toEqual(knownTo(plain))
  expect(fast.anomalies.list).toEqual(plain.anomalies.list)
}

const folder = new URL('recordings/', import.meta.url).pathname

/** The recordings of real kernels that the repository has. */
export const RECORDINGS = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.dat'))
  .sort()

/** Compares a recording of a real kernel: whole, without stacks, and with losses and clocks that differ. */
export async function compareRecording(name: string): Promise<void> {
  const rows = await readRows(folder + name, undefined)
  await compare(() => recordingOf(rows))
  await compare(() => recordingOf(withoutStacks(rows), 512))
  const lossy = loseRows(cutRows(rows, 0.2, 0.9), random(name.length), 0.4, 100)
  await compare(() => recordingOf(shiftClock(lossy, 1, 15_000), 512), { allPages: true })
}

/** Compares events that no kernel writes. */
export async function compareNoise(seed: number): Promise<void> {
  for (const rows of [noise(seed), initialisations(seed)]) {
    await compare(() => fakeRecording(rows, [], { batch: 300 }))
    await compare(() => fakeRecording(rows, [], { batch: 300 }), { allPages: true, protocol: 'A' })
  }
}

const EXTREMES = [0, 1, -1, 2, 64, 2 ** 31 - 1, -(2 ** 31)]
const PFNS = [0, 1, 1023, 1024, 2 ** 32 - 1, 2 ** 43, 2 ** 53 - 1, 2 ** 64 - 2 ** 12]
const NAMES = ['memmap_init_zone_device', 'zone_device_page_init', 'zd_get', 'zd_put', 'do_swap_page']
const frame = (name: string): Frame => ({ address: BigInt(name.length), name, offset: 4, module: undefined })

/** Mostly hand-outs, gets and puts of few pages, with anything in between. */
function noise(seed: number): Row[] {
  const r = random(seed)
  const counts = new Map<number, number>()
  return Array.from({ length: 1200 }, (_, i) => {
    const isOdd = r.chance(0.05)
    const pfn = isOdd ? r.pick(PFNS) : 0x1000 + r.int(0, 7)
    const present = counts.get(pfn) ?? 0
    const val = isOdd ? r.pick(EXTREMES) : present === 0 ? 1 : r.pick([1, -1])
    const op = isOdd
      ? r.int(0, 10)
      : present === 0
        ? Op.SET
        : val < 0
          ? Op.MOD_AND_TEST
          : r.pick([Op.MOD, Op.MOD_UNLESS])
    const next = op === Op.SET ? val : present + val
    counts.set(pfn, next)
    const pid = isOdd ? r.pick(EXTREMES) : r.int(0, 4)
    const stack = seed % 2 === 0 ? undefined : [frame(r.pick(NAMES)), frame('kthread')]
    const ret = isOdd ? r.pick(EXTREMES) : Number(op === Op.MOD_UNLESS ? r.chance(0.8) : next === 0)
    return {
      time: i * 100,
      cpu: isOdd ? r.int(0, 4095) : r.int(0, 1),
      op: op as Op,
      pid,
      pfn,
      val,
      ret,
      count: next,
      stack,
    }
  })
}

const setOne = (time: number, pfn: number): Row => {
  const stack = [frame('__init_single_page'), frame('memmap_init_zone_device')]
  return { time, cpu: 0, op: Op.SET, pid: 1, pfn, val: 1, ret: 0, count: 1, mapcount: 0, flagsLow: 0, stack }
}

/** One pagemap that is initialised as by most kernels. */
export function initialisation(pages: number): Row[] {
  return Array.from({ length: pages }, (_, n) => setOne(n * 200, 0x8000 + n)).flatMap(row => [
    row,
    { ...row, time: row.time + 100, val: 0, count: 0 },
  ])
}

/** Pagemaps that are initialised again and again, by sets of which many are left out, odd, or followed by uses of their page. */
function initialisations(seed: number): Row[] {
  const r = random(seed + 1000)
  const rows: Row[] = []
  const device = [frame('__init_single_page'), frame('memmap_init_zone_device')]
  const stacks = [undefined, undefined, device, [...device, frame('pmem_attach_disk')], [frame(r.pick(NAMES))]]
  let oddity = 0
  const add = (pfn: number, others: Partial<Row>) => {
    const odd: Partial<Row>[] = [
      { pfn: r.pick(PFNS) },
      { mapcount: r.int(-1, 2) },
      { flagsLow: 1 },
      { pid: 3 },
      { val: 2 },
      { val: 0 },
      { stack: r.pick(stacks) },
    ]
    rows.push({
      ...setOne(rows.length * 100, pfn),
      mapcount: seed % 2,
      ...others,
      ...(r.chance(oddity) ? r.pick(odd) : {}),
    })
  }
  for (let turn = 0; turn < 16; turn++) {
    const first = r.pick([0x8000, 0x8040, 0xf_fff0, 0x10000 * turn])
    const [hasSecond, step, usage] = [r.chance(0.7), r.pick([1, 1, 512, -1]), r.pick([0, 0, 0.02, 0.2])]
    oddity = r.pick([0, 0.005, 0.05])
    const same = { pid: r.int(1, 2), stack: r.pick(stacks) }
    for (let n = 0; n < 200; n++) {
      const pfn = first + n * step
      if (!r.chance(0.01)) add(pfn, { ...same, val: 1 })
      if (hasSecond && !r.chance(0.01)) add(pfn, { ...same, val: 0, count: 0 })
      if (r.chance(usage)) add(pfn, { pid: same.pid, stack: undefined, op: r.pick([Op.SET, Op.MOD]) })
    }
  }
  return rows
}
