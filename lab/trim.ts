// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Makes a small trace.dat (version 7) of a large one. All events and stacks stay. Of the kernel's symbols, which take most of the
 * space in a short recording, only those on stacks stay, each with the next one, so that functions keep their ends. Symbols of
 * modules that the recording lacks are added. examples/leak-6.12 was made by:
 *
 *     npm run tools
 *     node .tools/lab/trim.js ../shared/data/6.12/zdbug-leak/trace.dat examples/leak-6.12/trace.dat \
 *       ../shared/data/6.12/zdbug-leak/kallsyms.txt
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ByteReader, BytesSource } from '../src/trace/common/bytes.ts'
import { type Compression, unpackCopy, unpackerOf } from '../src/trace/common/compression.ts'
import { openTraceDat } from '../src/trace/tracedat/recording.ts'
import { decodeLatin1 } from '../src/util/latin1.ts'
import { ByteWriter, storedZstd } from '../testkit/writers/tracedat.ts'

/** Sections and options of version 7 (trace-cmd.dat.v7(5)). */
const OPTIONS = 0
const BUFFER = 3
const KALLSYMS = 19
/** Options whose data is the offset of a section. */
const OFFSET_OPTIONS = new Set([16, 17, 18, 19, 20, 21, 23, 24, 25])
const SECTION_HEADER_BYTES = 16

interface Section {
  id: number
  flags: number
  /** Offset of the section's header. */
  at: number
  string: number
  body: Uint8Array
}

interface Option {
  id: number
  data: Uint8Array
}

/** Returns the lines of kallsyms whose functions are on stacks, and the line after each. */
function touchedSymbols(kallsyms: string, addresses: Iterable<bigint>): string[] {
  const lines = kallsyms.split('\n').filter(line => /^[0-9a-f]+ [^aA] /.test(line))
  const symbols = lines
    .map(line => ({ line, address: BigInt(`0x${line.slice(0, line.indexOf(' '))}`) }))
    .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
  const kept = new Set<string>()
  for (const address of addresses) {
    const after = symbols.findIndex(symbol => symbol.address > address)
    if (after <= 0) continue
    const start = symbols[after - 1]!.address
    for (const { line, address: at } of symbols) if (at === start) kept.add(line)
    kept.add(symbols[after]!.line)
  }
  return symbols.filter(symbol => kept.has(symbol.line)).map(symbol => symbol.line)
}

/** Return addresses in the stacks of a recording. */
async function stackAddresses(bytes: Uint8Array): Promise<Set<bigint>> {
  const recording = await openTraceDat(new BytesSource('input', bytes))
  for await (const _ of recording.batches());
  const addresses = new Set<bigint>()
  for (let stack = 1; stack < recording.stacks.size; stack++) {
    for (const frame of recording.stacks.frames(stack)) addresses.add(recording.stacks.frame(frame).address)
  }
  await recording.close()
  return addresses
}

class Trimmer {
  readonly #reader: ByteReader
  readonly #out: ByteWriter
  readonly #compression: Compression
  /** New offsets by old ones, of sections and of the CPUs' trace data. */
  readonly #moved = new Map<number, number>()
  readonly #options: { at: number; old: Section }[] = []

  constructor(bytes: Uint8Array) {
    this.#reader = new ByteReader(bytes, { file: 'input' })
    const reader = this.#reader
    reader.skip(10, 'magic')
    if (reader.cstring('version') !== '7') throw reader.error('expected version 7')
    reader.littleEndian = reader.u8('byte order') === 0
    reader.skip(1, 'long size')
    this.pageSize = reader.u32('page size')
    const compression = reader.cstring('compression')
    if (compression !== 'zstd' && compression !== 'none') throw reader.error('expected zstd or no compression')
    this.#compression = compression
    reader.cstring('version of the compression')
    this.#out = new ByteWriter(!reader.littleEndian)
  }

  readonly pageSize: number

