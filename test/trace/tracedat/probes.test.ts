// SPDX-License-Identifier: GPL-2.0-or-later
// Probes in trace.dat: every kind, in every kind of file, in one thread and in several.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { eventJson, eventText } from '../../../src/print/event-lines.ts'
import { reportText } from '../../../src/print/trace-cmd-report.ts'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import type { LostEvents, Recording } from '../../../src/trace/events.ts'
import { sourceInput } from '../../../src/trace/ftracetext/lines.ts'
import { openText } from '../../../src/trace/ftracetext/recording.ts'
import { openRecording } from '../../../src/trace/open.ts'
import type { DecoderSetup } from '../../../src/trace/tracedat/block-decoder.ts'
import {
  type DecodeThread,
  jobAnswerer,
  type ThreadEvents,
  ThreadPool,
} from '../../../src/trace/tracedat/decode-pool.ts'
import { openTraceDat } from '../../../src/trace/tracedat/recording.ts'
import { program, run } from '../../../testkit/data.ts'
import { BARE, kprobeEvent, probeEvents } from '../../../testkit/writers/probe-events.ts'
import {
  commonFields,
  type EventSpec,
  type FieldSpec,
  type FieldValues,
  pageRefEvents,
  type SynthRecord,
  type TraceDatSpec,
  writeTraceDat,
} from '../../../testkit/writers/tracedat.ts'
import { collect, type PlainEvent } from '../../support/collect.ts'
import { needs } from '../../support/needs.ts'

const VMEMMAP = 0xffffea0000000000n
const pageOf = (pfn: number) => VMEMMAP + 64n * BigInt(pfn)

const record = (time: bigint, event: string, values: FieldValues = {}, pid = 42, flags = 0): SynthRecord => ({
  kind: 'event',
  time,
  event,
  pid,
  flags,
  values,
})
const stack = (time: bigint, frames: bigint[], pid = 42): SynthRecord => ({ kind: 'stack', time, pid, frames })

/** An event as the columns should hold it, with the addresses of its stack. */
type Expected = Omit<PlainEvent, 'stack'> & { stack: bigint[] }

const expected = (time: bigint, op: string, columns: Partial<Expected> = {}): Expected => ({
  time,
  cpu: 0,
  op,
  pid: 42,
  ...BARE,
  stack: [],
  ...columns,
})

interface Read {
  events: Expected[]
  lost: LostEvents[]
  notes: readonly string[]
  damage: readonly object[]
}

async function readAll(recording: Recording): Promise<Read> {
  const { events, lost } = await collect(recording)
  const addresses = (stack: number) =>
    Array.from(recording.stacks.frames(stack), id => recording.stacks.frame(id).address)
  const withStacks = events.map(event => ({ ...event, stack: addresses(event.stack) }))
  return { events: withStacks, lost, notes: recording.notes, damage: recording.damage }
}

async function read(bytes: Uint8Array): Promise<Read> {
  return readAll(await openRecording(new BytesSource('trace.dat', bytes)))
}

const allEvents = (longSize = 8) => [...pageRefEvents(longSize), ...probeEvents(longSize)]

function oneCpu(records: SynthRecord[], more: Partial<TraceDatSpec> = {}): Uint8Array {
  const buffers = [{ name: '', cpus: new Map([[0, records]]) }]
  return writeTraceDat({ version: 7, events: allEvents(), buffers, ...more }).bytes
}

const variants = ([6, 7] as const).flatMap(version =>
  (version === 6 ? (['none'] as const) : (['none', 'zlib', 'zstd'] as const)).flatMap(compression =>
    [false, true].flatMap(bigEndian =>
      ([8, 4] as const).map(longSize => ({ version, compression, bigEndian, longSize })),
    ),
  ),
)

const SET = { pfn: 0x100000, flags: 0x11, count: 1, mapcount: -1, mapping: 0x1000, mt: 1, val: 1 }
const SET_COLUMNS = { ...SET, flags: 0x11n, mapping: 0x1000n }

