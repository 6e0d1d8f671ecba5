// SPDX-License-Identifier: GPL-2.0-or-later
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { BlobSource, BytesSource } from '../../../src/trace/common/bytes.ts'
import { LossTracker } from '../../../src/trace/common/loss-tracker.ts'
import type { OpenOptions } from '../../../src/trace/events.ts'
import { openPerf } from '../../../src/trace/perfdata/recording.ts'
import { SampleOrder, sortByTime } from '../../../src/trace/perfdata/reorder.ts'
import { data, dataPath, program, run, runBytes } from '../../../testkit/data.ts'
import {
  CONTEXT_KERNEL,
  CONTEXT_USER,
  type PerfRecord,
  type PerfSpec,
  Sample,
  writePerf,
} from '../../../testkit/writers/perfdata.ts'
import { commonFields, pageRefEvents } from '../../../testkit/writers/tracedat.ts'
import { collect, frameNames } from '../../support/collect.ts'
import { needs } from '../../support/needs.ts'

const folder = mkdtempSync(join(tmpdir(), 'lastput-perf-'))
afterAll(() => rmSync(folder, { recursive: true }))

const open = (bytes: Uint8Array, options?: OpenOptions) => openPerf(new BytesSource('perf.data', bytes), options)

async function read(spec: PerfSpec, options?: OpenOptions) {
  const recording = await open(writePerf(spec).bytes, options)
  return { recording, ...(await collect(recording)) }
}

const BASE = 5_000_000_000n
const values = (val: number) => ({
  pfn: 0xfcf8 + val,
  flags: 0x1800000000000011n,
  count: val,
  mapcount: -1,
  mapping: 0xffff888100afc1d8n,
  mt: 1,
  val,
  ret: val,
})
const sample = (time: number, event: string, cpu: number, val: number, chain?: bigint[]): PerfRecord => ({
  kind: 'sample',
  time: BASE + BigInt(time),
  cpu,
  pid: 42,
  event: `page_ref_${event}`,
  values: values(val),
  ...(chain && { chain }),
})

const chain = [CONTEXT_KERNEL, 0xffffffff81000010n, 0xffffffffc0001010n, CONTEXT_USER, 0x7f0000001000n]
const records: PerfRecord[] = [
  { kind: 'mmap', pid: -1, start: 0xffffffff81000000n, length: 0x1000000n, file: '[kernel.kallsyms]_text' },
  { kind: 'mmap', pid: -1, start: 0xffffffffc0001000n, length: 0x1000n, file: '[zdbug]' },
  {
    kind: 'mmap',
    pid: -1,
    start: 0xffffffffc0003000n,
    length: 0x1000n,
    file: '/lib/modules/6.12/kernel/test-hmm.ko.xz',
    two: true,
  },
  { kind: 'comm', pid: 42, name: 'my task' },
  { kind: 'fork', pid: 43, parent: 42 },
  sample(100, 'set', 0, 1, chain),
  sample(300, 'mod_and_test', 0, 2, chain),
  { kind: 'round' },
  sample(200, 'mod', 1, 3, [CONTEXT_KERNEL, 0xffffffffc0003010n]),
  { kind: 'lost', count: 7n, cpu: 1, time: BASE + 350n },
  sample(400, 'freeze', 1, 4, [CONTEXT_USER, 0x7f0000001000n]),
  { kind: 'round' },
  sample(500, 'mod_unless', 0, 5, chain),
]

const expected = [
  [100, 0, 'page_ref_set', 1],
  [200, 1, 'page_ref_mod', 3],
  [300, 0, 'page_ref_mod_and_test', 2],
  [400, 1, 'page_ref_freeze', 4],
  [500, 0, 'page_ref_mod_unless', 5],
].map(([time, cpu, op, val]) => ({
  ...values(val as number),
  time: BASE + BigInt(time as number),
  cpu,
  op,
  pid: 42,
  ret: ['page_ref_set', 'page_ref_mod'].includes(op as string) ? 0 : val,
}))

