// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads files of makedumpfile and of QEMU in the kdump-compressed format (IMPLEMENTATION in makedumpfile's sources; docs/specs of
 * QEMU). Such a file has a header, two bitmaps of frames (those that the machine has and those in the file), a descriptor for
 * each frame in the file, and the packed frames.
 */

import { unzlibSync } from 'fflate'
import { decompress as unzstd } from 'fzstd'
import { decodeLatin1 } from '../../util/latin1.ts'
import { CoreError } from '../error.ts'
import { mergeRanges } from './elf.ts'
import { unpackLzo, unpackSnappy } from './lz.ts'
import { parseNotes, textOf } from './notes.ts'
import { type Dump, FRAME_BYTES, FrameCache, type FrameRange, type PhysicalMemory } from './physical.ts'
import { BlockCache, type CoreSource, readExactly, size64, viewOf } from './source.ts'

/** Unpacks to exactly `size` bytes, or throws. The result is valid until the next call. */
export type Unpack = (data: Uint8Array, size: number) => Uint8Array

/** Decompressors of the platform, used instead of the slower portable ones. */
export interface KdumpCodecs {
  zlib?: Unpack
  zstd?: Unpack
}

/** Flags of a frame's descriptor. */
const ZLIB = 1
const LZO = 2
const SNAPPY = 4
const ZSTD = 0x20
/** Flag in the header's `status`: writing the file was not completed, for example because the disk was full. */
const INCOMPLETE = 0x8
const DESCRIPTOR_BYTES = 24
const MOST_NOTE_BYTES = 1 << 26

/** Limit of the number of memory ranges, above that of any machine. Ranges beyond it are joined to one. */
const MOST_RANGES = 1 << 16
/** Limit of a bitmap's size in bytes, enough for 16 TiB. Without it, a malformed header could exhaust memory. */
const MOST_BITMAP = 1 << 29

/** Number of frames at the end whose descriptors are checked to find out if the file is cut short. */
const TOLD_FRAMES = 256

/** Bytes of a bitmap (512 frames) per entry of the rank table, which holds the number of frames before it. */
const RANK_BYTES = 64

interface Header {
  version: number
  status: number
  blockSize: number
  machine: string
  /** Number of blocks of the sub header, and of both bitmaps together. */
  subBlocks: number
  bitmapBlocks: number
  maxPfn: number
  dumpLevel: number
  split: { first: number; end: number } | undefined
  vmcoreinfo: { offset: number; size: number }
  notes: { offset: number; size: number }
}

export function isKdump(start: Uint8Array): boolean {
  return decodeLatin1(start.subarray(0, 8)) === 'KDUMP   '
}

/**
 * Reads the headers of a kdump file.
 * @param damage receives a sentence for each thing that is wrong with the file, also later while frames are read
 * @throws CoreError if the headers contradict themselves or the length of the file
 */
export function openKdump(source: CoreSource, damage: string[], codecs: KdumpCodecs = {}): Dump {
  const header = readHeader(source)
  if (header.status & INCOMPLETE) damage.push('makedumpfile says that it could not write the whole dump')
  const notes = parseNotes(part(source, header.notes, damage, 'the notes'), damage)
  const text = part(source, header.vmcoreinfo, damage, 'VMCOREINFO')
  return {
    memory: new KdumpMemory(source, header, codecs, damage),
    machine: header.machine,
    vmcoreinfo: text.length > 0 ? textOf(text) : notes.vmcoreinfo,
    damage,
  }
}

function part(source: CoreSource, { offset, size }: Header['notes'], damage: string[], what: string): Uint8Array {
  if (size === 0 || offset === 0) return new Uint8Array(0)
  if (offset + size > source.size || size > MOST_NOTE_BYTES) {
    damage.push(`${what} should stand at byte ${offset}, where the file has no ${size} bytes`)
    return new Uint8Array(0)
  }
  return source.read(offset, size)
}

function readHeader(source: CoreSource): Header {
  const bytes = readExactly(source, 0, 464, 'the header of a kdump file')
  const view = viewOf(bytes)
  const version = view.getInt32(8, true)
  if (version < 0 || version > 64) {
    throw new CoreError(source.name, 8, `expected the version of a little-endian kdump header, not ${version}`)
  }
  const blockSize = view.getInt32(428, true)
  if (!isPageSize(blockSize)) {
    const sizes = `${FRAME_BYTES}, or 16384 or 65536 as arm64 has`
    throw new CoreError(source.name, 428, `expected blocks of ${sizes}, not of ${blockSize} bytes: it is damaged`)
  }
  const subBlocks = view.getInt32(432, true)
  const bitmapBlocks = view.getUint32(436, true)
  const headerBytes = (1 + subBlocks + bitmapBlocks) * blockSize
  if (subBlocks < 0 || headerBytes > source.size) {
    const have = `the file ends at ${source.size}: was it copied whole?`
    throw new CoreError(source.name, 432, `expected a sub header and bitmaps up to byte ${headerBytes}, but ${have}`)
  }
  const header: Header = {
    version,
    status: view.getUint32(424, true),
    blockSize,
    machine: textOf(bytes.subarray(12 + 4 * 65, 12 + 5 * 65)),
    subBlocks,
    bitmapBlocks,
    maxPfn: view.getUint32(440, true),
    dumpLevel: 0,
    split: undefined,
    vmcoreinfo: { offset: 0, size: 0 },
    notes: { offset: 0, size: 0 },
  }
  if (subBlocks > 0 && version >= 1) readSubHeader(source, header)
  const bits = (header.bitmapBlocks / 2) * blockSize * 8
  if (header.maxPfn > bits) {
    throw new CoreError(source.name, 440, `expected a bitmap of ${header.maxPfn} frames, but there is room for ${bits}`)
  }
  if (header.maxPfn > MOST_BITMAP * 8) {
    throw new CoreError(source.name, 440, `expected a machine of at most 16 TiB, not ${header.maxPfn} frames`)
  }
  return header
}

