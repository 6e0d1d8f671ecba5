// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads the structure of a trace.dat file: the positions of its parts, and all contents except the events.
 *
 * Facts of the format: trace-cmd.dat.v6(5), trace-cmd.dat.v7(5).
 */
import { ByteReader, decodeText, readExactly } from '../common/bytes.ts'
import { type Codecs, type Unpack, unpackCopy, unpackerOf } from '../common/compression.ts'
import {
  MAGIC,
  newTracingData,
  readCmdlines,
  readEventFormats,
  readFtraceFormats,
  readHeaderInfo,
  readKallsyms,
  readPrintk,
  readTracingData,
  type TracingData,
} from '../common/tracing-data.ts'
import { type ByteSource, type Damage, TraceError } from '../events.ts'
import { message } from './block-decoder.ts'
import { recoverSections } from './recovery.ts'
import {
  type CpuData,
  readSectionHeader,
  SECTION_HEADER,
  type Section,
  SectionId,
  type TraceBuffer,
  type TraceFile,
} from './sections.ts'

export type { CpuData, TraceBuffer, TraceFile } from './sections.ts'

/** Maximum size of a sub-buffer in bytes (order 0 to 9 of pages of at most 64 KB). */
const MAX_PAGE_SIZE = 1 << 25

/** Maximum number of CPUs (NR_CPUS is at most 8192 on any machine). */
const MAX_CPUS = 1 << 13

/** Maximum size in bytes of one section of metadata, compressed or not. kallsyms of a large kernel has 20 MB. */
const MAX_SECTION = 1 << 27

/** Maximum number of consecutive option sections, and of options in each. */
const MAX_OPTION_SECTIONS = 1 << 8
const MAX_OPTIONS = 1 << 16

/** Number of bytes read first from a version 6 file. If the head is longer, more and more is read. */
const FIRST_HEAD = 1 << 22

const SECTION_READERS: { [id: number]: (reader: ByteReader, data: TracingData) => void } = {
  [SectionId.HEADER_INFO]: readHeaderInfo,
  [SectionId.FTRACE_EVENTS]: readFtraceFormats,
  [SectionId.EVENT_FORMATS]: readEventFormats,
  [SectionId.KALLSYMS]: readKallsyms,
  [SectionId.PRINTK]: readPrintk,
  [SectionId.CMDLINES]: readCmdlines,
}

/** Size in bytes of a tag in version 6. */
const TAG6 = 10

/** True if a file begins like a trace.dat of any version. */
export function isTraceDat(start: Uint8Array): boolean {
  return MAGIC.every((byte, i) => start[i] === byte)
}

/**
 * Reads the structure of a trace.dat file, in version 7 without the symbols: they are most of what is to be unpacked, and nobody needs
 * them before events are read. Damage with which events stay readable is added to `damage`.
 */
export async function readTraceFile(source: ByteSource, damage: Damage[], codecs?: Codecs): Promise<TraceFile> {
  const head = new ByteReader(await source.read(0, 4096), { file: source.name })
  if (!isTraceDat(head.bytes)) throw head.error('expected the magic bytes of trace.dat')
  head.at = MAGIC.length
  const version = head.cstring('the version')
  if (version !== '6' && version !== '7') {
    throw new TraceError(
      source.name,
      MAGIC.length,
      `expected version 6 or 7, found ${JSON.stringify(version.slice(0, 16))}`,
    )
  }
  const endian = head.u8('the byte order')
  if (endian > 1) throw new TraceError(source.name, head.at - 1, `expected byte order 0 or 1, found ${endian}`)
  head.littleEndian = endian === 0
  const longSize = head.u8('the size of a long')
  const pageSize = head.u32('the page size')
  const file: TraceFile = {
    ...newTracingData(),
    pageSize,
    version: version === '6' ? 6 : 7,
    littleEndian: endian === 0,
    longSize,
    compression: 'none',
    cpuCount: 0,
    uname: '',
    endTime: undefined,
    endTicks: undefined,
    clock: 'local',
    tickScale: undefined,
    timeOffset: 0n,
    buffers: [],
    cutOff: false,
    readSymbols: async () => {},
  }
  if (version === '6') await readVersion6(source, file, head.at, pageSize, damage)
  else await new Version7(source, file, damage).read(head, pageSize, codecs)
  file.buffers = file.buffers.filter(buffer => checkPageSize(source, buffer, damage))
  return file
}