const { ADDR, ID, STREAM_ID, READ } = Sample
const variants: Omit<PerfSpec, 'records'>[] = [
  {},
  { pipe: true },
  { packed: true },
  { packed: true, pipe: true },
  { sampleType: ADDR | ID | STREAM_ID, identifier: false },
  { sampleType: ADDR | STREAM_ID },
  { sampleType: READ, readFormat: 0b10111 },
  { sampleType: READ, readFormat: 0b01111 },
  { sampleType: READ, readFormat: 4 },
  { tracingVersion: '0.5' },
]
/** perf 6.1 cannot read these itself: it crashes on big-endian files, and knows no COMPRESSED2. */
const ours: Omit<PerfSpec, 'records'>[] = [
  { bigEndian: true },
  { bigEndian: true, pipe: true },
  { bigEndian: true, packed: true },
  { packed2: true },
  { packed2: true, pipe: true },
]

describe.each([...variants, ...ours])('a file with %o', variant => {
  it('gives all fields in order of time', async () => {
    const { recording, events, lost } = await read({ ...variant, records })
    expect(events).toMatchObject(expected)
    expect(recording.damage).toEqual([])
    expect(recording.notes).toEqual([])
    expect(lost).toEqual([
      {
        cpu: 1,
        from: Number(BASE + 200n - recording.timeBase),
        to: Number(BASE + 400n - recording.timeBase),
        count: 7,
      },
    ])
    expect(recording.info).toMatchObject({
      format: 'perf.data',
      kernel: '6.12.0-synthetic',
      machine: 'x86_64',
      cpus: 2,
      clock: 'perf',
      rawFlags: true,
    })
    expect(events.map(({ stack }) => frameNames(recording, stack))).toEqual([
      ['0xffffffff81000010', '0xffffffffc0001010'],
      ['0xffffffffc0003010'],
      ['0xffffffff81000010', '0xffffffffc0001010'],
      [],
      ['0xffffffff81000010', '0xffffffffc0001010'],
    ])
    const frames = recording.stacks.frames(events[0]!.stack)
    expect(recording.stacks.frame(frames[1]!).module).toBe('zdbug')
    expect(recording.stacks.frame(recording.stacks.frames(events[1]!.stack)[0]!).module).toBe('test_hmm')
    expect([42, 43, 7].map(pid => recording.tasks.name(pid))).toEqual(['my task', 'my task', '<...>'])
  })
})

needs(program('perf')).describe('perf script reads what the writer writes', () => {
  it.each(variants)('%o', variant => {
    const file = join(folder, 'perf.data')
    writeFileSync(file, writePerf({ ...variant, records }).bytes)
    expect(script(file)).toEqual(
      expected.map(({ time, cpu, op, pfn, val, ret }) => {
        const rest = op === 'page_ref_set' || op === 'page_ref_mod' ? '' : ` ret=${ret}`
        const seconds = `${time / 1_000_000_000n}.${String(time % 1_000_000_000n).padStart(9, '0')}`
        return `my task 42 [00${cpu}] ${seconds}: page_ref:${op}: pfn=0x${pfn.toString(16)} flags=locked|dirty count=${val} mapcount=-1 mapping=0xffff888100afc1d8 mt=1 val=${val}${rest}`
      }),
    )
  })
})

function script(file: string): string[] {
  return (
    run('perf', ['script', '-i', file, '--ns', '-F', 'comm,tid,cpu,time,event,trace'])
      .trimEnd()
      .split('\n')
      .map(line => line.trim().replace(/\s+/g, ' '))
      // Of a pipe it shows the callchains too.
      .filter(line => line.includes('page_ref'))
  )
}

describe('symbols', () => {
  it('come from a kallsyms in the file or handed in', async () => {
    const kallsyms = 'ffffffff81000000 T foo\nffffffffc0001000 t leak\t[zdbug]\n'
    for (const [spec, options] of [
      [{ kallsyms }, {}],
      [{}, { kallsyms: [kallsyms] }],
    ] satisfies [Partial<PerfSpec>, OpenOptions][]) {
      const { recording, events } = await read({ ...spec, records }, options)
      const frames = Array.from(recording.stacks.frames(events[0]!.stack), id => recording.stacks.frame(id))
      expect(frames).toMatchObject([
        { name: 'foo', offset: 16 },
        { name: 'leak', offset: 16, module: 'zdbug' },
      ])
    }
  })
})

