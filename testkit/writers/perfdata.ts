// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Writes perf.data with page_ref tracepoints: as a file or as a pipe's stream, in either byte order, with callchains,
 * lost events, rounds and packed records. What is written here is read by `perf script`; test/trace/perfdata holds it to that.
 *
 * Layouts: tools/perf/Documentation/perf.data-file-format.txt, include/uapi/linux/perf_event.h.
 */

import {
  ByteWriter,
  type EventSpec,
  eventPayload,
  type FieldValues,
  type Mark,
  pageRefEvents,
  tracingData,
} from './tracedat.ts'

export const Sample = {
  IP: 1,
  TID: 2,
  TIME: 4,
  ADDR: 8,
  READ: 16,
  CALLCHAIN: 32,
  ID: 64,
  CPU: 128,
  PERIOD: 256,
  STREAM_ID: 512,
  RAW: 1024,
  IDENTIFIER: 65536,
} as const

export const CONTEXT_KERNEL = -128n
export const CONTEXT_USER = -512n

export type PerfRecord =
  | {
      kind: 'sample'
      time: bigint
      cpu?: number
      pid?: number
      event: string
      values?: FieldValues
      chain?: readonly bigint[]
    }
  | { kind: 'round' }
  | { kind: 'comm'; pid: number; name: string; time?: bigint }
  | { kind: 'fork'; pid: number; parent: number; time?: bigint }
  /** Of the kernel, when `pid` is -1. */
  | { kind: 'mmap'; pid: number; start: bigint; length: bigint; file: string; two?: boolean }
  | { kind: 'lost'; count: bigint; cpu?: number; time?: bigint }
  | { kind: 'lost-samples'; count: bigint; cpu?: number; time?: bigint }
  | { kind: 'throttle'; cpu?: number; time: bigint }
  /** Anything: bytes behind the record's header. */
  | { kind: 'raw'; type: number; body: Uint8Array; extra?: Uint8Array }

export interface PerfSpec {
  bigEndian?: boolean
  pipe?: boolean
  /** Beyond IP, TID, TIME, CPU, PERIOD, RAW and (where samples have chains) CALLCHAIN. */
  sampleType?: number
  /** Without: samples carry no identifier, and all events share one layout. */
  identifier?: boolean
  readFormat?: number
  sampleIdAll?: boolean
  clockId?: number
  events?: EventSpec[]
  kallsyms?: string
  tracingVersion?: '0.5' | '0.6'
  osrelease?: string
  arch?: string
  cpus?: number
  sampleTimes?: [bigint, bigint]
  records: PerfRecord[]
  /** Packs each run of samples into PERF_RECORD_COMPRESSED. */
  packed?: boolean
  /** Packs with COMPRESSED2 of Linux 6.16. */
  packed2?: boolean
}

const Type = {
  MMAP: 1,
  LOST: 2,
  COMM: 3,
  THROTTLE: 5,
  FORK: 7,
  SAMPLE: 9,
  MMAP2: 10,
  LOST_SAMPLES: 13,
  HEADER_ATTR: 64,
  TRACING_DATA: 66,
  FINISHED_ROUND: 68,
  HEADER_FEATURE: 80,
  COMPRESSED: 81,
  COMPRESSED2: 83,
} as const

const ATTR_BYTES = 128
const FILE_HEADER = 104
const MISC_KERNEL = 1
const ZSTD_MAGIC = 0xfd2fb528

interface Resolved extends PerfSpec {
  bigEndian: boolean
  events: EventSpec[]
  sampleType: number
  sampleIdAll: boolean
  cpus: number
}

function resolve(spec: PerfSpec): Resolved {
  const chains = spec.records.some(record => record.kind === 'sample' && record.chain)
  const base = Sample.IP | Sample.TID | Sample.TIME | Sample.CPU | Sample.PERIOD | Sample.RAW
  const identifier = spec.identifier === false ? 0 : Sample.IDENTIFIER
  return {
    ...spec,
    bigEndian: spec.bigEndian ?? false,
    events: spec.events ?? pageRefEvents(8),
    sampleType: base | identifier | (chains ? Sample.CALLCHAIN : 0) | (spec.sampleType ?? 0),
    sampleIdAll: spec.sampleIdAll ?? true,
    cpus: spec.cpus ?? 2,
  }
}

