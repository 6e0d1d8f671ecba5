// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads ELF64 core files: those of kexec, of makedumpfile -E and of QEMU's dump-guest-memory, and /proc/kcore. */
import { lowerBound } from '../../util/lower-bound.ts'
import { CoreError } from '../error.ts'
import { parseNotes } from './notes.ts'
import { type Dump, FRAME_BYTES, type FrameRange, type PhysicalMemory } from './physical.ts'
import { BlockCache, type CoreSource, readExactly, size64, viewOf } from './source.ts'

const HEADER_BYTES = 64
const ENTRY_BYTES = 56
const PT_LOAD = 1
const PT_NOTE = 4
const PN_XNUM = 0xffff
const MOST_SEGMENTS = 1 << 20
const MOST_NOTE_BYTES = 1 << 26
/** `e_machine` of POWER, of either byte order. */
const PPC64 = 21
/** Architectures by `e_machine`: those whose kernels have ZONE_DEVICE, and 32-bit ones of which QEMU writes dumps. */
const MACHINES: Record<number, string> = {
  3: 'i386',
  22: 's390x',
  40: 'arm',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
}
/** Physical addresses have at most 52 bits. */
const MOST_PHYSICAL = 2 ** 52

export function isElf(start: Uint8Array): boolean {
  return start[0] === 0x7f && start[1] === 0x45 && start[2] === 0x4c && start[3] === 0x46
}

function machineOf(header: DataView): string {
  const isBigEndian = header.getUint8(5) === 2
  const machine = header.getUint16(18, !isBigEndian)
  if (machine === PPC64) return isBigEndian ? 'ppc64' : 'ppc64le'
  return MACHINES[machine] ?? `ELF machine ${machine}`
}

/** A PT_LOAD that has a physical address. */
interface Segment {
  /** Physical address of the first byte, and the one after the last byte that the file contains. */
  readonly start: number
  readonly end: number
  /** Offset in the file. A bigint because offsets in /proc/kcore exceed what a double represents exactly. */
  readonly offset: bigint
}

interface ProgramHeader {
  type: number
  offset: bigint
  physical: bigint
  fileSize: bigint
}

/**
 * Reads the headers of an ELF core.
 * @param damage receives a sentence for each thing that is wrong with the file
 * @throws CoreError if it is not an ELF core, or of an unsupported kind
 */
export function openElf(source: CoreSource, damage: string[], live = false): Dump {
  const header = viewOf(readExactly(source, 0, HEADER_BYTES, 'an ELF header'))
  if (header.getUint8(4) !== 2 || header.getUint8(5) !== 1) {
    const machine = machineOf(header)
    throw new CoreError(
      source.name,
      4,
      `expected a 64-bit little-endian ELF file, not one of ${machine} (docs/dumps.md)`,
    )
  }
  if (header.getUint16(16, true) !== 4) {
    throw new CoreError(source.name, 16, 'expected an ELF core file (type 4), not a program or a library')
  }
  const segments: Segment[] = []
  const room = { noteBytes: MOST_NOTE_BYTES }
  let vmcoreinfo: string | undefined
  for (const entry of programHeaders(source, header)) {
    if (entry.type === PT_NOTE) vmcoreinfo ??= readNotes(source, entry, damage, room).vmcoreinfo
    if (entry.type === PT_LOAD) addSegment(segments, entry, source, damage, live)
  }
  if (segments.length === 0) {
    throw new CoreError(source.name, HEADER_BYTES, 'expected at least one PT_LOAD segment with memory in it')
  }
  return {
    memory: new ElfMemory(source, disjoint(segments, live ? Infinity : source.size, damage), live),
    machine: machineOf(header),
    damage,
    vmcoreinfo,
  }
}

function* programHeaders(source: CoreSource, header: DataView): Generator<ProgramHeader> {
  const at = size64(header, 32)
  let count = header.getUint16(56, true)
  if (header.getUint16(54, true) !== ENTRY_BYTES) {
    throw new CoreError(source.name, 54, `expected program headers of ${ENTRY_BYTES} bytes`)
  }
  if (count === PN_XNUM) {
    const section = viewOf(readExactly(source, size64(header, 40), 64, 'section 0, which holds the number of segments'))
    count = section.getUint32(44, true)
  }
  if (count > MOST_SEGMENTS) throw new CoreError(source.name, 56, `expected at most ${MOST_SEGMENTS} segments`)
  const table = viewOf(readExactly(source, at, count * ENTRY_BYTES, 'the program headers'))
  for (let i = 0; i < count; i++) {
    const base = i * ENTRY_BYTES
    yield {
      type: table.getUint32(base, true),
      offset: table.getBigUint64(base + 8, true),
      physical: table.getBigUint64(base + 24, true),
      fileSize: table.getBigUint64(base + 32, true),
    }
  }
}

