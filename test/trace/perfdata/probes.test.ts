// SPDX-License-Identifier: GPL-2.0-or-later
// Probes in perf.data: perf records them as it does page_ref events.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import { openPerf } from '../../../src/trace/perfdata/recording.ts'
import { program, run } from '../../../testkit/data.ts'
import { CONTEXT_KERNEL, type PerfRecord, type PerfSpec, writePerf } from '../../../testkit/writers/perfdata.ts'
import { BARE, kprobeEvent, probeEvents } from '../../../testkit/writers/probe-events.ts'
import { type FieldValues, pageRefEvents } from '../../../testkit/writers/tracedat.ts'
import { collect, frameNames, type PlainEvent } from '../../support/collect.ts'
import { needs } from '../../support/needs.ts'

async function read(spec: PerfSpec) {
  const { bytes } = writePerf({ events: [...pageRefEvents(8), ...probeEvents(8)], ...spec })
  const recording = await openPerf(new BytesSource('perf.data', bytes))
  return { recording, ...(await collect(recording)) }
}

const BASE = 5_000_000_000n
const VMEMMAP = 0xffffea0000000000n
const SET = { pfn: 0x100000, flags: 0x11n, count: 1, mapcount: -1, mapping: 0x1000n, mt: 1, val: 1 }
const chain = [CONTEXT_KERNEL, 0xffffffff81000010n]

const sample = (time: number, cpu: number, event: string, values: FieldValues = {}): PerfRecord => ({
  kind: 'sample',
  time: BASE + BigInt(time),
  cpu,
  pid: 42,
  event,
  values,
  // Also records without a chain have room for one.
  chain: time % 200 === 0 ? chain : [],
})

const ip = { __probe_ip: 0xffffffff81000000n }
const records: PerfRecord[] = [
  { kind: 'comm', pid: 42, name: 'my task' },
  sample(100, 0, 'lastput_alloc', { ...ip, page: VMEMMAP + 64n * 0x100000n, vmemmap: VMEMMAP }),
  sample(300, 0, 'page_ref_set', SET),
  sample(600, 0, 'lastput_memunmap', { ...ip, start: 0x100000000n, end: 0x1001fffffn }),
  { kind: 'round' },
  sample(200, 1, 'lastput_free', { ...ip, page: VMEMMAP + 64n * (2n ** 34n - 1n), vmemmap: VMEMMAP }),
  { kind: 'lost', count: 7n, cpu: 1, time: BASE + 350n },
  sample(400, 1, 'lastput_use', { ...ip, pfn: 0x100001 }),
  { kind: 'round' },
  sample(700, 0, 'lastput_memunmap_end', { __probe_func: 1, __probe_ret_ip: 2 }),
  sample(800, 1, 'error_report_end', { error_detector: 2, id: 0xffffffff81234567n }),
]

const expected = (time: number, cpu: number, op: string, columns: Partial<PlainEvent> = {}) => ({
  time: BASE + BigInt(time),
  cpu,
  op,
  pid: 42,
  ...BARE,
  frames: time % 200 === 0 ? ['0xffffffff81000010'] : [],
  ...columns,
})

const variants: Omit<PerfSpec, 'records'>[] = [
  {},
  { pipe: true },
  { packed: true },
  { bigEndian: true },
  { bigEndian: true, pipe: true, packed2: true },
  { identifier: false, sampleType: 64 },
]

describe.each(variants)('a file with %o', variant => {
  it('gives every probe, in order of time among page_ref events', async () => {
    const { recording, events, lost } = await read({ ...variant, records })
    const withFrames = events.map(({ stack, ...event }) => ({ ...event, frames: frameNames(recording, stack) }))
    expect(withFrames).toEqual([
      expected(100, 0, 'lastput_alloc', { pfn: 0x100000 }),
      expected(200, 1, 'lastput_free', { pfn: 2 ** 34 - 1 }),
      expected(300, 0, 'page_ref_set', SET),
      expected(400, 1, 'lastput_use', { pfn: 0x100001 }),
      expected(600, 0, 'lastput_memunmap', { pfn: 0x100000, val: 512 }),
      expected(700, 0, 'lastput_memunmap_end'),
      expected(800, 1, 'error_report_end', { val: 2, mapping: 0xffffffff81234567n }),
    ])
    expect(lost).toMatchObject([{ cpu: 1, count: 7 }])
    expect(recording.damage).toEqual([])
    expect(recording.notes).toEqual([])
  })
})

