// SPDX-License-Identifier: GPL-2.0-or-later
// The loop in WebAssembly reads what the generated walk reads, of whole recordings and of damaged ones.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { DecodeJob } from '../../../src/trace/tracedat/block-decoder.ts'
import { ROWS } from '../../../src/trace/tracedat/walk-region.ts'
import { type Random, random } from '../../../testkit/random.ts'
import {
  commonFields,
  type EventSpec,
  pageRefEvents,
  type SynthRecord,
  writeTraceDat,
} from '../../../testkit/writers/tracedat.ts'
import { makeCase } from '../../fuzz/cases.ts'
import { RECORDING_SEEDS } from '../../fuzz/seeds.ts'
import { bothWays, type Contents, contentsOf, isReadByLoop, unpackedJob } from '../../support/both-walks.ts'

const EXAMPLES = ['dax-6.12', 'leak-6.12', 'migrate-6.12', 'ok-7.3', 'race-5.10', 'surplus-put-5.10', 'unload-6.12']

const SEEDS = RECORDING_SEEDS.filter(({ kind }) => /^(probes-)?v[67]/.test(kind))
const FILES: [string, () => Uint8Array][] = [
  ...SEEDS.map(({ kind, make }): [string, () => Uint8Array] => [kind, () => make().bytes]),
  ...EXAMPLES.map((name): [string, () => Uint8Array] => [name, () => readFileSync(`examples/${name}/trace.dat`)]),
]

/** Changes a few bytes of sub-buffers: lengths, times, ids and fields alike, and now and then a whole sub-buffer's `commit`. */
function damage(bytes: Uint8Array, pageSize: number, random: Random): void {
  for (let n = random.int(1, 12); n > 0; n--) {
    const page = random.int(0, Math.floor(bytes.length / pageSize) - 1) * pageSize
    const at = page + (random.chance(0.2) ? random.int(0, 15) : random.int(0, pageSize - 1))
    const value = random.pick([0, 0xff, 0x1d, 0x1e, 0x1f, 0x80, 0x40, bytes[at]! ^ (1 << random.int(0, 7))])
    bytes.fill(value, at, Math.min(bytes.length, at + random.pick([1, 1, 1, 4])))
  }
}

async function jobsOf({ setup, jobs }: Contents, most: number): Promise<DecodeJob[]> {
  const unpacked: DecodeJob[] = []
  for await (const job of jobs()) if (unpacked.push(await unpackedJob(job, setup)) === most) break
  return unpacked
}

describe.each(FILES)('%s', (_, make) => {
  it('is read alike', async () => {
    const contents = (await contentsOf(make()))!
    let events = 0
    for await (const { loop, walk } of bothWays(contents.setup, contents.jobs())) {
      expect(loop).toEqual(walk)
      events += loop.state.events
    }
    expect(events).toBeGreaterThan(40)
  })

  it('is read alike when damaged', async () => {
    const contents = (await contentsOf(make()))!
    const { plan } = contents.setup
    const source = random(11)
    const whole = await jobsOf(contents, 2)
    let damaged = 0
    for (let round = 0; round < 60; round++) {
      const jobs = whole.map(job => ({ ...job, bytes: job.bytes.slice(0, 1 << 14) }))
      for (const { bytes } of jobs) damage(bytes, plan.layout.pageSize, source)
      for await (const { loop, walk } of bothWays({ plan, compression: 'none' }, jobs)) {
        expect(loop).toEqual(walk)
        damaged += loop.state.damage.length
      }
    }
    expect(damaged).toBeGreaterThan(20)
  })
})

it('reads mutants of whole files alike', async () => {
  let read = 0
  for (let index = 0; index < 600; index++) {
    const contents = await contentsOf(makeCase(3, index, index % 2 ? 'v' : 'probes-v').bytes).catch(() => undefined)
    if (!contents || !isReadByLoop(contents.setup)) continue
    for await (const { loop, walk } of bothWays(contents.setup, contents.jobs()))
      expect(loop, `case ${index}`).toEqual(walk)
    read++
  }
  expect(read).toBeGreaterThan(100)
})