describe('layouts', () => {
  it('come from the formats', async () => {
    const events = pageRefEvents(8).map(event => ({
      ...event,
      fields: [
        ...commonFields(),
        { name: 'owner', type: 'u32', size: 4, signed: false },
        ...event.fields.slice(4).reverse(),
      ],
    }))
    const got = await read({ events, records })
    expect(got.events).toMatchObject(expected)
  })

  it('without page_ref events give none, and say so', async () => {
    const events = pageRefEvents(8).map(event => ({ ...event, system: 'other' }))
    const { events: got, recording } = await read({ events, records: [] })
    expect(got).toEqual([])
    expect(recording.notes).toEqual(['the file describes no page_ref events'])
  })

  it('skips samples of other events', async () => {
    const events = [...pageRefEvents(8), { ...pageRefEvents(8)[0]!, system: 'sched', name: 'sched_switch', id: 5 }]
    const other: PerfRecord = { kind: 'sample', time: BASE, event: 'sched_switch' }
    const got = await read({ events, records: [other, ...records, other] })
    expect(got.events).toMatchObject(expected)
    expect(got.recording.damage).toEqual([])
  })
})

describe('lost events', () => {
  const at = (time: number, cpu: number) => sample(time, 'set', cpu, 1)

  it('of a throttled CPU are a gap', async () => {
    const { lost } = await read({ records: [at(1, 0), { kind: 'throttle', cpu: 0, time: BASE }, at(5, 1), at(9, 0)] })
    expect(lost).toEqual([{ cpu: 0, from: 0, to: 8, count: undefined }])
  })

  it('at the end stay open', async () => {
    const { lost } = await read({
      records: [at(1, 0), { kind: 'lost', cpu: 0, count: 2n }, { kind: 'lost', cpu: 0, count: 3n }],
    })
    expect(lost).toEqual([{ cpu: 0, from: 0, to: Number.POSITIVE_INFINITY, count: 5 }])
  })

  it('without identification are of the CPU whose buffer is being read', async () => {
    const { lost } = await read({
      sampleIdAll: false,
      records: [at(1, 1), at(2, 0), { kind: 'lost', count: 2n }, at(5, 1)],
    })
    expect(lost).toEqual([{ cpu: 1, from: 0, to: 4, count: 2 }])
  })

  it('that only the sums at the end tell of may be anywhere', async () => {
    const { lost, recording } = await read({
      records: [at(1, 0), { kind: 'lost', cpu: 0, count: 2n }, at(2, 0), { kind: 'lost-samples', count: 5n }],
    })
    const all = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, count: undefined }
    expect(lost).toEqual([
      { cpu: 0, from: 0, to: 1, count: 2 },
      { cpu: 0, ...all },
      { cpu: 1, ...all },
    ])
    expect(recording.notes).toEqual([expect.stringContaining('3 more events were lost')])
  })

  it('are not counted twice', async () => {
    const { lost } = await read({
      records: [at(1, 0), { kind: 'lost', cpu: 0, count: 2n }, at(2, 0), { kind: 'lost-samples', count: 2n }],
    })
    expect(lost).toHaveLength(1)
  })
})

