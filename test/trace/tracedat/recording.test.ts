// SPDX-License-Identifier: GPL-2.0-or-later
import { describe, expect, it } from 'vitest'
import { BlobSource, BytesSource } from '../../../src/trace/common/bytes.ts'
import {
  type LostEvents,
  OP_NAMES,
  type OpenOptions,
  openRecording,
  type Recording,
  TraceError,
} from '../../../src/trace/index.ts'
import { LocalDecoder } from '../../../src/trace/tracedat/block-decoder.ts'
import { TraceContents } from '../../../src/trace/tracedat/recording.ts'
import {
  ByteWriter,
  commonFields,
  eventPayload,
  type FieldValues,
  pageRefEvents,
  type SynthRecord,
  storedZstd,
  type TraceDatSpec,
  writeTraceDat,
} from '../../../testkit/writers/tracedat.ts'

/** One event as the batches gave it. */
interface Seen {
  time: bigint
  cpu: number
  event: string
  pid: number
  values: { [name: string]: number | bigint }
  stack: bigint[]
}

interface Read {
  events: Seen[]
  lost: LostEvents[]
  recording: Recording
}

async function read(bytes: Uint8Array, options?: OpenOptions): Promise<Read> {
  return readAll(await openRecording(new BytesSource('trace.dat', bytes), options))
}

async function readAll(recording: Recording): Promise<Read> {
  const events: Seen[] = []
  const lost: LostEvents[] = []
  for await (const b of recording.batches()) {
    lost.push(...b.lost)
    const rows = [...b.order.subarray(0, b.length)]
    expect([...rows].sort((x, y) => x - y)).toEqual(rows.map((_, i) => i))
    for (const i of rows) {
      const wide = (high: Uint32Array, low: Uint32Array) => (BigInt(high[i]!) << 32n) | BigInt(low[i]!)
      events.push({
        time: recording.timeBase + BigInt(b.time[i]!),
        cpu: b.cpu[i]!,
        event: OP_NAMES[b.op[i]!]!,
        pid: b.pid[i]!,
        values: {
          pfn: b.pfn[i]!,
          flags: wide(b.flagsHigh, b.flagsLow),
          count: b.count[i]!,
          mapcount: b.mapcount[i]!,
          mapping: wide(b.mappingHigh, b.mappingLow),
          mt: b.mt[i]!,
          val: b.val[i]!,
          ret: b.ret[i]!,
        },
        stack: Array.from(recording.stacks.frames(b.stack[i]!), id => recording.stacks.frame(id).address),
      })
    }
  }
  return { events, lost, recording }
}

function event(time: bigint, name: string, values: FieldValues = {}, flags = 0): SynthRecord {
  const rest = { pfn: 0xfcf8, flags: 0x11, count: 1, mapcount: -1, mapping: 0, mt: 1, val: 1 }
  return { kind: 'event', time, event: `page_ref_${name}`, pid: 42, flags, values: { ...rest, ...values } }
}

function seen(time: bigint, cpu: number, name: string, values: FieldValues = {}, stack: bigint[] = []): Seen {
  const rest = { pfn: 0xfcf8, flags: 0x11n, count: 1, mapcount: -1, mapping: 0n, mt: 1, val: 1, ret: 0 }
  return {
    time,
    cpu,
    event: `page_ref_${name}`,
    pid: 42,
    values: { ...rest, ...(values as Seen['values']) },
    stack,
  }
}

/** A kernel_stack record of a task that was interrupted, or of the interrupt. */
function stackAt(time: bigint, flags: number, pid: number, frames: bigint[]): SynthRecord {
  const payload = new Uint8Array(16 + 8 * frames.length)
  const view = new DataView(payload.buffer)
  view.setUint16(0, 4, true)
  view.setUint8(2, flags)
  view.setInt32(4, pid, true)
  view.setInt32(8, frames.length, true)
  for (const [i, frame] of frames.entries()) view.setBigUint64(16 + 8 * i, frame, true)
  return { kind: 'raw', time, payload }
}

const HARDIRQ = 0x08
const SOFTIRQ = 0x10

function oneCpu(records: SynthRecord[], more: Partial<TraceDatSpec> = {}): Uint8Array {
  return writeTraceDat({ version: 7, buffers: [{ name: '', cpus: new Map([[0, records]]) }], ...more }).bytes
}

