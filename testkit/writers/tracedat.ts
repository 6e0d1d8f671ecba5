// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Writes trace.dat files of versions 6 and 7 from a description of their content, in every byte order, word size, compression and
 * ring-buffer record that a reader must understand, including those that the present machine cannot record.
 *
 * Layouts: trace-cmd.dat.v6(5), trace-cmd.dat.v7(5), include/linux/ring_buffer.h. What is written here is read by
 * `trace-cmd report`; tracedat-writer.test.ts holds it to that.
 */

import { deflateSync } from 'node:zlib'

/** Values of one event by field name; missing fields are 0, arrays fill array fields. */
export type FieldValues = Record<string, number | bigint | readonly (number | bigint)[]>

/** One record of a CPU's ring buffer, in order. */
export type SynthRecord =
  | { kind: 'event'; time: bigint; event: string; pid?: number; flags?: number; values?: FieldValues }
  /** Frames, innermost first, as a `kernel_stack` event. */
  | { kind: 'stack'; time: bigint; pid?: number; frames: readonly bigint[] }
  /** An event that its writer discarded: a padding record with a length. */
  | { kind: 'discarded'; time: bigint; bytes: number }
  /** An absolute time stamp (type 31). */
  | { kind: 'stamp'; time: bigint }
  /** A time extend (type 30) that moves the clock by nothing or a little. */
  | { kind: 'extend'; time: bigint }
  /** Ends the sub-buffer; the next one says that events were lost, with their number where it is given. */
  | { kind: 'lost'; count?: number }
  /** Ends the sub-buffer. */
  | { kind: 'page' }
  /** A payload as is, under any event id (also ids that no format describes). */
  | { kind: 'raw'; time: bigint; payload: Uint8Array }

export interface FieldSpec {
  name: string
  /** C type as in the format file, without the array suffix. */
  type: string
  size: number
  signed: boolean
  /** Number of elements of an array field. */
  count?: number
  /** Byte offset; by default the next one that is aligned to `size`. */
  offset?: number
}

export interface EventSpec {
  system: string
  name: string
  id: number
  fields: FieldSpec[]
  /** The part after `print fmt: `. */
  print: string
}

export interface BufferSpec {
  /** '' for the top instance. */
  name: string
  clock?: string
  /** Records of each CPU. An absent CPU is not listed in a version 7 file and has no bytes in a version 6 file. */
  cpus: Map<number, SynthRecord[]>
}

export interface TraceDatSpec {
  version: 6 | 7
  bigEndian?: boolean
  /** sizeof(long) of the traced kernel. */
  longSize?: 4 | 8
  /** sizeof(long) of the machine's trace-cmd, as the file's head says; by default that of the kernel. */
  userLongSize?: 4 | 8
  /** Bytes of a ring-buffer sub-buffer. */
  pageSize?: number
  compression?: 'none' | 'zlib' | 'zstd'
  /** Compresses for zstd; by default a frame of stored blocks, which needs no program. */
  zstd?: (bytes: Uint8Array) => Uint8Array
  /** Sub-buffers in one chunk of compressed trace data. */
  chunkPages?: number
  /** Number of CPUs of the machine. */
  cpuCount?: number
  events?: EventSpec[]
  buffers: BufferSpec[]
  kallsyms?: string
  printk?: string
  cmdlines?: string
  uname?: string
  /** Further options, by id, as they are. */
  options?: { id: number; data: Uint8Array }[]
  /** Every event gets its length in array[0], as on machines without unaligned access. */
  longLengths?: boolean
  /** Changes a part before it is compressed: for tests of damage that no compressed byte shows. */
  transform?: (part: string, bytes: Uint8Array) => Uint8Array
}

/** The place of a number in the file that describes its layout, as a target for the fuzzer. */
export interface Mark {
  offset: number
  size: 1 | 2 | 4 | 8
  what: string
}