describe('damage', () => {
  const whole = writePerf({ records }).bytes

  it.each([
    ['nothing', new Uint8Array(0), /offset 0: expected "PERFILE2"/],
    ['another format', new TextEncoder().encode('# tracer: nop\n'.repeat(20)), /offset 0: expected "PERFILE2"/],
    ['a cut header', whole.slice(0, 50), /expected/],
    ['cut attributes', whole.slice(0, 200), /expected/],
    [
      'no features',
      whole.slice(0, whole.length - 4000),
      /expected the formats of its tracepoints; there are none, as if perf record had not ended/,
    ],
  ])('%s is refused', async (_, bytes, message) => {
    await expect(open(bytes)).rejects.toThrow(message)
  })

  it('a pipe that is cut gives the events before', async () => {
    const bytes = writePerf({ records, pipe: true }).bytes
    for (const cut of [1, 7, 8, 100, 150]) {
      const recording = await open(bytes.slice(0, bytes.length - cut))
      const { events, lost } = await collect(recording)
      expect(events).toMatchObject(expected.slice(0, 4))
      expect(
        lost
          .filter(({ to }) => to === Number.POSITIVE_INFINITY)
          .map(({ cpu }) => cpu)
          .sort(),
      ).toEqual([0, 1])
      expect(recording.damage).toHaveLength(cut === 152 ? 0 : 1)
    }
  })

  it('a sample that does not fit is told, and the next is read', async () => {
    const { bytes, marks } = writePerf({ records })
    const mark = marks.filter(({ what }) => what === 'raw size')[1]!
    new DataView(bytes.buffer).setUint32(mark.offset, 60_000, true)
    const recording = await open(bytes)
    const { events, lost } = await collect(recording)
    expect(events).toHaveLength(4)
    // The event of CPU 0 at 300 is missing, but who knows of which CPU it was.
    expect(lost).toEqual(
      expect.arrayContaining([
        { cpu: 0, from: 0, to: 400, count: undefined },
        { cpu: 1, from: Number.NEGATIVE_INFINITY, to: 100, count: undefined },
      ]),
    )
    expect(recording.damage).toEqual([
      { file: 'perf.data', offset: expect.any(Number), expected: expect.stringContaining('raw data') },
    ])
    expect(recording.damage[0]!.offset).toBeLessThan(mark.offset)
  })

  it('a record without size ends the data', async () => {
    const raw: PerfRecord = { kind: 'raw', type: 0, body: new Uint8Array(0) }
    const { bytes, marks } = writePerf({ records: [...records, raw, ...records] })
    const sizes = marks.filter(({ what }) => what === 'record size')
    new DataView(bytes.buffer).setUint16(sizes[records.length]!.offset, 0, true)
    const recording = await open(bytes)
    expect((await collect(recording)).events).toMatchObject(expected)
    expect(recording.damage).toEqual([expect.objectContaining({ expected: expect.stringContaining('8 bytes') })])
  })

  it('packed records that cannot be unpacked are told', async () => {
    const { bytes, marks } = writePerf({ records, packed: true, pipe: true })
    const packed = marks.filter(({ what }) => what === 'record type').find(({ offset }) => bytes[offset] === 81)!
    bytes[packed.offset + 8] = 0
    const recording = await open(bytes)
    expect((await collect(recording)).events).toEqual([])
    expect(recording.damage).toEqual([expect.objectContaining({ expected: expect.stringContaining('zstd') })])
  })

  it('records that start anywhere are read', async () => {
    const odd: PerfRecord = { kind: 'raw', type: 200, body: new Uint8Array(3) }
    const { events, recording } = await read({ records: records.flatMap(record => [record, odd]) })
    expect(events).toMatchObject(expected)
    expect(recording.damage).toEqual([])
  })

  it('a processor trace behind its record is passed over', async () => {
    const size = new Uint8Array(40)
    new DataView(size.buffer).setBigUint64(0, 3000n, true)
    const aux: PerfRecord = { kind: 'raw', type: 71, body: size, extra: new Uint8Array(3000).fill(9) }
    const { events } = await read({ records: [aux, ...records] })
    expect(events).toMatchObject(expected)
  })
})

describe('order', () => {
  it('sorts like a stable sort', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), times => {
        const rows = Uint32Array.from(times, (_, row) => row)
        const wanted = [...rows].sort((a, b) => times[a]! - times[b]! || a - b)
        expect([...sortByTime(Float64Array.from(times), rows)]).toEqual(wanted)
      }),
    )
  })

  it('of many rounds is that of time, whatever arrives when', async () => {
    const rounds = 30_000
    const list: PerfRecord[] = []
    for (let round = 0; round < rounds; round++) {
      for (const cpu of [0, 1, 2])
        list.push(sample(10 * round + 3 * cpu, 'set', cpu, round % 7), sample(10 * round + 3 * cpu + 11, 'mod', cpu, 1))
      list.push({ kind: 'round' })
    }
    const { events, recording } = await read({ records: list })
    expect(events).toHaveLength(6 * rounds)
    expect(events.every((event, index) => index === 0 || event.time >= events[index - 1]!.time)).toBe(true)
    expect(recording.notes).toEqual([])
  })

  it('drops what perf wrote twice, and nothing else', async () => {
    const alike = sample(50, 'mod', 1, 1)
    const both = [sample(50, 'mod', 0, 1), alike]
    const list: PerfRecord[] = [
      ...both,
      { kind: 'round' },
      ...both,
      sample(50, 'mod', 1, 2),
      { kind: 'round' },
      sample(51, 'mod', 1, 1),
    ]
    const once = await read({ records: list })
    expect(once.events.map(({ cpu, val, time }) => [cpu, val, Number(time - BASE)])).toEqual([
      [0, 1, 50],
      [1, 1, 50],
      [1, 2, 50],
      [1, 1, 51],
    ])
    expect(once.recording.notes).toEqual(['2 samples stand in the file twice and were read once'])
    expect((await read({ records: list }, { keepRepeated: true })).events).toHaveLength(6)
  })

  it('gives events out when no round ever ends', () => {
    const order = new SampleOrder(new LossTracker())
    const total = (1 << 22) + 20_000
    let given = 0
    let last = -1
    let sorted = true
    const take = () => {
      for (let batch = order.next(); batch; batch = order.next()) {
        for (let k = 0; k < batch.length; k++) {
          const time = batch.time[batch.order[k]!]!
          sorted &&= time >= last
          last = time
        }
        given += batch.length
      }
    }
    for (let i = 0; i < total; i++) {
      order.waiting.time[order.waiting.length] = i
      order.add(i)
      if (i % 10_000 === 0) take()
    }
    expect(given).toBeGreaterThan(total / 3)
    order.end()
    take()
    expect([given, sorted, order.forced]).toEqual([total, true, true])
  })
})