const variants = ([6, 7] as const).flatMap(version =>
  (version === 6 ? (['none'] as const) : (['none', 'zlib', 'zstd'] as const)).flatMap(compression =>
    [false, true].flatMap(bigEndian =>
      ([8, 4] as const).map(longSize => ({ version, compression, bigEndian, longSize })),
    ),
  ),
)

describe('every kind of file', () => {
  it.each(variants)('%o', async variant => {
    const wide = variant.longSize === 8
    const base = wide ? 0xffffffff81000000n : 0xc1000000n
    const flags = wide ? 0x0c00_0000_0000_2011n : 0xc000_2011n
    const mapping = wide ? 0xffff_8880_0102_0304n : 0xc102_0304n
    const hex = (offset: bigint) => (base + offset).toString(16)
    const stack = [base + 0x10n, base + 0x108n, base + 0x201n, base + 0x9999999n]
    const spec: TraceDatSpec = {
      ...variant,
      cpuCount: 3,
      userLongSize: 8,
      kallsyms: `${hex(0n)} T foo\n${hex(0x100n)} t bar\n${hex(0x200n)} t baz\t[mod]\n${hex(0x300n)} D data\n`,
      cmdlines: '42 my task\n43 other\n',
      buffers: [
        {
          name: '',
          clock: 'mono',
          cpus: new Map([
            [
              0,
              [
                event(1_000_000_000n, 'set', { flags, mapping, count: -5, mapcount: 7, mt: -1, val: -1024 }),
                { kind: 'stack', time: 1_000_001_000n, pid: 42, frames: stack },
                event(1_200_000_000n, 'mod_and_test', { ret: 1 }),
                { kind: 'discarded', time: 1_200_000_100n, bytes: 20 },
                event(1_200_001_000n, 'mod'),
                { kind: 'stamp', time: 1_300_000_000n },
                event(1_300_000_600n, 'freeze', { ret: 1 }),
                { kind: 'lost', count: 7 },
                event(1_400_000_000n, 'set'),
                { kind: 'extend', time: 1_400_000_500n },
                { kind: 'lost' },
                event(1_400_001_000n, 'set'),
              ],
            ],
            [2, [event(1_000_000_600n, 'mod_and_return', { ret: 3 }), event(90_000_000_000n, 'mod_unless')]],
          ]),
        },
      ],
    }
    const { events, lost, recording } = await read(writeTraceDat(spec).bytes)
    expect(recording.damage).toEqual([])
    expect(events).toEqual([
      seen(1_000_000_000n, 0, 'set', { flags, mapping, count: -5, mapcount: 7, mt: -1, val: -1024 }, stack),
      seen(1_000_000_600n, 2, 'mod_and_return', { ret: 3 }),
      seen(1_200_000_000n, 0, 'mod_and_test', { ret: 1 }),
      seen(1_200_001_000n, 0, 'mod'),
      seen(1_300_000_600n, 0, 'freeze', { ret: 1 }),
      seen(1_400_000_000n, 0, 'set'),
      seen(1_400_001_000n, 0, 'set'),
      seen(90_000_000_000n, 2, 'mod_unless'),
    ])
    const from = (time: bigint) => Number(time - recording.timeBase)
    expect(lost).toEqual([
      { cpu: 0, from: from(1_300_000_600n), to: from(1_400_000_000n), count: 7 },
      { cpu: 0, from: from(1_400_000_000n), to: from(1_400_001_000n), count: undefined },
    ])
    expect(recording.tasks.name(42)).toBe('my task')
    expect(recording.tasks.name(7)).toBe('<...>')
    expect(recording.info).toMatchObject({
      format: `trace.dat v${variant.version}`,
      cpus: 3,
      clock: 'mono',
      rawFlags: true,
      kernel: '6.12.0-synthetic',
      machine: 'x86_64',
    })
    const names = [...recording.stacks.frames(1)].map(id => {
      const { name, offset, module } = recording.stacks.frame(id)
      return [name, offset, module]
    })
    expect(names).toEqual([
      ['foo', 0x10, undefined],
      ['bar', 8, undefined],
      ['baz', 1, 'mod'],
      [`0x${(base + 0x9999999n).toString(16)}`, undefined, undefined],
    ])
  })

  it('fields that moved, were added, or have other sizes', async () => {
    const events = pageRefEvents(8).map(spec => ({
      ...spec,
      fields: [
        ...commonFields(),
        { name: 'owner', type: 'char', size: 1, signed: false, count: 5 },
        { name: 'mt', type: 's8', size: 1, signed: true },
        { name: 'val', type: 'short', size: 2, signed: true },
        { name: 'count', type: 'long', size: 8, signed: true },
        { name: 'pfn', type: 'unsigned int', size: 4, signed: false },
        { name: 'flags', type: 'unsigned long', size: 8, signed: false, offset: 33 },
        { name: 'mapcount', type: 'int', size: 4, signed: true, offset: 43 },
      ],
    }))
    for (const bigEndian of [false, true]) {
      const values = { pfn: 0xfffffff0, mt: -3, val: -2, count: -9, flags: 0x0123456789abcdefn, mapcount: -77 }
      const { events: found } = await read(oneCpu([event(5n, 'mod', values)], { events, bigEndian }))
      expect(found).toEqual([seen(5n, 0, 'mod', { ...values, mapping: 0n })])
    }
  })

  it('long records with their length in array[0]', async () => {
    const records = Array.from({ length: 500 }, (_, i) => event(BigInt(i), 'set', { val: i }))
    const { events } = await read(oneCpu(records, { longLengths: true, compression: 'zstd', pageSize: 512 }))
    expect(events.map(({ values }) => values.val)).toEqual(records.map((_, i) => i))
  })

  it('a Blob, as in a browser', async () => {
    const bytes = oneCpu([event(5n, 'mod')], { compression: 'zlib' })
    const recording = await openRecording(new BlobSource('x', new Blob([bytes as Uint8Array<ArrayBuffer>])))
    expect((await readAll(recording)).events).toHaveLength(1)
  })

  it('absolute time stamps beyond 2^53 ns, exactly', async () => {
    const start = 1_800_000_000_000_000_123n
    const records: SynthRecord[] = []
    for (let i = 0n; i < 5n; i++) {
      records.push({ kind: 'stamp', time: start + i * 7n }, event(start + i * 7n, 'set'))
    }
    const { events } = await read(oneCpu(records, { pageSize: 256 }))
    expect(events.map(({ time }) => time - start)).toEqual([0n, 7n, 14n, 21n, 28n])
  })
})