describe('probes without a meaning', () => {
  it('are counted, and end gaps all the same', async () => {
    const events = [...pageRefEvents(8), kprobeEvent('lastput_free', 1900, []), kprobeEvent('lastput_use', 1901, [])]
    const {
      events: found,
      lost,
      recording,
    } = await read({
      events,
      records: [
        sample(100, 0, 'page_ref_set', SET),
        { kind: 'lost', count: 2n, cpu: 0 },
        sample(200, 0, 'lastput_free'),
        sample(300, 0, 'lastput_free'),
        sample(400, 0, 'page_ref_set', SET),
        sample(500, 0, 'lastput_use'),
      ],
    })
    expect(found.map(({ time }) => time - BASE)).toEqual([100n, 400n])
    expect(lost).toEqual([{ cpu: 0, from: 0, to: 100, count: 2 }])
    expect(recording.notes).toEqual([
      'lastput_free: 2 events have no page that can be told: expected a field pfn, or page and vmemmap',
      'lastput_use: 1 event has no page that can be told: expected a field pfn, or page and vmemmap',
    ])
    expect(recording.damage).toEqual([])
  })

  it.each(variants)('alone are read, too, from a file with %o', async variant => {
    const alone = records.filter(record => record.kind !== 'sample' || record.event !== 'page_ref_set')
    const { events, recording } = await read({ ...variant, events: probeEvents(8), records: alone })
    expect(events.map(({ op }) => op)).toEqual([
      ...['lastput_alloc', 'lastput_free', 'lastput_use', 'lastput_memunmap', 'lastput_memunmap_end'],
      'error_report_end',
    ])
    expect([recording.notes, recording.damage]).toEqual([[], []])
  })

  it('without any, the file is no recording', async () => {
    const { events, recording } = await read({ events: [kprobeEvent('other', 1900, [])], records: [] })
    expect(events).toEqual([])
    expect(recording.notes).toEqual(['the file describes no page_ref events'])
  })

  it('are damage when they are shorter than their format says', async () => {
    const long = kprobeEvent('lastput_use', 1901, [
      [{ name: 'pfn', type: 'u64', size: 8, signed: false, offset: 4000 }, ''],
    ])
    const events = [...pageRefEvents(8), long]
    const { bytes, marks } = writePerf({
      events,
      records: [
        sample(100, 0, 'page_ref_set', SET),
        sample(200, 0, 'lastput_use', { pfn: 5 }),
        sample(300, 0, 'page_ref_set', SET),
      ],
    })
    const size = marks.filter(({ what }) => what === 'raw size')[1]!
    new DataView(bytes.buffer).setUint32(size.offset, 4004, true)
    const recording = await openPerf(new BytesSource('perf.data', bytes))
    const { events: found } = await collect(recording)
    expect(found.map(({ op }) => op)).toEqual(['page_ref_set', 'page_ref_set'])
    expect(recording.damage).toHaveLength(1)
  })
})

needs(program('perf')).describe('perf script', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-perf-probes-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('reads what the writer writes', () => {
    const file = join(folder, 'perf.data')
    writeFileSync(file, writePerf({ events: [...pageRefEvents(8), ...probeEvents(8)], records }).bytes)
    const text = run('perf', ['script', '-i', file, '-G', '-F', 'event,trace'])
    const lines = text
      .trimEnd()
      .split('\n')
      .map(line => line.trim().replace(/\s+/g, ' '))
    expect(lines.filter(line => !line.startsWith('page_ref'))).toEqual([
      'lastput:lastput_alloc: (ffffffff81000000) page=0xffffea0004000000 vmemmap=0xffffea0000000000',
      'lastput:lastput_free: (ffffffff81000000) page=0xffffeaffffffffc0 vmemmap=0xffffea0000000000',
      'lastput:lastput_use: (ffffffff81000000) pfn=1048577',
      'fprobes:lastput_memunmap: (ffffffff81000000) start=4294967296 end=4297064447',
      'kprobes:lastput_memunmap_end: (1 <- 2)',
      'error_report:error_report_end: [warning] ffffffff81234567',
    ])
  })
})