function isPageSize(size: number): boolean {
  return size >= 64 && size <= MAX_PAGE_SIZE && size % 4 === 0
}

function checkPageSize(source: ByteSource, { name, pageSize }: TraceBuffer, damage: Damage[]): boolean {
  if (isPageSize(pageSize)) return true
  const expected = `expected sub-buffers of 64 bytes to ${MAX_PAGE_SIZE / 2 ** 20} MB, found ${pageSize} in buffer "${name}"`
  damage.push({ file: source.name, offset: 0, expected })
  return false
}

/** Returns the text up to its first NUL. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end))
}

/** Reads an option that both versions have. */
function readOption(id: number, option: ByteReader, file: TraceFile): void {
  if (id === SectionId.UNAME) file.uname = textOf(option.bytes)
  else if (id === SectionId.CPUCOUNT) file.cpuCount = Math.min(option.u32('the number of CPUs'), MAX_CPUS)
  else if (id === SectionId.TRACECLOCK) file.clock = /\[([^\s[\]]+)\]/.exec(textOf(option.bytes))?.[1] ?? file.clock
  else if (id === SectionId.CPUSTAT) readStatistics(textOf(option.bytes), file)
  else if (id === SectionId.TSC2NSEC) {
    const mul = BigInt(option.u32('the multiplier of the clock'))
    const shift = BigInt(option.u32('the shift of the clock'))
    if (mul > 0n && shift < 64n) file.tickScale = { mul, div: 1n << shift }
  } else if (id === SectionId.OFFSET) file.timeOffset += offsetOf(option)
  else if (id === SectionId.DATE) file.timeOffset += offsetOf(option) * 1000n
}

/** Returns a number in decimal text; 0 if it is none. */
function offsetOf({ bytes }: ByteReader): bigint {
  const text = textOf(bytes).trim()
  return /^(0x[0-9a-f]{1,16}|-?\d{1,19})$/i.test(text) ? BigInt(text) : 0n
}

/** Reads from the statistics of a CPU when its recording ended. Ticks have no decimal point. */
function readStatistics(text: string, file: TraceFile): void {
  const stamp = /^now ts: *(\d{1,20})(?:\.(\d{1,9}))?$/m.exec(text)
  if (!stamp) return
  const whole = BigInt(stamp[1]!)
  if (stamp[2] === undefined) file.endTicks = laterOf(file.endTicks, whole)
  else file.endTime = laterOf(file.endTime, whole * 1_000_000_000n + BigInt(stamp[2].padEnd(9, '0')))
}

function laterOf(known: bigint | undefined, time: bigint): bigint {
  return known === undefined || time > known ? time : known
}

/** Returns a reader of one option's data. */
function takeOption(reader: ByteReader, id: number): ByteReader {
  const size = reader.u32('the size of an option')
  const base = reader.base + reader.at
  const { file, littleEndian } = reader
  return new ByteReader(reader.take(size, `option ${id}`), { file, littleEndian, base })
}

/** Converts an error in a dispensable part of the file to damage. */
function asDamage(error: unknown, source: ByteSource, offset: number): Damage {
  if (error instanceof TraceError) return { file: error.file, offset: error.offset, expected: error.expected }
  return { file: source.name, offset, expected: message(error) }
}

/** Reads version 6, in which everything before the events is in one head of unknown length. */
async function readVersion6(
  source: ByteSource,
  file: TraceFile,
  start: number,
  pageSize: number,
  damage: Damage[],
): Promise<void> {
  for (let length = Math.min(source.size, FIRST_HEAD); ; length = Math.min(source.size, length * 4)) {
    const bytes = await readExactly(source, 0, length, 'the head of the file')
    const reader = new ByteReader(bytes, { file: source.name, littleEndian: file.littleEndian })
    reader.at = start
    try {
      Object.assign(file, { ...newTracingData(), pageSize })
      readTracingData(reader, file)
      const instances = readTail6(reader, file, pageSize)
      for (const instance of instances) await readInstance6(source, file, instance, pageSize, damage)
      return
    } catch (error) {
      if (length === source.size || length >= MAX_SECTION) throw error
    }
  }
}

interface Instance6 {
  name: string
  offset: number
}