describe('stacks', () => {
  const A = [0xffffffff81000010n, 0xffffffff81000020n]
  const B = [0xffffffff81000030n]
  const C = [0xffffffff81000040n]

  /** Task event, softirq event, hardirq event, then their stacks from the inside out. */
  const nested: SynthRecord[] = [
    event(10n, 'set', { val: 1 }),
    event(11n, 'set', { val: 2 }, SOFTIRQ),
    event(12n, 'set', { val: 3 }, HARDIRQ | SOFTIRQ),
    stackAt(13n, HARDIRQ | SOFTIRQ, 42, C),
    stackAt(14n, SOFTIRQ, 42, B),
    stackAt(15n, 0, 42, A),
    event(16n, 'set', { val: 4 }),
  ]
  const byVal = ({ events }: Read) => events.map(({ values, stack }) => [values.val, stack])
  const expected = [
    [1, A],
    [2, B],
    [3, C],
    [4, []],
  ]

  it('belong to the event of their level, with interrupts in between', async () => {
    expect(byVal(await read(oneCpu(nested)))).toEqual(expected)
  })

  it('join across the border of a sub-buffer, wherever it is', async () => {
    for (let border = 1; border < nested.length; border++) {
      const records = [...nested.slice(0, border), { kind: 'page' } as const, ...nested.slice(border)]
      for (const chunkPages of [1, 10]) {
        expect(byVal(await read(oneCpu(records, { compression: 'zstd', chunkPages })))).toEqual(expected)
      }
    }
  })

  it('join across the borders of blocks', async () => {
    // Sub-buffers of one record each, enough for several blocks: every border between blocks parts an event and its stack.
    const records: SynthRecord[] = []
    const count = 6000
    for (let i = 0; i < count; i++) {
      records.push(event(BigInt(10 * i), 'set', { val: i }), { kind: 'page' })
      records.push(stackAt(BigInt(10 * i + 5), 0, 42, [BigInt(0x1000 + i)]), { kind: 'page' })
    }
    const { events } = await read(oneCpu(records, { compression: 'zstd', pageSize: 256 }))
    expect(events.map(({ values, stack }) => [values.val, stack])).toEqual(
      Array.from({ length: count }, (_, i) => [i, [BigInt(0x1000 + i)]]),
    )
  })

  it('of other events are not given to a page_ref event', async () => {
    const other = pageRefEvents(8).map((spec, i) =>
      i === 0 ? { ...spec, system: 'other', name: 'page_ref_set' } : spec,
    )
    const records = [event(1n, 'mod'), event(2n, 'set'), stackAt(3n, 0, 42, A)]
    const { events } = await read(oneCpu(records, { events: other }))
    expect(events).toEqual([seen(1n, 0, 'mod')])
  })

  it('do not reach over lost events, nor from task to task', async () => {
    const lost = await read(oneCpu([event(1n, 'mod'), { kind: 'lost', count: 1 }, stackAt(3n, 0, 42, A)]))
    expect(lost.events).toEqual([seen(1n, 0, 'mod')])
    const other = await read(oneCpu([event(1n, 'mod'), stackAt(3n, 0, 43, A)]))
    expect(other.events).toEqual([seen(1n, 0, 'mod')])
  })

  it('end with an address of all ones', async () => {
    const { events } = await read(oneCpu([event(1n, 'mod'), stackAt(3n, 0, 42, [...A, 2n ** 64n - 1n, 5n])]))
    expect(events[0]!.stack).toEqual(A)
  })
})

