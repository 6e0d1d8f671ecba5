// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Recovers a truncated version 7 file. The table of CPUs is at its end and lost. The sections before it are contiguous, and so
 * are the events of the CPUs, each of which begins at a multiple of the page size.
 */
import { ByteReader, readExactly } from '../common/bytes.ts'
import type { ByteSource } from '../events.ts'
import { type CpuData, readSectionHeader, SECTION_HEADER, type Section, SectionId, type TraceFile } from './sections.ts'

/** Limits of the number of sections and CPUs. */
const MAX_SECTIONS = 1 << 8
const MAX_CPUS = 1 << 13

const CHUNK_HEADER = 8

/** Number of bytes read at a time to examine the headers of sub-buffers. */
const WINDOW = 1 << 20

/** Reads the sections from `start` on. Calls `readSection` for each, except those with events, which become buffers. */
export async function recoverSections(
  source: ByteSource,
  file: TraceFile,
  start: number,
  pageSize: number,
  readSection: (section: Section) => Promise<void>,
): Promise<void> {
  let offset = start
  for (let i = 0; i < MAX_SECTIONS && offset + SECTION_HEADER <= source.size; i++) {
    const section = await readSectionHeader(source, file, offset)
    if (section.id === SectionId.BUFFER) {
      const cpus = await recoverCpus(source, file, offset + SECTION_HEADER, pageSize)
      const name = file.buffers.length === 0 ? '' : `buffer ${file.buffers.length}`
      if (cpus.length > 0) file.buffers.push({ name, clock: file.clock, pageSize, cpus })
      const last = cpus.at(-1)
      offset = last ? last.offset + last.size + (section.packed ? 4 : 0) : source.size
      continue
    }
    await readSection(section)
    offset += SECTION_HEADER + section.size
  }
}

async function recoverCpus(source: ByteSource, file: TraceFile, start: number, pageSize: number): Promise<CpuData[]> {
  const align = (offset: number) => Math.ceil(offset / pageSize) * pageSize
  if (file.compression === 'none') return recoverPages(source, file, align(start), pageSize)
  const cpus: CpuData[] = []
  for (let offset = align(start); cpus.length < MAX_CPUS && offset + 4 < source.size; ) {
    const size = await chunksSize(source, file, offset)
    if (size === undefined) break
    cpus.push({ cpu: cpus.length, offset, size: size - 4 })
    const end = offset + size
    if (end + SECTION_HEADER > source.size) break
    // After the last CPU, a section follows immediately. Between CPUs there is zero padding.
    if ((await readSectionHeader(source, file, end)).size > 0) break
    offset = align(end)
  }
  return cpus
}

/**
 * Returns the size in bytes of one CPU's chunks including their number, limited by the end of the file; undefined if there are
 * none.
 */
async function chunksSize(source: ByteSource, file: TraceFile, start: number): Promise<number | undefined> {
  const read = async (offset: number, length: number) =>
    new ByteReader(await readExactly(source, offset, length, 'chunks'), {
      file: source.name,
      littleEndian: file.littleEndian,
    })
  const count = (await read(start, 4)).u32('')
  let offset = start + 4
  let chunks = 0
  for (; chunks < count && offset + CHUNK_HEADER <= source.size; chunks++) {
    const header = await read(offset, CHUNK_HEADER)
    const [packed, unpacked] = [header.u32(''), header.u32('')]
    if (packed === 0 || unpacked === 0) break
    offset += CHUNK_HEADER + packed
  }
  return chunks === 0 ? undefined : Math.min(offset, source.size) - start
}

/** Returns the CPUs with uncompressed sub-buffers. Whether the last one had more is unknown. */
async function recoverPages(source: ByteSource, file: TraceFile, start: number, pageSize: number): Promise<CpuData[]> {
  const cpus = await findPages(source, file, start, pageSize)
  const last = cpus.at(-1)
  if (last) last.cutOff = true
  return cpus
}

/** Finds where CPUs begin: a sub-buffer with an earlier time than the one before belongs to the next CPU. */
async function findPages(source: ByteSource, file: TraceFile, start: number, pageSize: number): Promise<CpuData[]> {
  const cpus: CpuData[] = []
  let last = 0n
  const step = Math.max(pageSize, WINDOW - (WINDOW % pageSize))
  for (let offset = start; offset < source.size; offset += step) {
    const bytes = await source.read(offset, Math.min(step, source.size - offset))
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let page = 0; page + 16 <= bytes.length; page += pageSize) {
      const time = view.getBigUint64(page, file.littleEndian)
      // Zero padding up to the next section.
      if (time === 0n && view.getBigUint64(page + 8) === 0n) return cpus
      const size = Math.min(pageSize, bytes.length - page)
      const cpu = cpus.at(-1)
      if (cpu && time >= last) cpu.size += size
      else if (cpus.length < MAX_CPUS) cpus.push({ cpu: cpus.length, offset: offset + page, size })
      last = time
    }
  }
  return cpus
}