/** Ids count from here: one for each event. */
const idOf = (spec: Resolved, event: string) => 100 + spec.events.findIndex(({ name }) => name === event)

export function writePerf(spec: PerfSpec): { bytes: Uint8Array; marks: Mark[] } {
  const resolved = resolve(spec)
  const out = new ByteWriter(resolved.bigEndian)
  if (spec.pipe) writePipe(resolved, out)
  else writeFile(resolved, out)
  return { bytes: out.take().slice(), marks: out.marks }
}

function magic(spec: Resolved, out: ByteWriter): void {
  const text = 'PERFILE2'
  out.text(spec.bigEndian ? [...text].reverse().join('') : text)
}

function attr(spec: Resolved, event: EventSpec): Uint8Array {
  const out = new ByteWriter(spec.bigEndian)
  const bit = (n: number) => 1n << BigInt(spec.bigEndian ? 63 - n : n)
  const [inherit, sampleIdAll, useClockid] = [bit(1), bit(18), bit(25)]
  let flags = inherit
  if (spec.sampleIdAll) flags |= sampleIdAll
  if (spec.clockId !== undefined) flags |= useClockid
  out.u32(2, 'attr type')
  out.u32(ATTR_BYTES, 'attr size')
  out.u64(event.id)
  out.u64(1)
  out.u64(spec.sampleType, 'sample_type')
  out.u64(spec.readFormat ?? 4, 'read_format')
  out.u64(flags)
  out.align(92)
  out.u32(spec.clockId ?? 0)
  out.bytes(new Uint8Array(ATTR_BYTES - out.length))
  return out.take()
}

function tracing(spec: Resolved): Uint8Array {
  const { bigEndian, events, kallsyms = '' } = spec
  return tracingData({ version: 6, bigEndian, events, kallsyms, buffers: [] }, spec.tracingVersion)
}

/** Data of the features that are written, by number. */
function features(spec: Resolved): [feature: number, data: Uint8Array][] {
  const text = (value: string) => {
    const out = new ByteWriter(spec.bigEndian)
    const padded = Math.ceil((value.length + 1) / 64) * 64
    out.u32(padded, 'string length')
    out.text(value.padEnd(padded, '\0'))
    return out.take()
  }
  const cpus = new ByteWriter(spec.bigEndian)
  cpus.u32(spec.cpus)
  cpus.u32(spec.cpus)
  const list: [number, Uint8Array][] = [
    [4, text(spec.osrelease ?? '6.12.0-synthetic')],
    [6, text(spec.arch ?? 'x86_64')],
    [7, cpus.take()],
  ]
  if (spec.sampleTimes) {
    const times = new ByteWriter(spec.bigEndian)
    for (const time of spec.sampleTimes) times.u64(time)
    list.push([21, times.take()])
  }
  if (spec.packed) {
    const packing = new ByteWriter(spec.bigEndian)
    // Version 1, zstd, level 1, ratio 1, and the size of a CPU's buffer.
    for (const value of [1, 1, 1, 1, 1 << 20]) packing.u32(value)
    list.push([27, packing.take()])
  }
  return list
}

function writeFile(spec: Resolved, out: ByteWriter): void {
  const entry = ATTR_BYTES + 16
  const attrsAt = FILE_HEADER + 8 * spec.events.length
  const dataAt = attrsAt + entry * spec.events.length
  const data = stream(spec)
  const list: [number, Uint8Array][] = [[1, tracing(spec)], ...features(spec)]
  magic(spec, out)
  out.u64(FILE_HEADER, 'header size')
  out.u64(entry, 'attr entry size')
  for (const [offset, size] of [
    [attrsAt, entry * spec.events.length],
    [dataAt, data.length],
    [0, 0],
  ]) {
    out.u64(offset!, 'section offset')
    out.u64(size!, 'section size')
  }
  const bits = list.reduce((sum, [feature]) => sum | (1n << BigInt(feature)), 0n)
  out.u64(bits, 'features')
  out.bytes(new Uint8Array(24))
  for (const event of spec.events) out.u64(idOf(spec, event.name), 'id')
  spec.events.forEach((event, index) => {
    out.bytes(attr(spec, event))
    out.u64(FILE_HEADER + 8 * index, 'ids offset')
    out.u64(8, 'ids size')
  })
  out.append(data)
  let offset = out.length + 16 * list.length
  for (const [, bytes] of list) {
    out.u64(offset, 'feature offset')
    out.u64(bytes.length, 'feature size')
    offset += bytes.length
  }
  for (const [, bytes] of list) out.bytes(bytes)
}