describe('time', () => {
  it('merges any number of CPUs, ties by CPU', async () => {
    const cpus = new Map<number, SynthRecord[]>()
    const all: [bigint, number][] = []
    let seed = 1
    for (let cpu = 0; cpu < 37; cpu++) {
      let time = 0n
      const records: SynthRecord[] = []
      for (let i = 0; i < 300; i++) {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
        time += BigInt((seed >>> 16) % 5)
        records.push(event(time, 'set'))
        all.push([time, cpu])
      }
      cpus.set(cpu * 3, records)
    }
    const expected = all
      .map(([time, cpu], i) => ({ time, cpu: cpu * 3, i }))
      .sort((a, b) => Number(a.time - b.time) || a.cpu - b.cpu || a.i - b.i)
    const { events } = await read(
      writeTraceDat({ version: 7, compression: 'zstd', chunkPages: 1, buffers: [{ name: '', cpus }] }).bytes,
    )
    expect(events.map(({ time, cpu }) => ({ time, cpu }))).toEqual(expected.map(({ time, cpu }) => ({ time, cpu })))
  })

  it('tells of a gap before any event that follows it, on whatever CPU', async () => {
    const slow = [event(10n, 'set'), { kind: 'lost', count: 3 } as const, event(349_990n, 'set')]
    const fast = Array.from({ length: 70_000 }, (_, i) => event(BigInt(i * 5), 'set'))
    const bytes = writeTraceDat({
      version: 7,
      compression: 'zstd',
      buffers: [
        {
          name: '',
          cpus: new Map([
            [0, fast],
            [1, slow],
          ]),
        },
      ],
    }).bytes
    const recording = await openRecording(new BytesSource('x', bytes))
    let last = 0
    let told = false
    for await (const batch of recording.batches()) {
      if (batch.lost.length > 0) {
        told = true
        expect(batch.lost).toEqual([{ cpu: 1, from: 10, to: 349_990, count: 3 }])
        expect(last).toBeLessThanOrEqual(10)
      }
      last = batch.time[batch.order[batch.length - 1]!]!
    }
    expect(told).toBe(true)
  })
})

describe('buffers', () => {
  const spec = (top: SynthRecord[]): TraceDatSpec => ({
    version: 7,
    buffers: [
      { name: '', cpus: new Map([[0, top]]) },
      { name: 'one', cpus: new Map([[0, [event(2n, 'mod'), event(3n, 'mod')]]]) },
      { name: 'two', cpus: new Map([[0, [event(4n, 'freeze')]]]) },
    ],
  })

  it.each([6, 7] as const)('the top one is read, and others are named (version %i)', async version => {
    const { bytes } = writeTraceDat({ ...spec([event(1n, 'set')]), version })
    const { events, recording } = await read(bytes)
    expect(events.map(({ event }) => event)).toEqual(['page_ref_set'])
    expect(recording.notes).toEqual(['read the events of buffer "" only; the file also has "one", "two"'])
    expect((await read(bytes, { buffer: 'two' })).events.map(({ event }) => event)).toEqual(['page_ref_freeze'])
    await expect(read(bytes, { buffer: 'three' })).rejects.toThrow(
      /expected a buffer "three"; there are: "", "one", "two"/,
    )
  })

  it('without page_ref events in the top one, the next is read', async () => {
    const { events } = await read(writeTraceDat(spec([stackAt(1n, 0, 42, [1n])])).bytes)
    expect(events.map(({ event }) => event)).toEqual(['page_ref_mod', 'page_ref_mod'])
  })
})

