// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads the head of a perf.data file: which events were recorded, and properties of the machine.
 *
 * Facts of the format: tools/perf/Documentation/perf.data-file-format.txt, include/uapi/linux/perf_event.h.
 */

import { ByteReader, decodeText, readExactly } from '../common/bytes.ts'
import { MAGIC, newTracingData, readTracingData, type TracingData } from '../common/tracing-data.ts'
import { type ByteSource, type Damage, TraceError } from '../events.ts'

/** "PERFILE2" as bytes of a little-endian file. */
const PERF_MAGIC = Uint8Array.of(0x50, 0x45, 0x52, 0x46, 0x49, 0x4c, 0x45, 0x32)

/** Size in bytes of the header of a file, and of that of a pipe. */
const FILE_HEADER_BYTES = 104
const PIPE_HEADER_BYTES = 16

/** Size in bytes of the part of perf_event_attr up to clockid. The first version had 64 bytes. */
const MIN_ATTR_BYTES = 64
const MAX_ATTR_BYTES = 4096

/** Limits of the numbers of events and ids in a file. There is an id for each event and CPU. */
const MAX_ATTRS = 1 << 14
const MAX_IDS = 1 << 20

/** Limits in bytes of metadata, which is loaded whole. Tracing data have some megabytes, the rest is small. */
const MAX_TRACING_BYTES = 1 << 28
const MAX_FEATURE_BYTES = 1 << 20

const FEATURE_BITS = 256

/** Numbers of the header features that are read. */
export const Feature = { TRACING_DATA: 1, OSRELEASE: 4, ARCH: 6, NRCPUS: 7, TOTAL_MEM: 10, SAMPLE_TIME: 21 } as const

/** Bits of perf_event_attr.sample_type, up to the registers of the kernel. */
export const Sample = {
  IP: 1 << 0,
  TID: 1 << 1,
  TIME: 1 << 2,
  ADDR: 1 << 3,
  READ: 1 << 4,
  CALLCHAIN: 1 << 5,
  ID: 1 << 6,
  CPU: 1 << 7,
  PERIOD: 1 << 8,
  STREAM_ID: 1 << 9,
  RAW: 1 << 10,
  BRANCH_STACK: 1 << 11,
  REGS_USER: 1 << 12,
  STACK_USER: 1 << 13,
  WEIGHT: 1 << 14,
  DATA_SRC: 1 << 15,
  IDENTIFIER: 1 << 16,
  TRANSACTION: 1 << 17,
  REGS_INTR: 1 << 18,
  WEIGHT_STRUCT: 1 << 24,
} as const

/** enum perf_type_id of include/uapi/linux/perf_event.h */
export const PERF_TYPE_TRACEPOINT = 2
export const PERF_TYPE_BREAKPOINT = 5

/** One recorded event: what its samples contain. */
export interface PerfAttr {
  /**
   * enum perf_type_id, and the event's number within the type. For hardware events, only the low half: the high half identifies a
   * processor.
   */
  type: number
  config: number
  /** Bits of `Sample`. */
  sampleType: number
  readFormat: number
  /** True if records other than samples end with the same identification fields (sample_id_all). */
  sampleIdAll: boolean
  /** Number of the clock, if one was requested. */
  clockId: number | undefined
  /** For PERF_TYPE_BREAKPOINT: the watched address, the number of bytes, and the bits HW_BREAKPOINT_R (1), W (2) and X (4). */
  breakpoint: { address: bigint; bytes: number; access: number } | undefined
  branchSampleType: number
  /** Bit masks of the registers recorded of user space and of the kernel, by perf's register numbers. */
  userRegisters: bigint
  registers: bigint
  ids: number[]
}

/** The information read so far from a file or a pipe. */
export interface PerfInfo {
  attrs: PerfAttr[]
  tracing: TracingData | undefined
  kernel: string | undefined
  machine: string | undefined
  cpus: number
  /** Memory of the machine in kB; 0 if unknown. */
  totalMemory: number
  /** Times of the first and the last sample in nanoseconds. */
  firstTime: bigint | undefined
  lastTime: bigint | undefined
}

export interface PerfHeader extends PerfInfo {
  littleEndian: boolean
  /** True if the data were written to a pipe, in which records among the samples describe the events. */
  pipe: boolean
  dataOffset: number
  dataEnd: number
}

interface Section {
  offset: number
  size: number
}