describe('every probe', () => {
  it.each(variants)('%o', async variant => {
    const base = variant.longSize === 8 ? 0xffffffff81000000n : 0xc1000000n
    const [A, B] = [[base + 0x10n, base + 0x20n], [base + 0x30n]]
    const ip = { __probe_ip: base }
    const first: SynthRecord[] = [
      record(10n, 'lastput_alloc', { ...ip, page: pageOf(0x100000), vmemmap: VMEMMAP }),
      stack(10n, A),
      record(20n, 'page_ref_set', SET),
      record(30n, 'lastput_use', { ...ip, pfn: 0x100000 }, -1),
      { kind: 'discarded', time: 31n, bytes: 20 },
      record(40n, 'lastput_memunmap', { ...ip, start: 0x100000000n, end: 0x1001fffffn }),
      stack(41n, B),
      { kind: 'lost', count: 7 },
      record(60n, 'lastput_memunmap_end', { __probe_func: base, __probe_ret_ip: base + 1n }),
      { kind: 'lost' },
      record(70n, 'error_report_end', { error_detector: 2, id: base + 8n }),
    ]
    const second: SynthRecord[] = [
      record(15n, 'lastput_free', { ...ip, page: pageOf(2 ** 34 - 1), vmemmap: VMEMMAP }, 43),
      record(25n, 'page_ref_mod', SET, 43),
      stack(26n, B, 43),
      record(55n, 'error_report_end', { error_detector: 1, id: 0 }, 43),
      stack(56n, A, 43),
    ]
    const cpus = new Map([
      [0, first],
      [2, second],
    ])
    const spec = { ...variant, events: allEvents(variant.longSize), buffers: [{ name: '', cpus }] }
    const { events, lost, notes, damage } = await read(writeTraceDat(spec).bytes)
    expect(damage).toEqual([])
    expect(notes).toEqual([])
    expect(events).toEqual([
      expected(10n, 'lastput_alloc', { pfn: 0x100000, stack: A }),
      expected(15n, 'lastput_free', { pfn: 2 ** 34 - 1, cpu: 2, pid: 43 }),
      expected(20n, 'page_ref_set', SET_COLUMNS),
      expected(25n, 'page_ref_mod', { ...SET_COLUMNS, cpu: 2, pid: 43, stack: B }),
      expected(30n, 'lastput_use', { pfn: 0x100000, pid: -1 }),
      expected(40n, 'lastput_memunmap', { pfn: 0x100000, val: 512, stack: B }),
      expected(55n, 'error_report_end', { val: 1, cpu: 2, pid: 43, stack: A }),
      expected(60n, 'lastput_memunmap_end'),
      expected(70n, 'error_report_end', { val: 2, mapping: base + 8n }),
    ])
    expect(lost).toEqual([
      { cpu: 0, from: 31, to: 50, count: 7 },
      { cpu: 0, from: 50, to: 60, count: undefined },
    ])
  })

  it.each([
    ['a pfn that fills 52 bits', { pfn: 2n ** 52n - 1n }, 2 ** 52 - 1],
    ['a pfn beyond', { pfn: 2n ** 52n }, undefined],
    ['a pfn that a double would round', { pfn: 2n ** 63n + 1n }, undefined],
  ])('%s', async (_, values, pfn) => {
    const { events, notes } = await read(oneCpu([record(1n, 'lastput_use', values)]))
    expect(events.map(({ pfn }) => pfn)).toEqual(pfn === undefined ? [] : [pfn])
    expect(notes).toHaveLength(pfn === undefined ? 1 : 0)
  })

  it.each([
    ['the last page', VMEMMAP + 64n * 2n ** 30n, 2 ** 30],
    ['where the low half borrows', VMEMMAP + 0x1_0000_0040n, 0x4000001],
    ['below', VMEMMAP - 64n, undefined],
    ['not a page', VMEMMAP + 63n, undefined],
    ['not a page, by a bit that a double loses', VMEMMAP + 0x15ff_ffff_ffc1n, undefined],
    ['null', 0n, undefined],
  ])('a pointer: %s', async (_, page, pfn) => {
    const { events, notes } = await read(oneCpu([record(1n, 'lastput_free', { page, vmemmap: VMEMMAP })]))
    expect(events).toEqual(pfn === undefined ? [] : [expected(1n, 'lastput_free', { pfn })])
    expect(notes).toHaveLength(pfn === undefined ? 1 : 0)
  })

  it("stands in any group, but for the kernel's own", async () => {
    const error = probeEvents(8).find(({ name }) => name === 'error_report_end')!
    const events = [
      ...pageRefEvents(8),
      kprobeEvent('lastput_use', 1900, [[{ name: 'pfn', type: 'u64', size: 8, signed: false }, '%Lu']], {
        system: 'mine',
      }),
      { ...error, system: 'other' },
    ]
    const records = [record(1n, 'lastput_use', { pfn: 5 }), record(2n, 'error_report_end', { error_detector: 2 })]
    const { events: found, notes } = await read(oneCpu(records, { events }))
    expect(found).toEqual([expected(1n, 'lastput_use', { pfn: 5 })])
    expect(notes).toEqual([])
  })

  it('takes fields of any size and order', async () => {
    const number = (name: string, size: number, signed = false): FieldSpec => ({
      name,
      type: `u${size * 8}`,
      size,
      signed,
    })
    const make = (name: string, id: number, fields: FieldSpec[]): EventSpec => ({
      system: name === 'error_report_end' ? 'error_report' : 'x',
      name,
      id,
      fields: [...commonFields(), { name: 'comm', type: 'char', size: 1, signed: false, count: 3 }, ...fields],
      print: '""',
    })
    const events = [
      ...pageRefEvents(8),
      make('lastput_use', 1900, [number('pfn', 1)]),
      make('lastput_free', 1901, [number('vmemmap', 4), number('page', 4)]),
      make('lastput_alloc', 1902, [number('pfn', 2, true)]),
      make('lastput_memunmap', 1903, [{ ...number('end', 8), offset: 21 }, number('start', 2)]),
      make('error_report_end', 1904, [number('id', 1), number('error_detector', 2, true)]),
    ]
    const records = [
      record(1n, 'lastput_use', { pfn: 200 }),
      record(2n, 'lastput_free', { page: 0xc0001000, vmemmap: 0xc0000000 }),
      record(3n, 'lastput_alloc', { pfn: 32767 }),
      record(4n, 'lastput_memunmap', { start: 0x3000, end: 0x6fff }),
      record(5n, 'error_report_end', { error_detector: -2, id: 255 }),
      record(6n, 'lastput_alloc', { pfn: -1 }),
    ]
    for (const bigEndian of [false, true]) {
      const { events: found, notes } = await read(oneCpu(records, { events, bigEndian }))
      expect(found).toEqual([
        expected(1n, 'lastput_use', { pfn: 200 }),
        expected(2n, 'lastput_free', { pfn: 64 }),
        expected(3n, 'lastput_alloc', { pfn: 32767 }),
        expected(4n, 'lastput_memunmap', { pfn: 3, val: 4 }),
        expected(5n, 'error_report_end', { val: -2, mapping: 255n }),
      ])
      expect(notes).toEqual([
        'lastput_alloc: 1 event has no page that can be told: expected a pfn below 2^52, or page a multiple of 64 bytes above vmemmap',
      ])
    }
  })

  it.each([
    [4096, 0x40000],
    [16384, 0x10000],
    [65536, 0x4000],
    // A kernel has no such pages.
    [1024, 0x40000],
    [12288, 0x40000],
  ])('a range in pages of %i bytes', async (pageSize, pfn) => {
    const values = { start: 0x40000000n, end: 0x4fffffffn }
    for (const version of [6, 7] as const) {
      const { events } = await read(oneCpu([record(1n, 'lastput_memunmap', values)], { version, pageSize }))
      expect(events).toEqual([expected(1n, 'lastput_memunmap', { pfn, val: pfn / 4 })])
    }
  })

  it('is not asked for a stack of another', async () => {
    const A = [0xffffffff81000010n]
    const records = [
      record(1n, 'page_ref_set', SET),
      record(2n, 'lastput_free', { page: 1, vmemmap: 0 }),
      stack(2n, A),
      record(3n, 'page_ref_set', SET),
      record(4n, 'lastput_use', { pfn: 1 }, 42, 0x08),
      stack(5n, A),
    ]
    const { events } = await read(oneCpu(records))
    // The interrupt's event has no stack; the one that follows is that of the task.
    expect(events.map(({ op, stack }) => [op, stack])).toEqual([
      ['page_ref_set', []],
      ['page_ref_set', A],
      ['lastput_use', []],
    ])
  })
})