describe('damage', () => {
  const records: SynthRecord[] = Array.from({ length: 400 }, (_, i) => event(BigInt(i * 100), 'set', { val: i }))
  const spec = (more: Partial<TraceDatSpec>): TraceDatSpec => ({
    version: 7,
    pageSize: 512,
    chunkPages: 4,
    cpuCount: 2,
    buffers: [
      {
        name: '',
        cpus: new Map([
          [0, records],
          [1, records],
        ]),
      },
    ],
    ...more,
  })

  /** What was read is the beginning of what each CPU has, but for gaps that were told. */
  function expectHonest({ events, lost, recording }: Read): void {
    for (const cpu of [0, 1]) {
      const gaps = lost.filter(gap => gap.cpu === cpu)
      const vals = events.filter(event => event.cpu === cpu).map(({ values }) => Number(values.val))
      const missing = records.map((_, i) => i).filter(i => !vals.includes(i))
      const base = Number(recording.timeBase)
      for (const i of missing) {
        expect(gaps.some(({ from, to }) => from + base < i * 100 && i * 100 < to + base)).toBe(true)
      }
      expect(vals).toEqual([...vals].sort((a, b) => a - b))
    }
  }

  it.each([
    { version: 6 },
    { version: 7, compression: 'none' },
    { version: 7, compression: 'zstd' },
    { version: 7, compression: 'zlib' },
  ] as const)('a file cut off anywhere gives the events before that ($version $compression)', async more => {
    const { bytes } = writeTraceDat(spec(more))
    let most = 0
    const step = Math.ceil(bytes.length / 150)
    for (let length = bytes.length - 1; length >= 0; length -= step) {
      try {
        const found = await read(bytes.subarray(0, length))
        expectHonest(found)
        most = Math.max(most, found.events.length)
      } catch (error) {
        if (!(error instanceof TraceError)) throw error
        expect(error.message).toMatch(/^trace\.dat: offset \d+: expected /)
      }
    }
    expect(most).toBeGreaterThan(700)
  })

  it('a chunk that cannot be unpacked leaves a gap, with its place', async () => {
    const { bytes, marks } = writeTraceDat(spec({ compression: 'zstd' }))
    const chunk = marks.filter(mark => mark.what === 'chunk compressed size')[3]!
    bytes.fill(0xff, chunk.offset + 8, chunk.offset + 24)
    const found = await read(bytes)
    expect(found.recording.damage).toEqual([
      {
        file: 'trace.dat',
        offset: chunk.offset + 8,
        expected: expect.stringMatching(/^expected \d+ bytes of packed events/),
      },
    ])
    expect(found.lost).toHaveLength(1)
    expectHonest(found)
  })

  it('a sub-buffer that makes no sense leaves a gap', async () => {
    const { bytes, marks } = writeTraceDat(spec({}))
    const commit = marks.filter(mark => mark.what === 'page commit')[5]!
    new DataView(bytes.buffer).setUint32(commit.offset, 5000, true)
    const found = await read(bytes)
    expect(found.recording.damage).toEqual([
      {
        file: 'trace.dat',
        offset: commit.offset,
        expected: 'expected a sub-buffer with at most 496 bytes used, found 5000',
      },
    ])
    expect(found.lost).toHaveLength(1)
    expectHonest(found)
  })

  it('a record longer than its sub-buffer ends it', async () => {
    const { bytes, marks } = writeTraceDat(spec({}))
    const page = marks.filter(mark => mark.what === 'page time')[3]!
    const header = marks.filter(mark => mark.what === 'event header' && mark.offset < page.offset).at(-1)!
    const view = new DataView(bytes.buffer)
    view.setUint32(header.offset, view.getUint32(header.offset, true) | 28, true)
    const found = await read(bytes)
    expect(found.recording.damage).toEqual([
      {
        file: 'trace.dat',
        offset: header.offset,
        expected: expect.stringMatching(/^expected a record of 8 to \d+ bytes/),
      },
    ])
    expectHonest(found)
  })

  it('sizes that no file has are refused before memory is taken', async () => {
    for (const what of [
      'section size',
      'uncompressed size',
      'chunk uncompressed size',
      'chunk compressed size',
      'option size',
    ]) {
      const { bytes, marks } = writeTraceDat(spec({ compression: 'zstd' }))
      const places = marks.filter(mark => mark.what === what)
      expect(places.length).toBeGreaterThan(0)
      for (const { offset, size } of places.slice(0, 12)) {
        const broken = bytes.slice()
        broken.fill(0xff, offset, offset + size)
        try {
          const { recording, events } = await read(broken)
          // The size of the section that holds the events is not used: each CPU's own is.
          if (events.length < 800) expect(recording.damage.length).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toBeInstanceOf(TraceError)
        }
      }
    }
  })

  it('options that are their own successors end', async () => {
    const { bytes, marks } = writeTraceDat(spec({}))
    const first = marks.find(mark => mark.what === 'options offset') ?? { offset: 24 }
    const view = new DataView(bytes.buffer)
    const start = Number(view.getBigUint64(first.offset, true))
    const size = Number(view.getBigUint64(start + 8, true))
    view.setBigUint64(start + 16 + size - 8, BigInt(start), true)
    const { events } = await read(bytes)
    expect(events).toHaveLength(800)
  })

  it('is refused with a place when it is no recording at all', async () => {
    for (const text of ['', 'hello', '\x17\x08Dtracing8\0']) {
      await expect(read(new TextEncoder().encode(text))).rejects.toThrow(TraceError)
    }
  })
})