/** True if a file begins like perf.data, in either byte order. */
export function isPerfData(start: Uint8Array): boolean {
  return same(start, PERF_MAGIC) || same(start, PERF_MAGIC.toReversed())
}

function same(start: Uint8Array, magic: Uint8Array): boolean {
  return start.length >= magic.length && magic.every((byte, i) => start[i] === byte)
}

function newPerfInfo(): PerfInfo {
  return {
    attrs: [],
    tracing: undefined,
    kernel: undefined,
    machine: undefined,
    cpus: 0,
    totalMemory: 0,
    firstTime: undefined,
    lastTime: undefined,
  }
}

/** Reads the header and, in files, also the attributes and features. */
export async function readPerfHeader(source: ByteSource, damage: Damage[]): Promise<PerfHeader> {
  const start = await source.read(0, FILE_HEADER_BYTES)
  if (!isPerfData(start)) throw new TraceError(source.name, 0, 'expected "PERFILE2" of a perf.data file')
  const littleEndian = same(start, PERF_MAGIC)
  const reader = new ByteReader(start, { file: source.name, littleEndian })
  reader.skip(8, 'the magic')
  const size = reader.size64('the size of the header')
  if (size === PIPE_HEADER_BYTES) {
    const dataOffset = PIPE_HEADER_BYTES
    return { ...newPerfInfo(), littleEndian, pipe: true, dataOffset, dataEnd: source.size }
  }
  if (size < FILE_HEADER_BYTES) throw reader.error(`expected a header of ${FILE_HEADER_BYTES} bytes, found ${size}`)
  return new HeaderReader(source, reader, damage).read()
}

class HeaderReader {
  readonly #source: ByteSource
  readonly #reader: ByteReader
  readonly #damage: Damage[]

  constructor(source: ByteSource, reader: ByteReader, damage: Damage[]) {
    this.#source = source
    this.#reader = reader
    this.#damage = damage
  }

  async read(): Promise<PerfHeader> {
    const reader = this.#reader
    const attrSize = reader.size64('the size of an attribute')
    const attrs = this.#section('attributes')
    const data = this.#section('data')
    this.#section('event types')
    const features = this.#features()
    const info = newPerfInfo()
    await this.#readAttrs(info, attrs, attrSize)
    const dataEnd = Math.min(this.#source.size, data.offset + data.size)
    if (data.offset + data.size > this.#source.size) {
      this.#report(this.#source.size, `${data.size} bytes of data from offset ${data.offset}, but the file ends here`)
    }
    await this.#readFeatures(info, features, data.offset + data.size)
    return { ...info, littleEndian: reader.littleEndian, pipe: false, dataOffset: data.offset, dataEnd }
  }

  #report(offset: number, expected: string): void {
    this.#damage.push({ file: this.#source.name, offset, expected: `expected ${expected}` })
  }

  #section(what: string): Section {
    return {
      offset: this.#reader.size64(`the offset of the ${what}`),
      size: this.#reader.size64(`the size of the ${what}`),
    }
  }

  #features(): number[] {
    const bits: number[] = []
    for (let word = 0; word < FEATURE_BITS / 64; word++) {
      const value = this.#reader.u64('the bits of the features')
      for (let bit = 0; bit < 64; bit++) if ((value >> BigInt(bit)) & 1n) bits.push(word * 64 + bit)
    }
    return bits
  }

  async #load({ offset, size }: Section, most: number, what: string): Promise<ByteReader> {
    if (size > most) {
      throw new TraceError(this.#source.name, offset, `expected ${what} of at most ${most} bytes, found ${size}`)
    }
    const bytes = await readExactly(this.#source, offset, size, what)
    return new ByteReader(bytes, {
      file: this.#source.name,
      base: offset,
      littleEndian: this.#reader.littleEndian,
    })
  }

  /** Reads the attributes, each of which refers to a section with its ids. */
  async #readAttrs(info: PerfInfo, section: Section, attrSize: number): Promise<void> {
    if (attrSize < MIN_ATTR_BYTES + 16 || attrSize > MAX_ATTR_BYTES) {
      throw this.#reader.error(`expected attributes of ${MIN_ATTR_BYTES + 16} bytes or more, found ${attrSize}`)
    }
    const reader = await this.#load(section, MAX_ATTRS * attrSize, 'attributes')
    while (reader.remaining >= attrSize) {
      const attr = parseAttr(reader.take(attrSize - 16, 'an attribute'), reader.littleEndian)
      const ids = { offset: reader.size64('the offset of ids'), size: reader.size64('the size of ids') }
      const idReader = await this.#load(ids, MAX_IDS * 8, 'ids')
      attr.ids = readIds(idReader)
      info.attrs.push(attr)
    }
  }

  /** Reads the features. Each has a section; the sections are in the order of the feature numbers. */
  async #readFeatures(info: PerfInfo, features: number[], offset: number): Promise<void> {
    try {
      const table = await this.#load({ offset, size: features.length * 16 }, FEATURE_BITS * 16, 'sections of features')
      for (const feature of features) {
        const section = { offset: table.size64('an offset'), size: table.size64('a size') }
        if (!KNOWN_FEATURES.has(feature)) continue
        const most = feature === Feature.TRACING_DATA ? MAX_TRACING_BYTES : MAX_FEATURE_BYTES
        readFeature(info, feature, await this.#load(section, most, `feature ${feature}`))
      }
    } catch (error) {
      // Damage of features is not fatal here. If the formats of tracepoints are missing, a later error says so.
      if (!(error instanceof TraceError)) throw error
      this.#damage.push({ file: error.file, offset: error.offset, expected: error.expected })
    }
  }
}