/** Section and option ids of version 7; options up to 14 are the same in version 6. */
const Id = {
  DONE: 0,
  BUFFER: 3,
  TRACECLOCK: 4,
  UNAME: 5,
  CPUCOUNT: 8,
  STRINGS: 15,
  HEADER_INFO: 16,
  FTRACE_EVENTS: 17,
  EVENT_FORMATS: 18,
  KALLSYMS: 19,
  PRINTK: 20,
  CMDLINES: 21,
} as const

const HEADER_EVENT = `# compressed entry header
\ttype_len    :    5 bits
\ttime_delta  :   27 bits
\tarray       :   32 bits

\tpadding     : type == 29
\ttime_extend : type == 30
\ttime_stamp : type == 31
\tdata max type_len  == 28
`

const PAGE_FLAGS = ['locked', 'waiters', 'referenced', 'uptodate', 'dirty', 'lru', 'active', 'workingset']
const STACK_ID = 4
const COMMIT_MISSED = 1 << 31
const COMMIT_MISSED_COUNT = 1 << 30
const encoder = new TextEncoder()

/** Appends numbers in one byte order. */
export class ByteWriter {
  readonly marks: Mark[] = []
  readonly little: boolean
  length = 0
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)

  constructor(bigEndian = false) {
    this.little = !bigEndian
  }

  #room(size: number): number {
    const at = this.length
    if (at + size > this.#bytes.length) {
      const grown = new Uint8Array(2 * (at + size))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.length = at + size
    return at
  }

  #mark(offset: number, size: 1 | 2 | 4 | 8, what: string | undefined): void {
    if (what !== undefined) this.marks.push({ offset, size, what })
  }

  u8(value: number, what?: string): void {
    const at = this.#room(1)
    this.#mark(at, 1, what)
    this.#view.setUint8(at, value)
  }

  u16(value: number, what?: string): void {
    const at = this.#room(2)
    this.#mark(at, 2, what)
    this.#view.setUint16(at, value, this.little)
  }

  u32(value: number, what?: string): void {
    const at = this.#room(4)
    this.#mark(at, 4, what)
    this.#view.setUint32(at, value, this.little)
  }

  u64(value: number | bigint, what?: string): void {
    const at = this.#room(8)
    this.#mark(at, 8, what)
    this.setU64(at, value)
  }

  int(size: number, value: number | bigint, what?: string): void {
    if (size === 8) this.u64(value, what)
    else if (size === 4) this.u32(Number(BigInt.asUintN(32, BigInt(value))), what)
    else if (size === 2) this.u16(Number(BigInt.asUintN(16, BigInt(value))), what)
    else this.u8(Number(BigInt.asUintN(8, BigInt(value))), what)
  }

  setU64(at: number, value: number | bigint): void {
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), this.little)
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, this.little)
  }

  bytes(data: Uint8Array): void {
    const at = this.#room(data.length)
    this.#bytes.set(data, at)
  }

  text(text: string): void {
    this.bytes(encoder.encode(text))
  }

  cstring(text: string): void {
    this.text(`${text}\0`)
  }

  /** Zeroes up to the next multiple of `unit`. */
  align(unit: number): void {
    const rest = this.length % unit
    if (rest !== 0) this.bytes(new Uint8Array(unit - rest))
  }

  /** Appends what `other` holds, with its marks moved to their new place. */
  append(other: ByteWriter): void {
    for (const mark of other.marks) this.marks.push({ ...mark, offset: mark.offset + this.length })
    this.bytes(other.take())
  }

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }
}

/** The fields that every event begins with. */
export function commonFields(): FieldSpec[] {
  return [
    { name: 'common_type', type: 'unsigned short', size: 2, signed: false },
    { name: 'common_flags', type: 'unsigned char', size: 1, signed: false },
    { name: 'common_preempt_count', type: 'unsigned char', size: 1, signed: false },
    { name: 'common_pid', type: 'int', size: 4, signed: true },
  ]
}