describe('other formats', () => {
  it('records of unknown events are passed over', async () => {
    const payload = eventPayload(pageRefEvents(8)[0]!, { common_type: 4711 })
    const { events } = await read(oneCpu([{ kind: 'raw', time: 1n, payload }, event(2n, 'mod')]))
    expect(events).toEqual([seen(2n, 0, 'mod')])
  })

  it('a file with neither page_ref events nor probes says so', async () => {
    const events = pageRefEvents(8).map(spec => ({ ...spec, system: 'other' }))
    const { events: found, recording } = await read(oneCpu([event(2n, 'mod')], { events }))
    expect(found).toEqual([])
    expect(recording.notes).toEqual(['the file describes neither page_ref events nor probes'])
  })
})

/** A zstd frame of zeroes: RLE blocks (RFC 8878, 3.1.1.2). */
function zeroFrame(size: number): Uint8Array {
  const out = new ByteWriter()
  out.u32(0xfd2fb528)
  out.u8(0xa0)
  out.u32(size)
  for (let left = size; left > 0; left -= Math.min(left, 1 << 17)) {
    const header = (Math.min(left, 1 << 17) << 3) | 2 | (left <= 1 << 17 ? 1 : 0)
    out.u16(header & 0xffff)
    out.u8(header >> 16)
    out.u8(0)
  }
  return out.take()
}

describe('memory', () => {
  it('is not held for sub-buffers without events, however many a chunk unpacks to', async () => {
    const size = 1 << 20
    const { bytes } = writeTraceDat({
      version: 7,
      compression: 'zstd',
      chunkPages: 256,
      buffers: [{ name: '', cpus: new Map([[0, [event(1n, 'set')]]]) }],
      transform: (part, bytes) => (part === 'trace data' ? new Uint8Array(size) : bytes),
      zstd: bytes => (bytes.every(byte => byte === 0) ? zeroFrame(bytes.length) : storedZstd(bytes)),
    })
    const contents = await TraceContents.open(new BytesSource('x', bytes), [], {})
    const decoder = await LocalDecoder.create({ plan: contents.plan()!, compression: 'zstd' })
    const piece = (await contents.cutters([])[0]!.cutter.next())!
    expect(piece.bytes.length).toBeLessThan(100)
    expect(piece.chunks[2]).toBe(size)
    const { block } = await decoder.decode({ cpu: 0, ...piece, buffer: undefined })
    expect(block.state).toMatchObject({ row: 0, events: 0, damage: [] })
    expect(block.buffer.byteLength).toBeLessThan(1000)
  })

  it('is not taken for chunks larger than any recording has', async () => {
    const { bytes } = writeTraceDat({
      version: 7,
      compression: 'zstd',
      chunkPages: 1024,
      buffers: [{ name: '', cpus: new Map([[0, [event(1n, 'set')]]]) }],
      transform: (part, bytes) => (part === 'trace data' ? new Uint8Array(4 << 20) : bytes),
      zstd: bytes => (bytes.every(byte => byte === 0) ? zeroFrame(bytes.length) : storedZstd(bytes)),
    })
    const { recording, lost } = await read(bytes)
    expect(recording.damage).toMatchObject([
      { expected: expect.stringMatching(/^expected a chunk of 1 to 1048576 bytes/) },
    ])
    expect(lost).toHaveLength(1)
  })
})