const KNOWN_FEATURES = new Set<number>(Object.values(Feature))

/** Takes over the data of a feature. Features that are not in `Feature` are ignored. */
export function readFeature(info: PerfInfo, feature: number, reader: ByteReader): void {
  if (feature === Feature.TRACING_DATA) info.tracing = readPerfTracing(reader)
  else if (feature === Feature.OSRELEASE) info.kernel = perfString(reader)
  else if (feature === Feature.ARCH) info.machine = perfString(reader)
  else if (feature === Feature.NRCPUS) info.cpus = reader.u32('the number of CPUs')
  else if (feature === Feature.TOTAL_MEM) info.totalMemory = Number(reader.u64('the size of the memory'))
  else if (feature === Feature.SAMPLE_TIME) {
    info.firstTime = reader.u64('the time of the first sample')
    info.lastTime = reader.u64('the time of the last sample')
  }
}

/** u32 length, text padded with NUL bytes. */
function perfString(reader: ByteReader): string {
  const text = decodeText(reader.take(reader.u32('the length of a text'), 'a text'))
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

/** Reads the contained head of a trace.dat. In versions up to 0.5 it has no command lines. */
export function readPerfTracing(reader: ByteReader): TracingData {
  if (!same(reader.take(MAGIC.length, 'tracing data'), MAGIC)) throw reader.error('expected the magic of tracing data')
  const version = reader.cstring('the version of the tracing data')
  reader.littleEndian = reader.u8('the byte order') === 0
  reader.skip(1, 'the size of a long')
  const data = newTracingData()
  data.pageSize = reader.u32('the size of a page')
  readTracingData(reader, data, Number(version) >= 0.6)
  return data
}

/** Parses a perf_event_attr. On big-endian machines its bit field begins with the highest bit. */
export function parseAttr(bytes: Uint8Array, littleEndian: boolean): PerfAttr {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const flags = view.getBigUint64(40, littleEndian)
  const flag = (bit: number) => ((flags >> BigInt(littleEndian ? bit : 63 - bit)) & 1n) === 1n
  const type = view.getUint32(0, littleEndian)
  const u64 = (at: number) => (bytes.length >= at + 8 ? view.getBigUint64(at, littleEndian) : 0n)
  return {
    type,
    config: Number(view.getBigUint64(8, littleEndian) & 0xffffffffn),
    sampleType: Number(view.getBigUint64(24, littleEndian) & 0xffffffffn),
    readFormat: Number(view.getBigUint64(32, littleEndian) & 0xffffffffn),
    sampleIdAll: flag(18),
    clockId: flag(25) && bytes.length >= 96 ? view.getInt32(92, littleEndian) : undefined,
    breakpoint:
      type === PERF_TYPE_BREAKPOINT && bytes.length >= 72
        ? { address: u64(56), bytes: Number(u64(64)), access: view.getUint32(52, littleEndian) }
        : undefined,
    branchSampleType: Number(u64(72) & 0xffffffffn),
    userRegisters: u64(80),
    registers: u64(96),
    ids: [],
  }
}

export function readIds(reader: ByteReader): number[] {
  const ids: number[] = []
  while (reader.remaining >= 8 && ids.length < MAX_IDS) ids.push(reader.size64('an id'))
  return ids
}
