// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Makes long recordings of a short one by repeating its events with later times. The input is a trace.dat of version 7 with zstd.
 * The output's chunks are compressed by the program zstd, or stored uncompressed in zstd frames; only the events differ.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { nodeCodecs } from '../src/node/codecs.ts'
import { BytesSource } from '../src/trace/common/bytes.ts'
import { unpackCopy, unpackerOf } from '../src/trace/common/compression.ts'
import { Cutter } from '../src/trace/tracedat/chunks.ts'
import { readTraceFile, type TraceBuffer } from '../src/trace/tracedat/file.ts'
import { ByteWriter, storedZstd } from '../testkit/writers/tracedat.ts'

const BUFFER = 3
const PACKED = 1
const SECTION_HEADER = 16

/** Time between one round and the next, in ns. */
const PAUSE = 1_000_000_000n

/** One chunk of a CPU, unpacked. */
type Chunk = Uint8Array

/** Compresses chunks. It gets all of them at once, because starting a program for each would take minutes. */
type Pack = (chunks: Chunk[], folder: string) => Uint8Array[]

/** Stores chunks uncompressed, without a program. The files are fourteen times as large as those of trace-cmd. */
export const stored: Pack = chunks => chunks.map(storedZstd)

/** Compresses chunks by the program zstd, as trace-cmd does. */
export const packed: Pack = (chunks, folder) => {
  const files = chunks.map((_, i) => join(folder, `chunk-${i}`))
  chunks.forEach((chunk, i) => {
    writeFileSync(files[i]!, chunk)
  })
  const list = join(folder, 'chunks')
  writeFileSync(list, files.join('\n'))
  const { status, stderr } = spawnSync('zstd', ['-q', '--rm', '--no-check', '--filelist', list])
  if (status !== 0) throw new Error(`zstd: ${stderr}`)
  return files.map(file => {
    const bytes = new Uint8Array(readFileSync(`${file}.zst`))
    rmSync(`${file}.zst`)
    return bytes
  })
}