/** @param room how many of {@link MOST_NOTE_BYTES} are left; the limit applies to all note segments together */
function readNotes(
  source: CoreSource,
  { offset, fileSize }: ProgramHeader,
  damage: string[],
  room: { noteBytes: number },
) {
  const end = Math.min(Number(offset + fileSize), source.size)
  const length = Math.max(0, Math.min(room.noteBytes, end - Number(offset)))
  if (length < Number(fileSize)) {
    damage.push(`the notes at byte ${offset} are cut short: ${length} of their ${fileSize} bytes are read`)
  }
  room.noteBytes -= length
  return parseNotes(length > 0 ? source.read(Number(offset), length) : new Uint8Array(0), damage)
}

function addSegment(segments: Segment[], entry: ProgramHeader, source: CoreSource, damage: string[], live: boolean) {
  const start = Number(entry.physical)
  // /proc/kcore gives the physical address -1 to regions without one of their own: vmalloc, modules and the memory map.
  if (start >= MOST_PHYSICAL) return
  let length = Number(entry.fileSize)
  const room = source.size - Number(entry.offset)
  if (!live && length > room) {
    damage.push(`the file is cut short: memory from 0x${(start + Math.max(0, room)).toString(16)} is missing`)
    length = Math.max(0, room)
  }
  if (length > 0 && start + length <= MOST_PHYSICAL) segments.push({ start, end: start + length, offset: entry.offset })
}

/**
 * Sorts segments by address and removes overlaps. Where several segments cover a place, the first one is kept.
 * @param most limit in bytes of all segments together, since memory in a file cannot be larger than the file
 */
function disjoint(segments: readonly Segment[], most: number, damage: string[]): Segment[] {
  const kept: Segment[] = []
  let at = 0
  let bytes = 0
  let lost = 0
  for (const { start, end, offset } of [...segments].sort((a, b) => a.start - b.start)) {
    const from = Math.max(start, at)
    if (from >= end) continue
    const to = Math.min(end, from + most - bytes)
    if (to > from) kept.push({ start: from, end: to, offset: offset + BigInt(from - start) })
    bytes += to - from
    lost += end - to
    at = end
  }
  if (lost > 0) damage.push(`its segments have more memory than the file has bytes: ${lost} bytes of it are not read`)
  return kept
}

/** Memory in an ELF core. Only the `p_filesz` bytes of a segment exist, even if `p_memsz` is larger. */
class ElfMemory implements PhysicalMemory {
  readonly format: string
  readonly ranges: readonly FrameRange[]
  readonly #source: CoreSource
  readonly #cache: BlockCache | undefined
  /** Sorted, without overlaps. */
  readonly #segments: readonly Segment[]
  #last: Segment

  /** @param segments sorted, without overlaps */
  constructor(source: CoreSource, segments: readonly Segment[], live: boolean) {
    this.format = live ? 'live' : 'ELF'
    this.#source = source
    this.#cache = live ? undefined : new BlockCache(source)
    this.#segments = segments
    this.#last = segments[0]!
    this.ranges = mergeRanges(
      segments.map(({ start, end }) => ({
        first: Math.floor(start / FRAME_BYTES),
        end: Math.ceil(end / FRAME_BYTES),
      })),
    )
  }

  frame(pfn: number): Uint8Array | undefined {
    const start = pfn * FRAME_BYTES
    const end = start + FRAME_BYTES
    let segment: Segment | undefined = this.#last
    if (segment.start > start || segment.end < end) {
      const row = this.#rowOf(start)
      segment = this.#segments[row]
      if (!segment || segment.start > start || segment.end < end) return this.#pieced(start, end, Math.max(0, row))
      this.#last = segment
    }
    return this.#read(segment, start, FRAME_BYTES)
  }

  /** The last segment that begins at or before an address; -1 where none does. */
  #rowOf(address: number): number {
    const segments = this.#segments
    return lowerBound(segments.length, i => segments[i]!.start <= address) - 1
  }

  #read({ start, offset }: Segment, address: number, length: number): Uint8Array | undefined {
    const within = address - start
    // Nothing is cached from a running machine, because cached blocks would mix memory of different times.
    const bytes = this.#cache
      ? this.#cache.read(Number(offset) + within, length)
      : this.#source.read(offset + BigInt(within), length)
    return bytes.length === length ? bytes : undefined
  }

  /** Assembles a frame that lies in several segments, starting with segment `row`. Segments need not be whole frames long. */
  #pieced(start: number, end: number, row: number): Uint8Array | undefined {
    const frame = new Uint8Array(FRAME_BYTES)
    let at = start
    for (let i = row; i < this.#segments.length; i++) {
      const segment = this.#segments[i]!
      if (segment.start > at) return undefined
      if (segment.end <= at) continue
      const part = this.#read(segment, at, Math.min(end, segment.end) - at)
      if (!part) return undefined
      frame.set(part, at - start)
      at += part.length
      if (at === end) return frame
    }
    return undefined
  }
}

/** Sorts ranges and joins those that overlap or touch. */
export function mergeRanges(ranges: FrameRange[]): FrameRange[] {
  const merged: { first: number; end: number }[] = []
  for (const { first, end } of ranges.sort((a, b) => a.first - b.first)) {
    const last = merged.at(-1)
    if (last && first <= last.end) last.end = Math.max(last.end, end)
    else merged.push({ first, end })
  }
  return merged
}