function pageRefFields(longSize: number, withRet: boolean): FieldSpec[] {
  const int = (name: string): FieldSpec => ({ name, type: 'int', size: 4, signed: true })
  const long = (name: string, type = 'unsigned long'): FieldSpec => ({ name, type, size: longSize, signed: false })
  return [
    ...commonFields(),
    long('pfn'),
    long('flags'),
    int('count'),
    int('mapcount'),
    long('mapping', 'void *'),
    int('mt'),
    int('val'),
    ...(withRet ? [int('ret')] : []),
  ]
}

function pageRefPrint(withRet: boolean): string {
  const mask = '((1UL << 24) - 1)'
  const names = PAGE_FLAGS.map((name, bit) => `{ 1UL << ${bit}, "${name}" }`).join(', ')
  const format = `pfn=0x%lx flags=%s count=%d mapcount=%d mapping=%p mt=%d val=%d${withRet ? ' ret=%d' : ''}`
  const flags = `(REC->flags & ${mask}) ? __print_flags(REC->flags & ${mask}, "|", ${names}) : "none"`
  const rest = `REC->count, REC->mapcount, REC->mapping, REC->mt, REC->val${withRet ? ', REC->ret' : ''}`
  return `"${format}", REC->pfn, ${flags}, ${rest}`
}

/** The seven page_ref events with the fields of Linux 4.10 and later. */
export function pageRefEvents(longSize: number): EventSpec[] {
  const withRet = new Set(['mod_and_test', 'mod_and_return', 'mod_unless', 'freeze'])
  const names = ['set', 'mod', 'mod_and_test', 'mod_and_return', 'mod_unless', 'freeze', 'unfreeze']
  return names.map((name, index) => ({
    system: 'page_ref',
    name: `page_ref_${name}`,
    id: 600 - index,
    fields: pageRefFields(longSize, withRet.has(name)),
    print: pageRefPrint(withRet.has(name)),
  }))
}

function stackEvent(longSize: number): EventSpec {
  return {
    system: 'ftrace',
    name: 'kernel_stack',
    id: STACK_ID,
    fields: [
      ...commonFields(),
      { name: 'size', type: 'int', size: 4, signed: true },
      {
        name: 'caller',
        type: 'unsigned long',
        size: longSize,
        signed: false,
        count: 8,
        offset: longSize === 8 ? 16 : 12,
      },
    ],
    print: '"\\t=> %ps\\n", (void *)REC->caller[0]',
  }
}

interface PlacedField extends FieldSpec {
  at: number
  bytes: number
}

function place(fields: readonly FieldSpec[]): PlacedField[] {
  let next = 0
  return fields.map(field => {
    const at = field.offset ?? Math.ceil(next / field.size) * field.size
    const bytes = field.size * (field.count ?? 1)
    next = at + bytes
    return { ...field, at, bytes }
  })
}

/** The text of tracefs `events/SYSTEM/NAME/format`. */
export function formatText(event: EventSpec): string {
  const lines = place(event.fields).map((field, index) => {
    const suffix = field.count === undefined ? '' : `[${field.count}]`
    const line = `\tfield:${field.type} ${field.name}${suffix};\toffset:${field.at};\tsize:${field.bytes};\tsigned:${field.signed ? 1 : 0};\n`
    return index === 3 ? `${line}\n` : line
  })
  return `name: ${event.name}\nID: ${event.id}\nformat:\n${lines.join('')}\nprint fmt: ${event.print}\n`
}

const placed = new WeakMap<readonly FieldSpec[], PlacedField[]>()

/** The bytes of one event, as they stand in the ring buffer and in a perf sample's raw data. */
export function eventPayload(event: EventSpec, values: FieldValues, bigEndian = false): Uint8Array {
  const fields = placed.get(event.fields) ?? place(event.fields)
  placed.set(event.fields, fields)
  const size = fields.reduce((most, field) => Math.max(most, field.at + field.bytes), 0)
  const bytes = new Uint8Array(Math.ceil(size / 4) * 4)
  const view = new DataView(bytes.buffer)
  for (const field of fields) {
    const value = values[field.name] ?? 0
    const elements = typeof value === 'object' ? value : [value]
    elements.slice(0, field.count ?? 1).forEach((element, index) => {
      setInt(view, field.at + index * field.size, field.size, element, !bigEndian)
    })
  }
  return bytes
}