describe('what is no probe', () => {
  it('is counted, and the rest is read', async () => {
    const events = [
      ...pageRefEvents(8),
      kprobeEvent('lastput_free', 1900, []),
      kprobeEvent('lastput_use', 1901, [[{ name: 'page', type: 'u64', size: 8, signed: false }, '%Lu']]),
      kprobeEvent('lastput_memunmap', 1902, [[{ name: 'start', type: 'u64', size: 8, signed: false }, '%Lu']]),
    ]
    const names = ['lastput_free', 'page_ref_set', 'lastput_use', 'lastput_free', 'lastput_memunmap']
    const {
      events: found,
      notes,
      damage,
    } = await read(
      oneCpu(
        names.map((name, i) => record(BigInt(i), name)),
        { events },
      ),
    )
    expect(found.map(({ op }) => op)).toEqual(['page_ref_set', 'lastput_memunmap'])
    expect(damage).toEqual([])
    const noPage = 'no page that can be told: expected a field pfn, or page and vmemmap'
    expect(notes).toEqual([
      `lastput_free: 2 events have ${noPage}`,
      `lastput_use: 1 event has ${noPage}`,
      'lastput_memunmap: 1 event has no range that can be told: expected start and end in bytes, end the last one',
    ])
  })

  it('alone: of a kernel without page_ref events, probes are all that there is', async () => {
    const { events, notes } = await read(
      oneCpu([record(1n, 'lastput_use', { pfn: 5 }), stack(2n, [0xffffffff81000010n])], { events: probeEvents(8) }),
    )
    expect(events).toEqual([expected(1n, 'lastput_use', { pfn: 5, stack: [0xffffffff81000010n] })])
    expect(notes).toEqual([])
  })

  it('makes no buffer the one with page_ref events', async () => {
    const buffers = [
      { name: '', cpus: new Map([[0, [record(1n, 'lastput_use', { pfn: 5 })]]]) },
      { name: 'second', cpus: new Map([[0, [record(1n, 'page_ref_set', SET)]]]) },
    ]
    const { bytes } = writeTraceDat({ version: 7, events: allEvents(), buffers })
    expect((await read(bytes)).events.map(({ op }) => op)).toEqual(['page_ref_set'])
  })
})