it('reads from a Blob', async () => {
  const recording = await openPerf(
    new BlobSource('blob', new Blob([writePerf({ records }).bytes as Uint8Array<ArrayBuffer>])),
  )
  expect((await collect(recording)).events).toMatchObject(expected)
})

it('takes the first sample, or the time that the header tells, as time base', async () => {
  expect((await read({ records })).recording.timeBase).toBe(BASE + 100n)
  const told = await read({ records, sampleTimes: [BASE, BASE + 900n] })
  expect([told.recording.timeBase, told.recording.info.endTime]).toEqual([BASE, 900])
  const clocked = await read({ records, clockId: 1 })
  expect(clocked.recording.info.clock).toBe('mono')
})

const real = '6.12/perf-big/perf.data.zst'
needs(data(real), program('zstd')).describe('a recording of 1,154,072 samples', () => {
  const bytes = () => runBytes('zstd', ['-dcq', dataPath(real)])

  it('is read whole and in order of time', async () => {
    const recording = await open(bytes(), { keepRepeated: true })
    let samples = 0
    let last = Number.NEGATIVE_INFINITY
    let inversions = 0
    for await (const batch of recording.batches()) {
      samples += batch.length
      for (let k = 0; k < batch.length; k++) {
        const time = batch.time[batch.order[k]!]!
        if (time < last) inversions++
        last = time
      }
    }
    const truth = JSON.parse(readFileSync(dataPath('6.12/perf-big/truth.json'), 'utf8'))
    expect(samples).toBe(truth.samples)
    expect(inversions).toBe(0)
    expect(recording.damage).toEqual([])
    expect(recording.info).toMatchObject({ kernel: truth.kernel, cpus: 2 })
  })

  needs(program('perf')).test('has the fields that perf script shows', async () => {
    const file = join(folder, 'big.data')
    writeFileSync(file, bytes())
    // perf gives late samples out of order, so the part compared is cut by time, and sorted.
    const window = ['6.573', '7.2']
    const text = run('perf', [
      'script',
      '-i',
      file,
      '--ns',
      '--time',
      window.join(','),
      '-F',
      'tid,cpu,time,event,trace',
    ])
    const theirs = text
      .trimEnd()
      .split('\n')
      .map(line =>
        line
          .trim()
          .replace(/\s+/g, ' ')
          .replace(/flags=\S+/, 'flags=?'),
      )
    const recording = await open(readFileSync(file), { keepRepeated: true })
    const { events } = await collect(recording, time => time > 7_200_000_000n)
    const mine = events.filter(({ time }) => time <= 7_200_000_000n).map(plain)
    expect(mine.length).toBeGreaterThan(80_000)
    expect(mine.sort()).toEqual(theirs.sort())
  })
})

function plain(event: Awaited<ReturnType<typeof collect>>['events'][number]): string {
  const { pid, cpu, time, op, pfn, count, mapcount, mapping, mt, val, ret } = event
  const seconds = `${time / 1_000_000_000n}.${String(time % 1_000_000_000n).padStart(9, '0')}`
  const rest = /and_test|and_return|unless|_freeze/.test(op) ? ` ret=${ret}` : ''
  const pointer = mapping === 0n ? '(nil)' : `0x${mapping.toString(16)}`
  return `${pid} [${String(cpu).padStart(3, '0')}] ${seconds}: page_ref:${op}: pfn=0x${pfn.toString(16)} flags=? count=${count} mapcount=${mapcount} mapping=${pointer} mt=${mt} val=${val}${rest}`
}