function setInt(view: DataView, at: number, size: number, value: number | bigint, little: boolean): void {
  if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), little)
  else if (size === 4) view.setUint32(at, Number(BigInt.asUintN(32, BigInt(value))), little)
  else if (size === 2) view.setUint16(at, Number(BigInt.asUintN(16, BigInt(value))), little)
  else view.setUint8(at, Number(BigInt.asUintN(8, BigInt(value))))
}

/** A zstd frame whose blocks are stored, not compressed (RFC 8878, 3.1.1). */
export function storedZstd(bytes: Uint8Array): Uint8Array {
  const writer = new ByteWriter()
  writer.u32(0xfd2fb528)
  writer.u8(0xa0)
  writer.u32(bytes.length)
  const most = 128 * 1024
  for (let at = 0; at === 0 || at < bytes.length; at += most) {
    const block = bytes.subarray(at, at + most)
    const last = at + most >= bytes.length ? 1 : 0
    const head = (block.length << 3) | last
    writer.u16(head & 0xffff)
    writer.u8(head >> 16)
    writer.bytes(block)
  }
  return writer.take()
}

/** Sub-buffers of one CPU: `u64 timestamp, long commit, records`. */
class PageWriter {
  readonly pages: ByteWriter
  readonly #spec: Resolved
  readonly #head: number
  #page: ByteWriter
  #pageTime: bigint | undefined
  #time = 0n
  #missed: { count: number | undefined } | undefined

  constructor(spec: Resolved) {
    this.#spec = spec
    this.#head = 8 + spec.longSize
    this.pages = new ByteWriter(spec.bigEndian)
    this.#page = new ByteWriter(spec.bigEndian)
  }

  /** `count` undefined: lost, nobody knows how many. */
  lose(count: number | undefined): void {
    this.endPage()
    this.#missed = { count }
  }