/** Reads u32 cpus, and the parts "options" and "flyrecord". Returns the positions of the tables of other instances. */
function readTail6(reader: ByteReader, file: TraceFile, pageSize: number): Instance6[] {
  const cpus = reader.u32('the number of CPUs')
  if (cpus > MAX_CPUS) throw reader.error(`expected at most ${MAX_CPUS} CPUs, found ${cpus}`)
  file.cpuCount = cpus
  const instances: Instance6[] = []
  let tag = readTag6(reader)
  if (tag === 'options  \0') {
    readOptions6(reader, file, instances)
    tag = readTag6(reader)
  }
  if (tag !== 'flyrecord\0') {
    reader.at -= TAG6
    throw reader.error(`expected events ("flyrecord"), found ${JSON.stringify(tag)}`)
  }
  file.buffers = [{ name: '', clock: file.clock, pageSize, cpus: readCpus6(reader, cpus) }]
  return instances
}

function readTag6(reader: ByteReader): string {
  return decodeText(reader.take(TAG6, 'the tag "options" or "flyrecord"'))
}

function readOptions6(reader: ByteReader, file: TraceFile, instances: Instance6[]): void {
  for (let i = 0; i < MAX_OPTIONS; i++) {
    const id = reader.u16('the id of an option')
    if (id === SectionId.DONE) return
    const option = takeOption(reader, id)
    if (id === SectionId.BUFFER) {
      const offset = option.size64('the place of a buffer')
      instances.push({ offset, name: textOf(option.bytes.subarray(option.at)) })
    } else readOption(id, option, file)
  }
  throw reader.error(`expected at most ${MAX_OPTIONS} options`)
}

function readCpus6(reader: ByteReader, count: number): CpuData[] {
  const cpus: CpuData[] = []
  for (let cpu = 0; cpu < count; cpu++) {
    const offset = reader.size64(`the place of the events of CPU ${cpu}`)
    const size = reader.size64(`the size of the events of CPU ${cpu}`)
    if (size > 0) cpus.push({ cpu, offset, size })
  }
  return cpus
}

async function readInstance6(
  source: ByteSource,
  file: TraceFile,
  { name, offset }: Instance6,
  pageSize: number,
  damage: Damage[],
): Promise<void> {
  try {
    const bytes = await readExactly(source, offset, TAG6 + file.cpuCount * 16, `the buffer "${name}"`)
    const reader = new ByteReader(bytes, { file: source.name, base: offset, littleEndian: file.littleEndian })
    if (readTag6(reader) !== 'flyrecord\0') throw new TraceError(source.name, offset, 'expected "flyrecord"')
    file.buffers.push({ name, clock: file.clock, pageSize, cpus: readCpus6(reader, file.cpuCount) })
  } catch (error) {
    damage.push(asDamage(error, source, offset))
  }
}

/** Reads version 7, whose sections can be anywhere in the file and are found through options. */
class Version7 {
  readonly #source: ByteSource
  readonly #file: TraceFile
  readonly #damage: Damage[]
  #unpack: Unpack | undefined

  constructor(source: ByteSource, file: TraceFile, damage: Damage[]) {
    this.#source = source
    this.#file = file
    this.#damage = damage
  }