describe('a format that lies', () => {
  const lie = (fields: FieldSpec[]): EventSpec[] => [
    ...pageRefEvents(8),
    { system: 'lastput', name: 'lastput_use', id: 1900, fields: [...commonFields(), ...fields], print: '""' },
  ]
  const u64: FieldSpec = { name: 'pfn', type: 'u64', size: 8, signed: false }

  it.each([
    ['of size 0', { ...u64, size: 0, offset: 8 }],
    ['of 300 bytes', { ...u64, size: 1, count: 300, type: 'u8' }],
    ['of 16 bytes', { ...u64, size: 16, type: 'u128' }],
    ['that stands elsewhere', { ...u64, size: 4, type: '__data_loc char[]' }],
  ])('about a field %s: there is no page', async (_, field) => {
    const payload = new Uint8Array(400)
    new DataView(payload.buffer).setUint16(0, 1900, true)
    const records: SynthRecord[] = [record(1n, 'page_ref_set', SET), { kind: 'raw', time: 2n, payload }]
    const { events, notes, damage } = await read(oneCpu(records, { events: lie([field as FieldSpec]) }))
    expect(events.map(({ op }) => op)).toEqual(['page_ref_set'])
    expect(notes).toEqual([
      'lastput_use: 1 event has no page that can be told: expected a field pfn, or page and vmemmap',
    ])
    expect(damage).toEqual([])
  })

  it('about where a field stands: beyond the record it is damage', async () => {
    const payload = new Uint8Array(16)
    new DataView(payload.buffer).setUint16(0, 1900, true)
    for (const offset of [12, 4000, 2 ** 27 - 8]) {
      const records: SynthRecord[] = [
        record(1n, 'page_ref_set', SET),
        { kind: 'raw', time: 2n, payload },
        { kind: 'page' },
        record(3n, 'page_ref_set', SET),
      ]
      const { events, damage, lost } = await read(oneCpu(records, { events: lie([{ ...u64, offset }]) }))
      expect(events.map(({ op }) => op)).toEqual(['page_ref_set', 'page_ref_set'])
      expect(damage).toMatchObject([
        { expected: expect.stringContaining(`expected ${offset + 8} bytes of a probe, found 16`) },
      ])
      expect(lost).toEqual([{ cpu: 0, from: 1, to: 2, count: undefined }])
    }
  })

  it('about fields that overlap each other and the common ones', async () => {
    const fields = [{ ...u64, offset: 0 }]
    const { events } = await read(
      oneCpu([record(1n, 'lastput_use', { pfn: 1900n + (7n << 32n) })], { events: lie(fields) }),
    )
    expect(events).toEqual([expected(1n, 'lastput_use', { pfn: 7 * 2 ** 32 + 1900, pid: 7 })])
  })

  it('about its number: another event has it too', async () => {
    const events = [...pageRefEvents(8), kprobeEvent('lastput_use', 600, []), kprobeEvent('lastput_use', 601, [])]
    const { events: found } = await read(oneCpu([record(1n, 'page_ref_set', SET)], { events }))
    expect(found).toEqual([expected(1n, 'page_ref_set', SET_COLUMNS)])
  })
})