  endPage(): void {
    if (this.#pageTime === undefined) return
    const { pageSize, longSize } = this.#spec
    const out = this.pages
    const used = this.#page.length
    const room = pageSize - this.#head - used
    const counted = this.#missed?.count !== undefined && room >= longSize
    let commit = used
    if (this.#missed) commit |= COMMIT_MISSED
    if (counted) commit |= COMMIT_MISSED_COUNT
    out.u64(this.#pageTime, 'page time')
    out.int(longSize, commit >>> 0, 'page commit')
    out.append(this.#page)
    if (counted) out.int(longSize, this.#missed?.count ?? 0, 'lost count')
    out.align(pageSize)
    this.#page = new ByteWriter(this.#spec.bigEndian)
    this.#pageTime = undefined
    this.#missed = undefined
  }

  /** A record of `size` payload bytes (a multiple of 4). */
  record(time: bigint, payload: Uint8Array): void {
    const long = this.#spec.longLengths || payload.length === 0 || payload.length > 28 * 4
    const delta = this.#advance(time, 4 + (long ? 4 : 0) + payload.length)
    this.#header(long ? 0 : payload.length / 4, delta)
    if (long) this.#page.u32(payload.length + 4, 'event length')
    this.#page.bytes(payload)
  }

  discarded(time: bigint, bytes: number): void {
    const delta = this.#advance(time, 8 + bytes)
    // A padding record with no delta is the end of the page.
    this.#header(29, delta === 0n ? 1n : delta)
    if (delta === 0n) this.#time += 1n
    this.#page.u32(4 + bytes, 'padding length')
    this.#page.bytes(new Uint8Array(bytes))
  }

  stamp(time: bigint): void {
    this.#advance(time, 8)
    this.#header(31, time & 0x7ffffffn)
    this.#page.u32(Number((time >> 27n) & 0xffffffffn), 'stamp')
    this.#time = time
  }

  extend(time: bigint): void {
    const delta = this.#begin(time, 8)
    this.#extend(delta)
  }

  #begin(time: bigint, bytes: number): bigint {
    if (this.#pageTime !== undefined && this.#head + this.#page.length + bytes > this.#spec.pageSize) this.endPage()
    if (this.#pageTime === undefined) {
      this.#pageTime = time
      this.#time = time
    }
    const delta = time - this.#time
    this.#time = time
    return delta
  }

  /** Opens a page where needed and returns the record's delta, after a time extend if it is too large for 27 bits. */
  #advance(time: bigint, bytes: number): bigint {
    const delta = this.#begin(time, bytes + 8)
    if (delta < 1n << 27n && delta >= 0n) return delta
    this.#extend(delta)
    return 0n
  }

  #extend(delta: bigint): void {
    this.#header(30, delta & 0x7ffffffn)
    this.#page.u32(Number((delta >> 27n) & 0xffffffffn), 'extend')
  }

  #header(typeLen: number, delta: bigint): void {
    const low = Number(delta)
    const word = this.#spec.bigEndian ? typeLen * 2 ** 27 + low : low * 32 + typeLen
    this.#page.u32(word, 'event header')
  }
}

type Resolved = TraceDatSpec &
  Required<
    Pick<
      TraceDatSpec,
      | 'bigEndian'
      | 'longSize'
      | 'userLongSize'
      | 'pageSize'
      | 'compression'
      | 'chunkPages'
      | 'events'
      | 'cpuCount'
      | 'zstd'
    >
  >

function resolve(spec: TraceDatSpec): Resolved {
  const longSize = spec.longSize ?? 8
  const highest = Math.max(0, ...spec.buffers.flatMap(buffer => [...buffer.cpus.keys()]))
  return {
    ...spec,
    bigEndian: spec.bigEndian ?? false,
    longSize,
    userLongSize: spec.userLongSize ?? longSize,
    pageSize: spec.pageSize ?? 4096,
    compression: spec.compression ?? 'none',
    zstd: spec.zstd ?? storedZstd,
    chunkPages: spec.chunkPages ?? 10,
    events: spec.events ?? pageRefEvents(longSize),
    cpuCount: spec.cpuCount ?? highest + 1,
  }
}

function stackPayload(spec: Resolved, pid: number, frames: readonly bigint[]): Uint8Array {
  const head = new ByteWriter(spec.bigEndian)
  head.u16(STACK_ID)
  head.u16(0)
  head.u32(pid)
  head.u32(frames.length)
  head.align(spec.longSize)
  for (const frame of frames) head.int(spec.longSize, frame)
  return head.take()
}

/** The ring-buffer pages of one CPU. */
function cpuPages(spec: Resolved, records: readonly SynthRecord[]): ByteWriter {
  const writer = new PageWriter(spec)
  const events = new Map(spec.events.map(event => [event.name, event]))
  for (const record of records) {
    if (record.kind === 'page') writer.endPage()
    else if (record.kind === 'lost') writer.lose(record.count)
    else if (record.kind === 'stamp') writer.stamp(record.time)
    else if (record.kind === 'extend') writer.extend(record.time)
    else if (record.kind === 'discarded') writer.discarded(record.time, record.bytes)
    else if (record.kind === 'raw') writer.record(record.time, record.payload)
    else if (record.kind === 'stack') writer.record(record.time, stackPayload(spec, record.pid ?? 0, record.frames))
    else {
      const event = events.get(record.event)
      if (!event) throw new RangeError(`no event ${record.event}`)
      const common = { common_type: event.id, common_flags: record.flags ?? 0, common_pid: record.pid ?? 0 }
      writer.record(record.time, eventPayload(event, { ...common, ...record.values }, spec.bigEndian))
    }
  }
  writer.endPage()
  return writer.pages
}

function headerInfo(spec: Resolved): ByteWriter {
  const { longSize, pageSize } = spec
  const data = 8 + longSize
  const text =
    '\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n' +
    `\tfield: local_t commit;\toffset:8;\tsize:${longSize};\tsigned:1;\n` +
    '\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n' +
    `\tfield: char data;\toffset:${data};\tsize:${pageSize - data};\tsigned:0;\n`
  const out = new ByteWriter(spec.bigEndian)
  out.cstring('header_page')
  sized64(out, text, 'header_page size')
  out.cstring('header_event')
  sized64(out, HEADER_EVENT, 'header_event size')
  return out
}

function sized64(out: ByteWriter, text: string, what: string): void {
  const bytes = encoder.encode(text)
  out.u64(bytes.length, what)
  out.bytes(bytes)
}

function sized32(out: ByteWriter, text: string, what: string): void {
  const bytes = encoder.encode(text)
  out.u32(bytes.length, what)
  out.bytes(bytes)
}

function ftraceFormats(spec: Resolved): ByteWriter {
  const out = new ByteWriter(spec.bigEndian)
  out.u32(1, 'ftrace event count')
  sized64(out, formatText(stackEvent(spec.longSize)), 'format size')
  return out
}

function eventFormats(spec: Resolved): ByteWriter {
  const systems = new Map<string, EventSpec[]>()
  for (const event of spec.events) systems.set(event.system, [...(systems.get(event.system) ?? []), event])
  const out = new ByteWriter(spec.bigEndian)
  out.u32(systems.size, 'system count')
  for (const [system, events] of systems) {
    out.cstring(system)
    out.u32(events.length, 'event count')
    for (const event of events) sized64(out, formatText(event), 'format size')
  }
  return out
}

function simpleSection(spec: Resolved, text: string, what: string, sized: typeof sized32): ByteWriter {
  const out = new ByteWriter(spec.bigEndian)
  sized(out, text, what)
  return out
}

function clockText(clock: string): string {
  const clocks = ['local', 'global', 'counter', 'uptime', 'perf', 'mono', 'mono_raw', 'boot', 'tai', 'x86-tsc']
  // Other machines have other clocks of their own.
  if (!clocks.includes(clock)) clocks[clocks.length - 1] = clock
  return `${clocks.map(name => (name === clock ? `[${name}]` : name)).join(' ')}\n`
}

function option(out: ByteWriter, id: number, data: Uint8Array): void {
  out.u16(id, 'option id')
  out.u32(data.length, 'option size')
  out.bytes(data)
}

function commonOptions(spec: Resolved, out: ByteWriter): void {
  const cpus = new ByteWriter(spec.bigEndian)
  cpus.u32(spec.cpuCount)
  option(out, Id.TRACECLOCK, encoder.encode(`${clockText(spec.buffers[0]?.clock ?? 'local')}\0`))
  option(out, Id.UNAME, encoder.encode(`${spec.uname ?? 'Linux synthetic 6.12.0-synthetic x86_64'}\0`))
  option(out, Id.CPUCOUNT, cpus.take())
  for (const { id, data } of spec.options ?? []) option(out, id, data)
}

function initialFormat(spec: Resolved, out: ByteWriter): void {
  out.bytes(Uint8Array.of(0x17, 0x08, 0x44))
  out.text('tracing')
  out.cstring(String(spec.version))
  out.u8(spec.bigEndian ? 1 : 0)
  out.u8(spec.userLongSize, 'long size')
  out.u32(spec.pageSize, 'page size')
}

/** A trace.dat with its marks. */
export function writeTraceDat(spec: TraceDatSpec): { bytes: Uint8Array; marks: Mark[] } {
  const resolved = resolve(spec)
  const out = new ByteWriter(resolved.bigEndian)
  if (spec.version === 6) writeV6(resolved, out)
  else writeV7(resolved, out)
  return { bytes: out.take().slice(), marks: out.marks }
}

/** What stands before the options of a version 6 file, and in perf.data's HEADER_TRACING_DATA up to the kallsyms. */
function appendPart(spec: Resolved, out: ByteWriter, part: string, section: ByteWriter): void {
  if (spec.transform) out.bytes(spec.transform(part, section.take()))
  else out.append(section)
}

function metadata(spec: Resolved): [part: string, section: ByteWriter][] {
  return [
    ['headers', headerInfo(spec)],
    ['ftrace formats', ftraceFormats(spec)],
    ['event formats', eventFormats(spec)],
    ['kallsyms', simpleSection(spec, spec.kallsyms ?? '', 'kallsyms size', sized32)],
    ['printk', simpleSection(spec, spec.printk ?? '', 'printk size', sized32)],
    ['cmdlines', simpleSection(spec, spec.cmdlines ?? '', 'cmdlines size', sized64)],
  ]
}

/** perf.data's HEADER_TRACING_DATA: the head of a version 6 file. perf's files have no cmdlines in version 0.5. */
export function tracingData(spec: TraceDatSpec, version: '0.5' | '0.6' = '0.6'): Uint8Array {
  const resolved = resolve(spec)
  const out = new ByteWriter(resolved.bigEndian)
  out.bytes(Uint8Array.of(0x17, 0x08, 0x44))
  out.text('tracing')
  out.cstring(version)
  out.u8(resolved.bigEndian ? 1 : 0)
  out.u8(resolved.userLongSize)
  out.u32(resolved.pageSize)
  for (const [part, section] of metadata(resolved))
    if (part !== 'cmdlines' || version === '0.6') appendPart(resolved, out, part, section)
  return out.take().slice()
}

function writeV6(spec: Resolved, out: ByteWriter): void {
  initialFormat(spec, out)
  for (const [part, section] of metadata(spec)) appendPart(spec, out, part, section)
  out.u32(spec.cpuCount, 'cpu count')
  out.cstring('options  ')
  commonOptions(spec, out)
  const offsets = spec.buffers.slice(1).map(buffer => {
    const data = new ByteWriter(spec.bigEndian)
    data.u64(0)
    data.cstring(buffer.name)
    option(out, Id.BUFFER, data.take())
    return out.length - data.length
  })
  out.u16(Id.DONE)
  spec.buffers.forEach((buffer, index) => {
    if (index > 0) {
      out.align(spec.pageSize)
      out.setU64(offsets[index - 1] as number, out.length)
    }
    flyrecordV6(spec, out, buffer)
  })
}

function flyrecordV6(spec: Resolved, out: ByteWriter, buffer: BufferSpec): void {
  out.cstring('flyrecord')
  const table = out.length
  for (let cpu = 0; cpu < spec.cpuCount; cpu++) {
    out.u64(0, 'cpu offset')
    out.u64(0, 'cpu size')
  }
  for (let cpu = 0; cpu < spec.cpuCount; cpu++) {
    out.align(spec.pageSize)
    const start = out.length
    const records = buffer.cpus.get(cpu)
    if (records) appendPart(spec, out, 'trace data', cpuPages(spec, records))
    out.setU64(table + 16 * cpu, start)
    out.setU64(table + 16 * cpu + 8, out.length - start)
  }
}

function compress(spec: Resolved, bytes: Uint8Array): Uint8Array {
  return spec.compression === 'zlib' ? deflateSync(bytes) : spec.zstd(bytes)
}

class StringTable {
  readonly #ids = new Map<string, number>()
  readonly #out: ByteWriter

  constructor(bigEndian: boolean) {
    this.#out = new ByteWriter(bigEndian)
  }

  id(text: string): number {
    const known = this.#ids.get(text)
    if (known !== undefined) return known
    const id = this.#out.length
    this.#ids.set(text, id)
    this.#out.cstring(text)
    return id
  }

  get bytes(): ByteWriter {
    return this.#out
  }
}

function writeV7(spec: Resolved, out: ByteWriter): void {
  const strings = new StringTable(spec.bigEndian)
  initialFormat(spec, out)
  out.cstring(spec.compression)
  out.cstring(spec.compression === 'none' ? '' : '1.0')
  const firstOptions = out.length
  out.u64(0, 'options offset')

  const ids = [Id.HEADER_INFO, Id.FTRACE_EVENTS, Id.EVENT_FORMATS, Id.KALLSYMS, Id.PRINTK, Id.CMDLINES]
  const sections = metadata(spec).map(([part, section], index) => {
    const id = ids[index] as number
    const offset = out.length
    section7(spec, out, id, strings.id(part), part, section)
    return { id, offset }
  })

  out.setU64(firstOptions, out.length)
  const options = new ByteWriter(spec.bigEndian)
  for (const { id, offset } of sections) option(options, id, u64Bytes(spec, offset))
  commonOptions(spec, options)
  const nextOptions = optionsSection(spec, out, strings, options)

  const bufferOptions = new ByteWriter(spec.bigEndian)
  for (const buffer of spec.buffers) option(bufferOptions, Id.BUFFER, buffer7(spec, out, strings, buffer))
  out.setU64(nextOptions, out.length)
  optionsSection(spec, out, strings, bufferOptions)
  section7(spec, out, Id.STRINGS, strings.id('strings'), 'strings', strings.bytes)
}

function u64Bytes(spec: Resolved, value: number): Uint8Array {
  const out = new ByteWriter(spec.bigEndian)
  out.u64(value)
  return out.take()
}

function sectionHeader(out: ByteWriter, id: number, flags: number, string: number, size: number): void {
  out.u16(id, 'section id')
  out.u16(flags, 'section flags')
  out.u32(string, 'section string')
  out.u64(size, 'section size')
}

function section7(spec: Resolved, out: ByteWriter, id: number, string: number, part: string, body: ByteWriter): void {
  const raw = spec.transform ? spec.transform(part, body.take()) : body.take()
  if (spec.compression === 'none') {
    sectionHeader(out, id, 0, string, raw.length)
    if (spec.transform) out.bytes(raw)
    else out.append(body)
    return
  }
  const packed = compress(spec, raw)
  sectionHeader(out, id, 1, string, packed.length + 8)
  out.u32(packed.length, 'compressed size')
  out.u32(raw.length, 'uncompressed size')
  out.bytes(packed)
}

/** Writes an options section that ends with DONE and returns where DONE keeps the offset of the next one. */
function optionsSection(spec: Resolved, out: ByteWriter, strings: StringTable, options: ByteWriter): number {
  option(options, Id.DONE, u64Bytes(spec, 0))
  sectionHeader(out, Id.DONE, 0, strings.id('options'), options.length)
  out.append(options)
  return out.length - 8
}

/** Writes the trace data of a buffer and returns the data of its BUFFER option. */
function buffer7(spec: Resolved, out: ByteWriter, strings: StringTable, buffer: BufferSpec): Uint8Array {
  const start = out.length
  sectionHeader(out, Id.BUFFER, spec.compression === 'none' ? 0 : 1, strings.id('buffer flyrecord'), 0)
  const body = out.length
  const entries = [...buffer.cpus].map(([cpu, records]) => {
    out.align(spec.pageSize)
    const offset = out.length
    const pages = cpuPages(spec, records)
    if (spec.compression === 'none') appendPart(spec, out, 'trace data', pages)
    else chunks(spec, out, spec.transform ? spec.transform('trace data', pages.take()) : pages.take())
    // trace-cmd does not count the number of chunks as part of the size.
    return { cpu, offset, size: out.length - offset - (spec.compression === 'none' ? 0 : 4) }
  })
  out.setU64(start + 8, out.length - body)

  const data = new ByteWriter(spec.bigEndian)
  data.u64(start)
  data.cstring(buffer.name)
  data.cstring(buffer.clock ?? 'local')
  data.u32(spec.pageSize)
  data.u32(entries.length)
  for (const { cpu, offset, size } of entries) {
    data.u32(cpu)
    data.u64(offset)
    data.u64(size)
  }
  return data.take()
}

function chunks(spec: Resolved, out: ByteWriter, pages: Uint8Array): void {
  const step = spec.chunkPages * spec.pageSize
  out.u32(Math.ceil(pages.length / step), 'chunk count')
  for (let at = 0; at < pages.length; at += step) {
    const raw = pages.subarray(at, at + step)
    const packed = compress(spec, raw)
    out.u32(packed.length, 'chunk compressed size')
    out.u32(raw.length, 'chunk uncompressed size')
    out.bytes(packed)
  }
}