  /** Continues after the page size: reads the compression, and the position of the first options. */
  async read(head: ByteReader, pageSize: number, codecs: Codecs | undefined): Promise<void> {
    const at = head.at
    const name = head.cstring('the name of the compression')
    if (name !== 'none' && name !== 'zlib' && name !== 'zstd') {
      const found = JSON.stringify(name.slice(0, 32))
      throw new TraceError(this.#source.name, at, `expected the compression none, zlib or zstd, found ${found}`)
    }
    head.cstring('the version of the compression')
    this.#file.compression = name
    this.#unpack = await unpackerOf(name, codecs)
    const options = head.size64('the place of the options')
    const sections = new Map<number, number>()
    try {
      await this.#readOptionSections(options, sections)
    } catch (error) {
      // The options are at the end of the file. A truncated file lacks them, but still has events.
      await this.#recover(asDamage(error, this.#source, options), head.at, pageSize)
    }
    for (const [id, offset] of sections) {
      if (id === SectionId.KALLSYMS) this.#file.readSymbols = () => this.#readData(id, offset)
      else await this.#readData(id, offset)
    }
  }

  /** Recovers what is left of a truncated file. It lacks the options at its end, but still has events. */
  async #recover(lost: Damage, start: number, pageSize: number): Promise<void> {
    const file = this.#file
    this.#damage.push(lost)
    if (file.buffers.length > 0) return
    Object.assign(file, { ...newTracingData(), pageSize })
    try {
      if (isPageSize(pageSize)) {
        await recoverSections(this.#source, file, start, pageSize, section => this.#readSection(section))
      }
    } catch (error) {
      this.#damage.push(asDamage(error, this.#source, start))
    }
    if (file.buffers.length === 0) throw new TraceError(lost.file, lost.offset, lost.expected)
    file.cutOff = true
  }

  async #readOptionSections(first: number, sections: Map<number, number>): Promise<void> {
    const seen = new Set<number>()
    for (let offset = first; offset !== 0; ) {
      if (seen.has(offset) || seen.size >= MAX_OPTION_SECTIONS) {
        throw new TraceError(this.#source.name, offset, 'expected options that are not their own successors')
      }
      seen.add(offset)
      const section = await readSectionHeader(this.#source, this.#file, offset)
      if (section.id !== SectionId.DONE) {
        throw new TraceError(this.#source.name, offset, `expected an options section, found section ${section.id}`)
      }
      offset = readOptions7(await this.#body(section), this.#file, sections)
    }
  }

  /** Returns the contents of a section, unpacked. */
  async #body({ offset, size, packed }: Section): Promise<ByteReader> {
    const base = offset + SECTION_HEADER
    if (size > MAX_SECTION)
      throw new TraceError(this.#source.name, offset, `expected a section of at most ${MAX_SECTION} bytes`)
    const bytes = await readExactly(this.#source, base, size, 'a section')
    const where = { file: this.#source.name, base, littleEndian: this.#file.littleEndian }
    const reader = new ByteReader(bytes, where)
    if (!packed) return reader
    const length = reader.u32('the packed size of a section')
    const unpacked = reader.u32('the size of a section')
    if (unpacked > MAX_SECTION || !this.#unpack)
      throw new TraceError(where.file, base, 'expected a section that can be unpacked')
    const data = reader.take(length, 'a packed section')
    try {
      return new ByteReader(await unpackCopy(this.#unpack, data, unpacked), where)
    } catch (error) {
      throw new TraceError(where.file, base, `expected a packed section: ${message(error)}`)
    }
  }

  async #readData(id: number, offset: number): Promise<void> {
    try {
      const section = await readSectionHeader(this.#source, this.#file, offset)
      if (section.id !== id)
        throw new TraceError(this.#source.name, offset, `expected section ${id}, found ${section.id}`)
      await this.#readSection(section)
    } catch (error) {
      this.#damage.push(asDamage(error, this.#source, offset))
    }
  }

  async #readSection(section: Section): Promise<void> {
    const body = await this.#body(section)
    if (section.id === SectionId.DONE) readOptions7(body, this.#file, new Map())
    else SECTION_READERS[section.id]?.(body, this.#file)
  }
}

/**
 * Reads options up to DONE, which contains the position of the next ones (0 if there are none). Notes the positions of data
 * sections.
 */
function readOptions7(reader: ByteReader, file: TraceFile, sections: Map<number, number>): number {
  for (let i = 0; i < MAX_OPTIONS; i++) {
    const id = reader.u16('the id of an option')
    const option = takeOption(reader, id)
    if (id === SectionId.DONE) return option.size64('the place of the next options')
    if (id === SectionId.BUFFER) file.buffers.push(readBuffer7(option))
    else if (SECTION_READERS[id]) sections.set(id, option.size64(`the place of section ${id}`))
    else readOption(id, option, file)
  }
  throw reader.error(`expected at most ${MAX_OPTIONS} options`)
}

/** u64 offset, name\0, clock\0, u32 page size, u32 cpus; each u32 cpu, u64 offset, u64 size. */
function readBuffer7(option: ByteReader): TraceBuffer {
  option.skip(8, 'the place of a buffer')
  const name = option.cstring('the name of a buffer')
  const clock = option.cstring('the clock of a buffer')
  const pageSize = option.u32('the size of a sub-buffer')
  const count = option.u32('the number of CPUs of a buffer')
  if (count > MAX_CPUS) throw option.error(`expected at most ${MAX_CPUS} CPUs, found ${count}`)
  const cpus: CpuData[] = []
  for (let i = 0; i < count; i++) {
    const cpu = option.u32('the number of a CPU')
    if (cpu >= MAX_CPUS) throw option.error(`expected a CPU below ${MAX_CPUS}, found ${cpu}`)
    const offset = option.size64(`the place of the events of CPU ${cpu}`)
    const size = option.size64(`the size of the events of CPU ${cpu}`)
    if (size > 0) cpus.push({ cpu, offset, size })
  }
  return { name, clock, pageSize, cpus }
}