it('a recording of next to nothing but the shortest records is whole', async () => {
  const count = 60_000
  const records = Array.from({ length: count }, (_, i) => record(BigInt(i), 'lastput_memunmap_end', {}, i))
  const { events } = await read(oneCpu([...records, record(BigInt(count), 'page_ref_set', SET)]))
  expect(events).toHaveLength(count + 1)
  expect(events.filter(({ pid, time }, i) => i < count && (pid !== i || time !== BigInt(i)))).toEqual([])
  expect(events.at(-1)).toEqual(expected(BigInt(count), 'page_ref_set', SET_COLUMNS))
})

/** Threads that do in this one what others would: all that they are sent and send is copied. */
function pool(setup: DecoderSetup, width: number): ThreadPool {
  const start = (events: ThreadEvents): DecodeThread => {
    const answer = jobAnswerer(reply => events.reply(structuredClone(reply)), {})
    return { post: request => answer(structuredClone(request)), end: () => {} }
  }
  const made = new ThreadPool(width, { start, poll: () => new Promise(resolve => setImmediate(resolve)) })
  made.begin(setup)
  return made
}

/** Records of two CPUs that fill several blocks, with stacks, gaps, and probes that have no meaning. */
function longRecording(): Uint8Array {
  const cpus = new Map([0, 1].map(cpu => [cpu, longCpu(cpu)]))
  return writeTraceDat({ version: 7, compression: 'zlib', events: allEvents(), buffers: [{ name: '', cpus }] }).bytes
}