/** True for sizes that pages of some kernel have. */
function isPageSize(bytes: number): boolean {
  return bytes >= FRAME_BYTES && bytes <= 1 << 16 && Number.isInteger(Math.log2(bytes))
}

function readSubHeader(source: CoreSource, header: Header): void {
  const view = viewOf(readExactly(source, header.blockSize, 104, 'the sub header of a kdump file'))
  header.dumpLevel = view.getInt32(8, true)
  if (header.version >= 3) header.vmcoreinfo = { offset: size64(view, 32), size: size64(view, 40) }
  if (header.version >= 4) header.notes = { offset: size64(view, 48), size: size64(view, 56) }
  const wide = header.version >= 6
  if (wide) header.maxPfn = size64(view, 96)
  if (header.version >= 2 && view.getInt32(12, true) !== 0) {
    header.split = { first: size64(view, wide ? 80 : 16), end: size64(view, wide ? 88 : 24) }
  }
}

/**
 * The memory in a kdump file. A block of the file can contain several frames: for arm64, QEMU writes blocks of the largest page
 * size that the architecture has, whatever the kernel's page size is.
 */
class KdumpMemory implements PhysicalMemory {
  readonly format: string
  readonly ranges: readonly FrameRange[]
  readonly #file: BlockCache
  readonly #descriptors: number
  readonly #present: Uint8Array
  /** Number of frames in a block. Bitmaps and descriptors are indexed by block. */
  readonly #perBlock: number
  readonly #blockBytes: number
  /** Number of blocks in the file before each group of 512. */
  readonly #rank: Uint32Array
  readonly #first: number
  readonly #end: number
  readonly #blocks: FrameCache
  readonly #codecs: KdumpCodecs
  readonly #damage: string[]
  #isDamageTold = false
  #isCutTold = false