function writePipe(spec: Resolved, out: ByteWriter): void {
  magic(spec, out)
  out.u64(16)
  for (const event of spec.events) {
    const body = new ByteWriter(spec.bigEndian)
    body.bytes(attr(spec, event))
    body.u64(idOf(spec, event.name))
    record(out, Type.HEADER_ATTR, 0, body)
  }
  for (const [feature, data] of features(spec)) {
    const body = new ByteWriter(spec.bigEndian)
    body.u64(feature)
    body.bytes(data)
    record(out, Type.HEADER_FEATURE, 0, body)
  }
  const bytes = tracing(spec)
  const size = new ByteWriter(spec.bigEndian)
  size.u32(Math.ceil(bytes.length / 8) * 8, 'tracing size')
  record(out, Type.TRACING_DATA, 0, size)
  out.bytes(bytes)
  out.bytes(new Uint8Array((8 - (bytes.length % 8)) % 8))
  out.append(stream(spec))
}

function record(out: ByteWriter, type: number, misc: number, body: ByteWriter): void {
  out.u32(type, 'record type')
  out.u16(misc)
  out.u16(8 + body.length, 'record size')
  out.append(body)
}

/** The records of the data section. */
function stream(spec: Resolved): ByteWriter {
  const out = new ByteWriter(spec.bigEndian)
  const packer = new Packer(spec)
  for (const item of spec.records) {
    const sample = item.kind === 'sample'
    if (!sample) packer.flush(out)
    writeRecord(spec, sample && (spec.packed || spec.packed2) ? packer.inner : out, item)
  }
  packer.flush(out)
  return out
}

/** One zstd frame of stored blocks over all packed records. */
class Packer {
  inner: ByteWriter
  readonly #spec: Resolved
  #started = false

  constructor(spec: Resolved) {
    this.#spec = spec
    this.inner = new ByteWriter(spec.bigEndian)
  }