function longCpu(cpu: number): SynthRecord[] {
  const records: SynthRecord[] = []
  for (let i = 0; i < 24_000; i++) {
    const time = BigInt(1000 + i * 10 + cpu * (i % 7))
    const pfn = 0x100000 + (i % 50)
    const probe = i % 3 === cpu ? i % 7 : -1
    if (probe === 0) records.push(record(time, 'lastput_free', { page: pageOf(pfn), vmemmap: VMEMMAP }))
    else if (probe === 1)
      records.push(record(time, 'lastput_alloc', { page: pageOf(pfn) + BigInt(i & 1), vmemmap: VMEMMAP }))
    else if (probe === 2) records.push(record(time, 'lastput_use', { pfn }))
    else if (probe === 3) records.push(record(time, 'lastput_memunmap', { start: i * 4096, end: (i + 3) * 4096 - 1 }))
    else if (probe === 4) records.push(record(time, 'lastput_memunmap_end'))
    else if (probe === 5) records.push(record(time, 'error_report_end', { error_detector: 2, id: i }))
    else records.push(record(time, 'page_ref_set', { ...SET, pfn, val: i }))
    if (i % 4 !== 3) records.push(stack(time, [0xffffffff81000000n + BigInt(i % 97), 0xffffffff82000000n]))
    if (i % 5000 === 4999) records.push({ kind: 'lost', count: i })
  }
  return records
}

describe('threads', () => {
  it('give what one thread gives', async () => {
    const bytes = longRecording()
    const one = await read(bytes)
    expect(one.events.length).toBeGreaterThan(45_000)
    expect(one.notes).toEqual([expect.stringMatching(/^lastput_alloc: \d+ events have no page/)])
    expect(one.lost).toHaveLength(8)
    expect(one.damage).toEqual([])
    for (const width of [1, 3]) {
      const decoder = (setup: DecoderSetup) => pool(setup, width)
      const many = await readAll(await openTraceDat(new BytesSource('trace.dat', bytes), { decoder }))
      expect(many).toEqual(one)
    }
  })

  it('lose nothing: what each CPU recorded comes in order', async () => {
    const { events } = await read(longRecording())
    for (const cpu of [0, 1]) {
      const ofPage = ({ page }: FieldValues) => typeof page !== 'bigint' || page % 64n === 0n
      const written = longCpu(cpu).flatMap(made =>
        made.kind === 'event' && ofPage(made.values ?? {}) ? [[made.time, made.event]] : [],
      )
      expect(events.filter(event => event.cpu === cpu).map(({ time, op }) => [time, op])).toEqual(written)
    }
  })
})

describe('the lines of probes', () => {
  const records = [
    record(1_000_001_000n, 'lastput_free', { page: pageOf(0x100001), vmemmap: VMEMMAP }),
    stack(1_000_001_000n, [0xffffffff81000010n]),
    record(1_000_002_000n, 'page_ref_set', SET),
    record(1_000_003_000n, 'lastput_memunmap', { start: 0x100000000n, end: 0x1001fffffn }),
    record(1_000_004_000n, 'lastput_memunmap', { start: 0, end: 0 }),
    record(1_000_005_000n, 'lastput_memunmap_end'),
    record(1_000_006_000n, 'error_report_end', { error_detector: 2, id: 0xffffffff81000108n }),
    record(1_000_007_000n, 'error_report_end', { error_detector: 12, id: 0 }),
  ]
  const bytes = oneCpu(records, {
    cmdlines: '42 my task\n',
    kallsyms: 'ffffffff81000000 T foo\nffffffff81000100 T end\n',
  })
  const shown = async (lines: (recording: Recording) => AsyncIterable<string>) => {
    let text = ''
    for await (const part of lines(await openRecording(new BytesSource('trace.dat', bytes)))) text += part
    return text
  }

  it('as JSON name what a probe tells', async () => {
    const lines = (await shown(eventJson)).trimEnd().split('\n')
    const head = (time: string, event: string) => ({ time, cpu: 0, task: 'my task', pid: 42, event })
    expect(lines.map(line => JSON.parse(line)).filter(({ event }) => event !== 'page_ref_set')).toEqual([
      {
        ...head('1.000001000', 'lastput_free'),
        pfn: '0x100001',
        stack: [{ function: 'foo', offset: 16, address: '0xffffffff81000010' }],
      },
      { ...head('1.000003000', 'lastput_memunmap'), pfn: '0x100000', pages: 512 },
      head('1.000004000', 'lastput_memunmap'),
      head('1.000005000', 'lastput_memunmap_end'),
      { ...head('1.000006000', 'error_report_end'), detector: 'warning', address: '0xffffffff81000108' },
      { ...head('1.000007000', 'error_report_end'), detector: '0xc', address: '0x0' },
    ])
  })

  it('as text can be read back', async () => {
    const text = await shown(eventText)
    expect(text).toContain('1.000003: lastput_memunmap:     pfn=0x100000 pages=512\n')
    expect(text).toContain('1.000006: error_report_end:     [warning] ffffffff81000108\n')
    const recording = await openText(sourceInput(new BytesSource('text', new TextEncoder().encode(text))))
    const { events, notes, damage } = await readAll(recording)
    expect(events).toEqual((await read(bytes)).events)
    expect(notes).toEqual([])
    expect(damage).toEqual([])
  })
})