  constructor(source: CoreSource, header: Header, codecs: KdumpCodecs, damage: string[]) {
    this.#file = new BlockCache(source)
    this.#damage = damage
    this.#blockBytes = header.blockSize
    this.#perBlock = header.blockSize / FRAME_BYTES
    this.#blocks = new FrameCache(this.#perBlock)
    this.#codecs = codecs
    const bitmapBytes = Math.floor(header.bitmapBlocks / 2) * header.blockSize
    const bitmaps = (1 + header.subBlocks) * header.blockSize
    this.#descriptors = bitmaps + header.bitmapBlocks * header.blockSize
    const bytes = Math.min(bitmapBytes, Math.ceil(header.maxPfn / 8))
    const known = readExactly(source, bitmaps, bytes, 'the first bitmap').slice()
    this.#present = readExactly(source, bitmaps + bitmapBytes, bytes, 'the second bitmap').slice()
    this.#first = header.split?.first ?? 0
    this.#end = Math.min(header.maxPfn, header.split?.end ?? header.maxPfn)
    this.#rank = ranks(this.#present)
    const blocks = runs(known, header.maxPfn, damage)
    this.ranges = mergeRanges(
      blocks.map(({ first, end }) => ({ first: first * this.#perBlock, end: end * this.#perBlock })),
    )
    this.#tellCut()
    this.format = `kdump-compressed${header.dumpLevel > 0 ? `, dump level ${header.dumpLevel}` : ''}`
  }

  frame(pfn: number): Uint8Array | undefined {
    if (this.#perBlock === 1) return this.#block(pfn)
    const block = Math.floor(pfn / this.#perBlock)
    const at = (pfn - block * this.#perBlock) * FRAME_BYTES
    return this.#block(block)?.subarray(at, at + FRAME_BYTES)
  }

  #block(number: number): Uint8Array | undefined {
    if (!(number >= this.#first && number < this.#end) || !bit(this.#present, number)) return undefined
    const known = this.#blocks.get(number)
    if (known) return known
    const block = this.#unpack(number)
    if (block) this.#blocks.set(number, block)
    return block
  }

  #unpack(number: number): Uint8Array | undefined {
    const index = this.#before(number) - this.#before(this.#first)
    const at = this.#descriptors + index * DESCRIPTOR_BYTES
    if (at + DESCRIPTOR_BYTES > this.#file.size) return this.#cutShort()
    const descriptor = viewOf(this.#file.read(at, DESCRIPTOR_BYTES))
    const offset = size64(descriptor, 0)
    const size = descriptor.getUint32(8, true)
    const flags = descriptor.getUint32(12, true)
    if (offset === 0) return undefined
    if (offset + size > this.#file.size) return this.#cutShort()
    if (size > 2 * this.#blockBytes || size === 0) {
      return this.#damaged(number, at + 8, `a packed frame has no ${size} bytes`)
    }
    const data = this.#file.read(offset, size)
    try {
      return this.#codec(flags)(data, this.#blockBytes)
    } catch (error) {
      return this.#damaged(number, offset, message(error))
    }
  }

  /**
   * Notes if the file is shorter than its last frames need. Several of them are checked because frames of zeros share one copy,
   * which can be anywhere before.
   */
  #tellCut(): void {
    const last = this.#before(this.#end) - this.#before(this.#first)
    for (let index = Math.max(0, last - TOLD_FRAMES); index < last; index++) {
      const at = this.#descriptors + index * DESCRIPTOR_BYTES
      if (at + DESCRIPTOR_BYTES > this.#file.size) this.#cutShort()
      else {
        const descriptor = viewOf(this.#file.read(at, DESCRIPTOR_BYTES))
        if (size64(descriptor, 0) + descriptor.getUint32(8, true) > this.#file.size) this.#cutShort()
      }
    }
  }

  /** Notes that the file is cut short. Frames beyond its end count as missing. */
  #cutShort(): undefined {
    if (!this.#isCutTold)
      this.#damage.push(`the file is cut short at byte ${this.#file.size}: frames behind it are missing`)
    this.#isCutTold = true
    return undefined
  }

  /** Notes a damaged frame, which counts as missing. The rest of the dump can still be read. */
  #damaged(number: number, offset: number, why: string): undefined {
    if (!this.#isDamageTold) {
      const first = `the first is 0x${(number * this.#perBlock).toString(16)} at byte ${offset}: ${why}`
      this.#damage.push(`frames cannot be unpacked, and count as missing (${first})`)
    }
    this.#isDamageTold = true
    return undefined
  }

  #codec(flags: number): Unpack {
    if (flags & ZLIB) return copying(this.#codecs.zlib ?? portableZlib)
    if (flags & LZO) return unpackLzo
    if (flags & SNAPPY) return unpackSnappy
    if (flags & ZSTD) return copying(this.#codecs.zstd ?? portableZstd)
    return copying(data => data)
  }

  /** Number of blocks in the file with a lower number. */
  #before(pfn: number): number {
    const group = Math.floor(pfn / (RANK_BYTES * 8))
    let count = this.#rank[group] ?? this.#rank.at(-1)!
    for (let byte = group * RANK_BYTES; byte < Math.floor(pfn / 8); byte++) count += BITS[this.#present[byte]!]!
    return count + BITS[(this.#present[Math.floor(pfn / 8)] ?? 0) & ((1 << (pfn & 7)) - 1)]!
  }
}

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1
  return count
})

function bit(bitmap: Uint8Array, pfn: number): boolean {
  return ((bitmap[Math.floor(pfn / 8)] ?? 0) & (1 << (pfn & 7))) !== 0
}

function ranks(present: Uint8Array): Uint32Array {
  const rank = new Uint32Array(Math.ceil(present.length / RANK_BYTES) + 1)
  let count = 0
  for (let byte = 0; byte < present.length; byte++) {
    if (byte % RANK_BYTES === 0) rank[byte / RANK_BYTES] = count
    count += BITS[present[byte]!]!
  }
  rank[rank.length - 1] = count
  return rank
}

/** Returns the runs of set bits in a bitmap: the ranges of memory that the machine has. */
function runs(bitmap: Uint8Array, end: number, damage: string[]): FrameRange[] {
  const found: { first: number; end: number }[] = []
  let first = -1
  for (let byte = 0; byte <= bitmap.length; byte++) {
    const bits = bitmap[byte] ?? 0
    if (first < 0 ? bits === 0 : bits === 0xff) continue
    for (let i = 0; i < 8; i++) {
      const set = (bits >> i) & 1
      if (set && first < 0) first = byte * 8 + i
      if (!set && first >= 0) {
        if (found.length < MOST_RANGES) found.push({ first, end: Math.min(end, byte * 8 + i) })
        else found.at(-1)!.end = Math.min(end, byte * 8 + i)
        first = -1
      }
    }
  }
  if (found.length === MOST_RANGES) damage.push(`its first bitmap has ${MOST_RANGES} pieces of memory and more`)
  return found
}

/** Copies the result, because a decompressor may reuse its buffer. */
function copying(unpack: Unpack): Unpack {
  return (data, size) => {
    const bytes = unpack(data, size)
    if (bytes.length !== size) throw new Error(`${bytes.length} bytes instead of ${size}`)
    // slice() does not copy if the data are a Buffer.
    return new Uint8Array(bytes)
  }
}

function portableZlib(data: Uint8Array, size: number): Uint8Array {
  return unzlibSync(data, { out: new Uint8Array(size) })
}

function portableZstd(data: Uint8Array, size: number): Uint8Array {
  return unzstd(data, new Uint8Array(size))
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