  async trim(moreSymbols: string[]): Promise<Uint8Array> {
    const { bytes } = this.#reader
    const addresses = await stackAddresses(bytes)
    const out = this.#out
    const firstOptions = this.#reader.size64('offset of the options')
    out.bytes(bytes.subarray(0, this.#reader.at))
    const pointer = this.#reader.at - 8
    const sections = this.#sections()
    const dataOffsets = sections.filter(section => section.id === OPTIONS).flatMap(section => this.#cpuOffsets(section))
    for (const section of sections) {
      this.#moved.set(section.at, out.length)
      if (section.id === KALLSYMS) await this.#kallsyms(section, addresses, moreSymbols)
      else if (section.id === BUFFER) this.#buffer(section, dataOffsets)
      else this.#copy(section)
    }
    out.setU64(pointer, this.#movedTo(firstOptions))
    for (const { at, old } of this.#options) this.#patchOptions(at, old)
    return out.take()
  }

  #sections(): Section[] {
    const reader = this.#reader
    const sections: Section[] = []
    while (reader.remaining > 0) {
      const at = reader.at
      const [id, flags, string] = [reader.u16('section id'), reader.u16('section flags'), reader.u32('section string')]
      sections.push({ id, flags, string, at, body: reader.take(reader.size64('section size'), 'section') })
    }
    return sections
  }

  #readOptions(section: Section): (Option & { at: number })[] {
    const reader = new ByteReader(section.body, { file: 'input', littleEndian: this.#reader.littleEndian })
    const options: (Option & { at: number })[] = []
    while (reader.remaining > 0) {
      const id = reader.u16('option id')
      const size = reader.u32('option size')
      options.push({ id, at: reader.at, data: reader.take(size, 'option') })
    }
    return options
  }

  /** Positions within the data of a BUFFER option that hold offsets of trace data. */
  #cpuPlaces(option: Option): number[] {
    const reader = new ByteReader(option.data, { file: 'input', littleEndian: this.#reader.littleEndian })
    reader.u64('offset')
    reader.cstring('name')
    reader.cstring('clock')
    reader.u32('page size')
    const places = Array.from({ length: reader.u32('CPUs') }, (_, index) => index)
    const first = reader.at + 4
    return places.map(index => first + index * 20)
  }

  #u64(data: Uint8Array, at: number): number {
    return Number(new DataView(data.buffer, data.byteOffset).getBigUint64(at, this.#reader.littleEndian))
  }

  #cpuOffsets(section: Section): number[] {
    return this.#readOptions(section)
      .filter(option => option.id === BUFFER)
      .flatMap(option => this.#cpuPlaces(option).map(place => this.#u64(option.data, place)))
  }

  #header(section: Section, size: number): void {
    this.#out.u16(section.id)
    this.#out.u16(section.flags)
    this.#out.u32(section.string)
    this.#out.u64(size)
  }

  #copy(section: Section): void {
    this.#header(section, section.body.length)
    if (section.id === OPTIONS) this.#options.push({ at: this.#out.length, old: section })
    this.#out.bytes(section.body)
  }

  /** Copies trace data. It starts at a page boundary, and the distances between CPUs stay as they are. */
  #buffer(section: Section, dataOffsets: number[]): void {
    const out = this.#out
    const bodyAt = section.at + SECTION_HEADER_BYTES
    const end = bodyAt + section.body.length
    const offsets = dataOffsets.filter(offset => offset >= bodyAt && offset < end)
    const first = Math.min(end, ...offsets)
    const headerAt = out.length
    this.#header(section, 0)
    out.align(this.pageSize)
    const shift = out.length - first
    for (const offset of offsets) this.#moved.set(offset, offset + shift)
    out.bytes(section.body.subarray(first - bodyAt))
    out.setU64(headerAt + 8, out.length - headerAt - SECTION_HEADER_BYTES)
  }

  async #kallsyms(section: Section, addresses: Set<bigint>, moreSymbols: string[]): Promise<void> {
    const text = decodeLatin1((await this.#unpacked(section)).subarray(4))
    const more = moreSymbols.flatMap(file => file.trim().split('\n'))
    const symbols = new Set([...touchedSymbols(text, addresses), ...more])
    const body = new ByteWriter(!this.#reader.littleEndian)
    const kept = new TextEncoder().encode(`${[...symbols].join('\n')}\n`)
    body.u32(kept.length)
    body.bytes(kept)
    const raw = body.take()
    if ((section.flags & 1) === 0) {
      this.#header(section, raw.length)
      this.#out.bytes(raw)
      return
    }
    const packed = storedZstd(raw)
    this.#header(section, packed.length + 8)
    this.#out.u32(packed.length)
    this.#out.u32(raw.length)
    this.#out.bytes(packed)
  }

  async #unpacked(section: Section): Promise<Uint8Array> {
    const unpack = await unpackerOf(this.#compression)
    if ((section.flags & 1) === 0 || !unpack) return section.body
    const reader = new ByteReader(section.body, { file: 'input', littleEndian: this.#reader.littleEndian })
    const [packed, size] = [reader.u32('packed size'), reader.u32('size')]
    return unpackCopy(unpack, reader.take(packed, 'packed section'), size)
  }

  #movedTo(offset: number): number {
    const to = this.#moved.get(offset)
    if (to === undefined) throw new Error(`nothing was moved from offset ${offset}`)
    return to
  }

  /** Updates the offsets in the options that were copied to `at`. */
  #patchOptions(at: number, old: Section): void {
    const out = this.#out
    for (const option of this.#readOptions(old)) {
      const places = option.id === BUFFER ? [0, ...this.#cpuPlaces(option)] : []
      if (OFFSET_OPTIONS.has(option.id) || option.id === OPTIONS) places.push(0)
      for (const place of places) {
        const offset = this.#u64(option.data, place)
        if (offset !== 0) out.setU64(at + option.at + place, this.#movedTo(offset))
      }
    }
  }
}

/** Trims a file of version 7. @param moreSymbols texts in the form of /proc/kallsyms to add */
export function trimTraceDat(bytes: Uint8Array, moreSymbols: string[]): Promise<Uint8Array> {
  return new Trimmer(bytes).trim(moreSymbols)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [input, output, ...kallsyms] = process.argv.slice(2)
  if (input === undefined || output === undefined) {
    process.stderr.write('usage: trim.js INPUT OUTPUT [KALLSYMS...]\n')
    process.exitCode = 2
  } else {
    const symbols = kallsyms.map(file => readFileSync(file, 'latin1'))
    writeFileSync(output, await trimTraceDat(readFileSync(input), symbols))
  }
}