const comm = (name: string) => ({ name, type: 'char', size: 1, signed: true, count: 16 })
const int = (name: string) => ({ name, type: 'int', size: 4, signed: true })
const SWITCH: EventSpec = {
  system: 'sched',
  name: 'sched_switch',
  id: 300,
  fields: [...commonFields(), comm('prev_comm'), int('prev_pid'), comm('next_comm'), int('next_pid')],
  print: '"prev_comm=%s", REC->prev_comm',
}

/** More events and stacks in one block than the loop has room for, at all levels of interrupts, and tasks that switch. */
function* busyRecords(): Generator<SynthRecord> {
  const letters = (name: string) => [...name].map(letter => letter.charCodeAt(0))
  for (let i = 0; i < 5000; i++) {
    const time = BigInt(1000 + i * 10)
    const pid = 40 + (i % 3)
    const flags = [0, 0x10, 0x18, 0x58][i % 4]!
    const values = { pfn: 0x1_0000_0000 + i, flags: 2n ** 40n + BigInt(i), count: i, val: i % 2 ? 1 : -1 }
    yield { kind: 'event', time, event: 'page_ref_mod', pid, flags, values }
    if (i % 100 === 0) {
      const next_comm = letters(`task ${i}`)
      yield { kind: 'event', time, event: 'sched_switch', values: { next_comm, next_pid: 1000 + i } }
    }
    // Now and then the stack of another task, which is not the event's.
    yield { kind: 'stack', time, pid: i % 50 ? pid : 1, frames: [BigInt(i % 700), 7n] }
  }
}

it.each(['none', 'zlib', 'zstd'] as const)('reads more than it has room for alike: %s', async compression => {
  const cpus = new Map([[0, [...busyRecords()]]])
  const events = [...pageRefEvents(8), SWITCH]
  const { bytes } = writeTraceDat({
    version: 7,
    compression,
    pageSize: 4096,
    chunkPages: 200,
    events,
    buffers: [{ name: '', cpus }],
  })
  const contents = (await contentsOf(bytes))!
  expect(isReadByLoop(contents.setup)).toBe(true)
  const blocks = []
  for await (const { loop, walk } of bothWays(contents.setup, contents.jobs())) {
    expect(loop).toEqual(walk)
    blocks.push(loop.state)
  }
  expect(blocks[0]!.row).toBeGreaterThan(ROWS)
  expect(blocks.reduce((sum, { row }) => sum + row, 0)).toBe(5000)
  expect(blocks.flatMap(({ names }) => [...names.keys()])).toContain(1900)
})

it('is not used for the other byte order, nor for fields and ids that it does not know', async () => {
  const cpus = new Map([[0, [{ kind: 'event' as const, time: 1n, event: 'page_ref_set' }]]])
  const of = async (spec: { bigEndian?: boolean; longSize?: 4 | 8; pageSize?: number }) => {
    const events = pageRefEvents(spec.longSize ?? 8)
    const { bytes } = writeTraceDat({ version: 7, ...spec, events, buffers: [{ name: '', cpus }] })
    return (await contentsOf(bytes))!.setup
  }
  const usual = await of({})
  expect(isReadByLoop(usual)).toBe(true)
  expect(isReadByLoop(await of({ longSize: 4 }))).toBe(true)
  expect(isReadByLoop(await of({ bigEndian: true }))).toBe(false)
  expect(isReadByLoop(await of({ pageSize: 1 << 17 }))).toBe(false)
  const { plan } = usual
  const [first, second] = plan.records
  const other = (records: typeof plan.records) => ({ ...usual, plan: { ...plan, records } })
  const short = new Map([...first!.fields, ['count', { ...first!.fields.get('count')!, size: 2 }]])
  expect(isReadByLoop(other([{ ...first!, fields: short }]))).toBe(false)
  expect(isReadByLoop(other([{ ...first!, id: 1 << 16 }]))).toBe(false)
  expect(isReadByLoop(other([first!, { ...second!, id: first!.id }]))).toBe(false)
})