needs(program('trace-cmd')).describe('trace-cmd report', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-probes-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const ip = { __probe_ip: 0xffffffff81000010n }
  const records = [
    record(1_000_001_000n, 'page_ref_set', SET),
    record(1_000_002_000n, 'lastput_free', { ...ip, page: pageOf(0x100001), vmemmap: VMEMMAP }),
    stack(1_000_002_000n, [0xffffffff81000010n, 0xffffffff81000108n]),
    record(1_000_003_000n, 'lastput_alloc', { ...ip, page: pageOf(0x100002), vmemmap: VMEMMAP }),
    record(1_000_004_000n, 'lastput_use', { ...ip, pfn: 0x100003 }),
    record(1_000_005_000n, 'lastput_memunmap', { ...ip, start: 0x100000000n, end: 0x1001fffffn }),
    record(1_000_006_000n, 'lastput_memunmap_end', {
      __probe_func: 0xffffffff81000000n,
      __probe_ret_ip: 0xffffffff81000108n,
    }),
    record(1_000_007_000n, 'error_report_end', { error_detector: 2, id: 0xffffffff81000108n }),
    record(1_000_008_000n, 'error_report_end', { error_detector: 3, id: 0x10 }),
  ]
  const file = join(folder, 'trace.dat')
  const kallsyms = 'ffffffff81000000 T foo\nffffffff81000100 t bar\nffffffff81000200 t end\n'
  writeFileSync(file, oneCpu(records, { compression: 'zstd', kallsyms, cmdlines: '42 my task\n' }))

  it('shows the lines that lastput events shows', async () => {
    let text = ''
    const source = new BytesSource('trace.dat', oneCpu(records, { kallsyms, cmdlines: '42 my task\n' }))
    for await (const part of reportText(source, [])) text += part
    expect(text.split('\n')).toEqual(run('trace-cmd', ['report', file]).split('\n'))
    expect(text).toContain(
      'lastput_free:         (ffffffff81000010) page=0xffffea0004000040 vmemmap=0xffffea0000000000\n',
    )
    expect(text).toContain('error_report_end:     [warning] ffffffff81000108\n')
  })

  it.each(['', '-l', '-t', '-R', '--ts-diff', '-l -t'])(
    'trace-cmd report %s is read as the file itself',
    async text => {
      const bytes = new TextEncoder().encode(run('trace-cmd', ['report', ...text.split(' ').filter(Boolean), file]))
      const recording = await openText(sourceInput(new BytesSource('text', bytes)))
      const shown = await readAll(recording)
      const itself = await read(oneCpu(records))
      const comparable = (events: Expected[]) => events.map(({ flags, stack, ...rest }) => rest)
      expect(comparable(shown.events)).toEqual(comparable(itself.events))
      if (text !== '-R') expect(shown.events.map(({ stack }) => stack)).toEqual(itself.events.map(({ stack }) => stack))
      expect(shown.notes).toEqual([])
      expect(shown.damage).toEqual([])
    },
  )
})