  flush(out: ByteWriter): void {
    const { inner } = this
    this.inner = new ByteWriter(this.#spec.bigEndian)
    for (let at = 0; at < inner.length; at += 30_000) {
      const block = inner.take().subarray(at, at + 30_000)
      const packed = new ByteWriter()
      if (!this.#started) {
        packed.u32(ZSTD_MAGIC)
        // No content size, a window of 128 KB.
        packed.u8(0)
        packed.u8(7 << 3)
        this.#started = true
      }
      packed.u16((block.length << 3) & 0xffff)
      packed.u8(block.length >> 13)
      packed.bytes(block)
      this.#record(out, packed)
    }
  }

  #record(out: ByteWriter, packed: ByteWriter): void {
    if (!this.#spec.packed2) {
      record(out, Type.COMPRESSED, 0, packed)
      return
    }
    const body = new ByteWriter(this.#spec.bigEndian)
    body.u64(packed.length, 'packed size')
    body.append(packed)
    body.align(8)
    record(out, Type.COMPRESSED2, 0, body)
  }
}

function writeRecord(spec: Resolved, out: ByteWriter, item: PerfRecord): void {
  const body = new ByteWriter(spec.bigEndian)
  const type = recordBody(spec, body, item)
  const kernel = item.kind === 'sample' || (item.kind === 'mmap' && item.pid === -1)
  record(out, type, kernel ? MISC_KERNEL : 0, body)
  if (item.kind === 'raw' && item.extra) out.bytes(item.extra)
}

/** Writes what follows a record's header; returns its type. */
function recordBody(spec: Resolved, body: ByteWriter, item: PerfRecord): number {
  const pidPair = (pid: number) => {
    body.u32(pid >>> 0)
    body.u32(pid >>> 0)
  }
  switch (item.kind) {
    case 'sample':
      sample(spec, body, item)
      return Type.SAMPLE
    case 'round':
      return Type.FINISHED_ROUND
    case 'raw':
      body.bytes(item.body)
      return item.type
    case 'comm':
      pidPair(item.pid)
      body.cstring(item.name)
      body.align(8)
      trailer(spec, body, item)
      return Type.COMM
    case 'fork':
      body.u32(item.pid)
      body.u32(item.parent)
      body.u32(item.pid)
      body.u32(item.parent)
      body.u64(item.time ?? 0)
      trailer(spec, body, item)
      return Type.FORK
    case 'mmap':
      pidPair(item.pid)
      body.u64(item.start)
      body.u64(item.length)
      body.bytes(new Uint8Array(item.two ? 40 : 8))
      body.cstring(item.file)
      body.align(8)
      trailer(spec, body, {})
      return item.two ? Type.MMAP2 : Type.MMAP
    case 'lost':
      body.u64(100)
      body.u64(item.count)
      trailer(spec, body, item)
      return Type.LOST
    case 'lost-samples':
      body.u64(item.count)
      trailer(spec, body, item)
      return Type.LOST_SAMPLES
    case 'throttle':
      body.u64(item.time)
      body.u64(100)
      body.u64(100)
      trailer(spec, body, item)
      return Type.THROTTLE
  }
}

/** What identifies a record that is no sample. */
function trailer(spec: Resolved, out: ByteWriter, item: { pid?: number; cpu?: number; time?: bigint }): void {
  if (!spec.sampleIdAll) return
  const { sampleType } = spec
  const pid = (item.pid ?? 0) >>> 0
  if (sampleType & Sample.TID) {
    out.u32(pid)
    out.u32(pid)
  }
  if (sampleType & Sample.TIME) out.u64(item.time ?? 0)
  if (sampleType & Sample.ID) out.u64(100)
  if (sampleType & Sample.STREAM_ID) out.u64(100)
  if (sampleType & Sample.CPU) {
    out.u32(item.cpu ?? 0)
    out.u32(0)
  }
  if (sampleType & Sample.IDENTIFIER) out.u64(100)
}

function sample(spec: Resolved, out: ByteWriter, item: PerfRecord & { kind: 'sample' }): void {
  const { sampleType } = spec
  const event = spec.events.find(({ name }) => name === item.event)
  if (!event) throw new RangeError(`no event ${item.event}`)
  const id = idOf(spec, item.event)
  const pid = item.pid ?? 0
  if (sampleType & Sample.IDENTIFIER) out.u64(id, 'sample id')
  if (sampleType & Sample.IP) out.u64(0xffffffff81000000n)
  if (sampleType & Sample.TID) {
    out.u32(pid)
    out.u32(pid)
  }
  if (sampleType & Sample.TIME) out.u64(item.time)
  if (sampleType & Sample.ADDR) out.u64(0)
  if (sampleType & Sample.ID) out.u64(id)
  if (sampleType & Sample.STREAM_ID) out.u64(id)
  if (sampleType & Sample.CPU) {
    out.u32(item.cpu ?? 0, 'sample cpu')
    out.u32(0)
  }
  if (sampleType & Sample.PERIOD) out.u64(1)
  if (sampleType & Sample.READ) readValues(spec, out, id)
  if (sampleType & Sample.CALLCHAIN) {
    const chain = item.chain ?? []
    out.u64(chain.length, 'chain length')
    for (const address of chain) out.u64(address)
  }
  if (sampleType & Sample.RAW) {
    const raw = eventPayload(event, { common_type: event.id, common_pid: pid, ...item.values }, spec.bigEndian)
    const padded = Math.ceil((raw.length + 4) / 8) * 8 - 4
    out.u32(padded, 'raw size')
    out.bytes(raw)
    out.bytes(new Uint8Array(padded - raw.length))
  }
}

/** One counter, or a group of one. */
function readValues(spec: Resolved, out: ByteWriter, id: number): void {
  const format = spec.readFormat ?? 4
  const group = (format & 8) !== 0
  if (group) out.u64(1, 'read count')
  else out.u64(1)
  if (format & 1) out.u64(10)
  if (format & 2) out.u64(10)
  if (group) out.u64(1)
  if (format & 4) out.u64(id)
  if (format & 16) out.u64(0)
}