/** Yields one file for each number in `times`, with the recording's events repeated that often. Each is deleted after use. */
export async function* longRecordings(
  path: string,
  times: number[],
  pack = stored,
): AsyncGenerator<{ file: string; times: number }> {
  const bytes = new Uint8Array(readFileSync(path))
  const file = await readTraceFile(new BytesSource(path, bytes), [], nodeCodecs)
  const [buffer] = file.buffers
  if (!buffer || file.version !== 7 || file.compression !== 'zstd' || !file.littleEndian) {
    throw new Error(`${path}: expected a version 7 file with zstd, little endian`)
  }
  const chunks = await unpackAll(path, bytes, buffer)
  const folder = mkdtempSync(join(tmpdir(), 'lastput-long-'))
  try {
    for (const rounds of times) {
      const name = join(folder, `trace-${rounds}.dat`)
      write(name, bytes, buffer, chunks, rounds, pack)
      yield { file: name, times: rounds }
      rmSync(name)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function unpackAll(path: string, bytes: Uint8Array, buffer: TraceBuffer): Promise<Chunk[][]> {
  const unpack = (await unpackerOf('zstd', nodeCodecs))!
  const options = { pageSize: buffer.pageSize, packed: true, littleEndian: true, target: 1 << 20 }
  const cpus: Chunk[][] = []
  for (const data of buffer.cpus) {
    const cutter = new Cutter(new BytesSource(path, bytes), data, options, [])
    const chunks: Chunk[] = []
    for (let piece = await cutter.next(); piece; piece = await cutter.next()) {
      for (let i = 0; i < piece.chunks.length; i += 3) {
        const [at, length, size] = [piece.chunks[i]!, piece.chunks[i + 1]!, piece.chunks[i + 2]!]
        chunks.push(await unpackCopy(unpack, piece.bytes.subarray(at, at + length), size))
      }
    }
    cpus.push(chunks)
  }
  return cpus
}

const pageTime = (chunk: Chunk, at: number) => new DataView(chunk.buffer, chunk.byteOffset + at).getBigUint64(0, true)

/** Time in ns from the first sub-buffer of any CPU to the last. */
function span(cpus: Chunk[][], pageSize: number): bigint {
  const times = cpus.flatMap(chunks => [
    pageTime(chunks[0]!, 0),
    pageTime(chunks.at(-1)!, chunks.at(-1)!.length - pageSize),
  ])
  const sorted = BigUint64Array.from(times).sort()
  return sorted.at(-1)! - sorted[0]! + PAUSE
}

function write(
  name: string,
  bytes: Uint8Array,
  buffer: TraceBuffer,
  cpus: Chunk[][],
  rounds: number,
  pack: Pack,
): void {
  const fd = openSync(name, 'w')
  try {
    const start = sectionOf(bytes, buffer)
    writeSync(fd, bytes, 0, start.section)
    let end = start.section + SECTION_HEADER
    const entries = buffer.cpus.map(({ cpu }, i) => {
      const offset = Math.ceil(end / buffer.pageSize) * buffer.pageSize
      const step = span(cpus, buffer.pageSize)
      const round = (n: number) =>
        pack(
          cpus[i]!.map(chunk => later(chunk, BigInt(n) * step, buffer.pageSize)),
          dirname(name),
        )
      const size = writeCpu(fd, offset, cpus[i]!, rounds, round)
      end = offset + size
      return { cpu, offset, size: size - 4 }
    })
    writeAt(fd, start.section, sectionHeader(BUFFER, PACKED, end - start.section - SECTION_HEADER))
    writeAt(fd, end, bufferOptions(buffer, start.section, entries))
    writeAt(fd, start.next, u64(end))
  } finally {
    closeSync(fd)
  }
}

/** Offsets of the section with the events, and of the place where the first options hold the offset of the next options. */
function sectionOf(bytes: Uint8Array, buffer: TraceBuffer): { section: number; next: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // magic, "7\0", byte order, size of a long, page size, "zstd\0", version\0, offset of the first options
  const options = Number(view.getBigUint64(bytes.indexOf(0, 10 + 2 + 6 + 5) + 1, true))
  const size = Number(view.getBigUint64(options + 8, true))
  const next = options + SECTION_HEADER + size - 8
  const section = options + SECTION_HEADER + size
  if (view.getUint16(section, true) !== BUFFER || section > buffer.cpus[0]!.offset) {
    throw new Error('expected the events right after the first options')
  }
  return { section, next }
}

function writeCpu(
  fd: number,
  offset: number,
  chunks: Chunk[],
  rounds: number,
  packRound: (n: number) => Uint8Array[],
): number {
  const head = new ByteWriter()
  head.u32(chunks.length * rounds)
  writeAt(fd, offset, head.take())
  let at = offset + 4
  for (let round = 0; round < rounds; round++) {
    packRound(round).forEach((bytes, i) => {
      const out = new ByteWriter()
      out.u32(bytes.length)
      out.u32(chunks[i]!.length)
      out.bytes(bytes)
      at += writeAt(fd, at, out.take())
    })
  }
  return at - offset
}

/** Returns a copy of a chunk whose sub-buffers begin `delay` ns later. */
function later(chunk: Chunk, delay: bigint, pageSize: number): Chunk {
  const copy = chunk.slice()
  const view = new DataView(copy.buffer)
  for (let page = 0; page < copy.length; page += pageSize) {
    view.setBigUint64(page, view.getBigUint64(page, true) + delay, true)
  }
  return copy
}

function bufferOptions(
  buffer: TraceBuffer,
  section: number,
  entries: { cpu: number; offset: number; size: number }[],
): Uint8Array {
  const data = new ByteWriter()
  data.u64(section)
  data.cstring(buffer.name)
  data.cstring(buffer.clock)
  data.u32(buffer.pageSize)
  data.u32(entries.length)
  for (const { cpu, offset, size } of entries) {
    data.u32(cpu)
    data.u64(offset)
    data.u64(size)
  }
  const body = new ByteWriter()
  body.u16(BUFFER)
  body.u32(data.length)
  body.append(data)
  body.u16(0)
  body.u32(8)
  body.u64(0)
  const out = new ByteWriter()
  out.bytes(sectionHeader(0, 0, body.length))
  out.append(body)
  return out.take()
}

function sectionHeader(id: number, flags: number, size: number): Uint8Array {
  const out = new ByteWriter()
  out.u16(id)
  out.u16(flags)
  out.u32(0)
  out.u64(size)
  return out.take()
}

function u64(value: number): Uint8Array {
  const out = new ByteWriter()
  out.u64(value)
  return out.take()
}

function writeAt(fd: number, offset: number, bytes: Uint8Array): number {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, offset + done)
  return bytes.length
}
