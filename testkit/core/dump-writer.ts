// SPDX-License-Identifier: GPL-2.0-or-later
/** Writes dumps in every supported format, for tests of the readers. */
import { deflateSync } from 'node:zlib'

export const FRAME = 4096

/** Contents of page frames, by pfn. */
export type Frames = ReadonlyMap<number, Uint8Array>

export interface DumpText {
  vmcoreinfo?: string
  /** `e_machine`; by default x86-64. */
  machine?: number
  /** Values of CR3 for QEMU's notes, one per CPU. */
  roots?: readonly number[]
  /** Frames [first, end) whose data lies behind the written bytes: the caller extends the file, which makes them holes. */
  holes?: readonly { first: number; end: number }[]
}

/** Writes an ELF core with one segment for each run of frames. */
export function writeElf(
  frames: Frames,
  { vmcoreinfo, machine = 62, roots = [], holes = [] }: DumpText = {},
): Uint8Array {
  const runs = runsOf(frames)
  const notes = joined([
    ...(vmcoreinfo === undefined ? [] : [note('VMCOREINFO', 0, new TextEncoder().encode(vmcoreinfo))]),
    ...roots.map(root => note('QEMU', 0, qemuState(root))),
  ])
  const headers = 64 + 56 * (runs.length + holes.length + 1)
  const start = Math.ceil((headers + notes.length) / FRAME) * FRAME
  const file = new Uint8Array(start + frames.size * FRAME)
  const view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 4, true)
  view.setUint16(18, machine, true)
  view.setBigUint64(32, 64n, true)
  view.setUint16(52, 64, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, runs.length + holes.length + 1, true)
  programHeader(view, 64, { type: 4, offset: headers, address: 0, size: notes.length })
  file.set(notes, headers)
  let at = start
  runs.forEach(({ first, end }, i) => {
    const size = (end - first) * FRAME
    programHeader(view, 64 + 56 * (i + 1), { type: 1, offset: at, address: first * FRAME, size })
    for (let pfn = first; pfn < end; pfn++, at += FRAME) file.set(frames.get(pfn)!, at)
  })
  holes.forEach(({ first, end }, i) => {
    const size = (end - first) * FRAME
    programHeader(view, 64 + 56 * (runs.length + i + 1), { type: 1, offset: at, address: first * FRAME, size })
    at += size
  })
  return file
}

function programHeader(
  view: DataView,
  at: number,
  header: { type: number; offset: number; address: number; size: number },
): void {
  view.setUint32(at, header.type, true)
  view.setBigUint64(at + 8, BigInt(header.offset), true)
  view.setBigUint64(at + 24, BigInt(header.address), true)
  view.setBigUint64(at + 32, BigInt(header.size), true)
  view.setBigUint64(at + 40, BigInt(header.size), true)
}

function note(name: string, type: number, desc: Uint8Array): Uint8Array {
  const padded = (bytes: number) => Math.ceil(bytes / 4) * 4
  const bytes = new Uint8Array(12 + padded(name.length + 1) + padded(desc.length))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, name.length + 1, true)
  view.setUint32(4, desc.length, true)
  view.setUint32(8, type, true)
  bytes.set(new TextEncoder().encode(name), 12)
  bytes.set(desc, 12 + padded(name.length + 1))
  return bytes
}

/** QEMUCPUState of target/i386/arch_dump.c. */
function qemuState(cr3: number): Uint8Array {
  const bytes = new Uint8Array(440)
  new DataView(bytes.buffer).setBigUint64(8 + 18 * 8 + 10 * 24 + 24, BigInt(cr3), true)
  return bytes
}

/** Compresses a frame. Returns the stored bytes, and the flag that names the compression. */
export type Pack = (frame: Uint8Array) => { bytes: Uint8Array; flag: number }

export const PACKERS: Record<'none' | 'zlib' | 'lzo' | 'snappy' | 'zstd', Pack> = {
  none: frame => ({ bytes: frame, flag: 0 }),
  zlib: frame => ({ bytes: deflateSync(frame), flag: 1 }),
  lzo: frame => ({ bytes: packLzo(frame), flag: 2 }),
  snappy: frame => ({ bytes: packSnappy(frame), flag: 4 }),
  zstd: frame => ({ bytes: packZstd(frame), flag: 0x20 }),
}

/** Joins frames to blocks of several. The frames of a block that are missing are zeros. */
export function inBlocks(frames: Frames, bytes: number): Frames {
  const perBlock = bytes / FRAME
  const blocks = new Map<number, Uint8Array>()
  for (const [pfn, frame] of frames) {
    const number = Math.floor(pfn / perBlock)
    const block = blocks.get(number) ?? new Uint8Array(bytes)
    blocks.set(number, block)
    block.set(frame, (pfn % perBlock) * FRAME)
  }
  return blocks
}

export interface KdumpText extends DumpText {
  pack?: Pack
  /** Frames that the machine has but that the dump excludes. */
  excluded?: readonly number[]
  version?: number
  /** Bytes of a block, which then all have to be present. QEMU writes blocks of 64 KiB for arm64. */
  blockBytes?: number
  /** The `machine` field of the utsname. */
  machineName?: string
}

/** Writes a kdump-compressed file. */
export function writeKdump(
  frames: Frames,
  {
    vmcoreinfo = '',
    pack = PACKERS.zlib,
    excluded = [],
    version = 6,
    blockBytes = FRAME,
    machineName = 'x86_64',
  }: KdumpText = {},
) {
  const pfns = [...frames.keys()].sort((a, b) => a - b)
  const most = Math.max(...pfns, ...excluded) + 1
  const bitmapBlocks = Math.ceil(most / 8 / blockBytes)
  const text = new TextEncoder().encode(vmcoreinfo)
  const subBlocks = 1 + Math.ceil(text.length / blockBytes)
  const descriptors = (1 + subBlocks + 2 * bitmapBlocks) * blockBytes
  const packed = pfns.map(pfn => pack(frames.get(pfn)!))
  const data = descriptors + 24 * pfns.length
  const file = new Uint8Array(data + packed.reduce((sum, { bytes }) => sum + bytes.length, 0))
  const view = new DataView(file.buffer)
  kdumpHeader(file, view, { version, subBlocks, bitmapBlocks: 2 * bitmapBlocks, most, text, blockBytes, machineName })
  const bitmap = (1 + subBlocks) * blockBytes
  for (const pfn of [...pfns, ...excluded]) file[bitmap + (pfn >> 3)]! |= 1 << (pfn & 7)
  for (const pfn of pfns) file[bitmap + bitmapBlocks * blockBytes + (pfn >> 3)]! |= 1 << (pfn & 7)
  let at = data
  packed.forEach(({ bytes, flag }, i) => {
    view.setBigUint64(descriptors + 24 * i, BigInt(at), true)
    view.setUint32(descriptors + 24 * i + 8, bytes.length, true)
    view.setUint32(descriptors + 24 * i + 12, flag, true)
    file.set(bytes, at)
    at += bytes.length
  })
  return file
}

function kdumpHeader(
  file: Uint8Array,
  view: DataView,
  header: {
    version: number
    subBlocks: number
    bitmapBlocks: number
    most: number
    text: Uint8Array
    blockBytes: number
    machineName: string
  },
): void {
  file.set(new TextEncoder().encode('KDUMP   '))
  view.setInt32(8, header.version, true)
  file.set(new TextEncoder().encode(header.machineName), 12 + 4 * 65)
  view.setInt32(428, header.blockBytes, true)
  view.setInt32(432, header.subBlocks, true)
  view.setUint32(436, header.bitmapBlocks, true)
  view.setUint32(440, header.most, true)
  if (header.text.length > 0) {
    view.setBigUint64(header.blockBytes + 32, BigInt(2 * header.blockBytes), true)
    view.setBigUint64(header.blockBytes + 40, BigInt(header.text.length), true)
    file.set(header.text, 2 * header.blockBytes)
  }
  view.setBigUint64(header.blockBytes + 96, BigInt(header.most), true)
}

/** Converts a file to makedumpfile's flattened format, in pieces given by offset and length. */
export function writeFlattened(
  file: Uint8Array,
  pieces: readonly (readonly [number, number])[],
  end = true,
): Uint8Array {
  const parts: Uint8Array[] = [new Uint8Array(FRAME)]
  parts[0]!.set(new TextEncoder().encode('makedumpfile'))
  new DataView(parts[0]!.buffer).setBigInt64(16, 1n)
  new DataView(parts[0]!.buffer).setBigInt64(24, 1n)
  for (const [offset, length] of pieces)
    parts.push(pieceHeader(BigInt(offset), BigInt(length)), file.slice(offset, offset + length))
  if (end) parts.push(pieceHeader(-1n, -1n))
  return joined(parts)
}

function pieceHeader(offset: bigint, length: bigint): Uint8Array {
  const header = new Uint8Array(16)
  new DataView(header.buffer).setBigInt64(0, offset)
  new DataView(header.buffer).setBigInt64(8, length)
  return header
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function runsOf(frames: Frames): { first: number; end: number }[] {
  const runs: { first: number; end: number }[] = []
  for (const pfn of [...frames.keys()].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last?.end === pfn) last.end++
    else runs.push({ first: pfn, end: pfn + 1 })
  }
  return runs
}

// --- packers: the formats' simplest useful forms, literals and matches of the byte or the four bytes before ----------------

/** LZO1X: runs of one byte become matches of distance 1; all else stands in runs of at least four literals. */
function packLzo(data: Uint8Array): Uint8Array {
  const out: number[] = []
  for (let at = 0; at < data.length; ) {
    let run = at + 1
    while (run < data.length && matchLength(data, run) < 8) run++
    // A run has at least four literals. A shorter one is extended into the match that follows.
    if (run - at < 4) run = Math.min(data.length, at + 4)
    if (run - at < 4) return lzoStored(data)
    lzoLiterals(out, data.subarray(at, run), at === 0)
    const length = matchLength(data, run)
    if (length > 0) lzoMatch(out, length)
    at = run + length
  }
  out.push(0x11, 0, 0)
  return Uint8Array.from(out)
}

/** Number of bytes from `at` on that equal the byte before; 0 if they are too few for a match. */
function matchLength(data: Uint8Array, at: number): number {
  let length = 0
  while (at + length < data.length && data[at + length] === data[at + length - 1]) length++
  return length < 3 ? 0 : length
}

/** Encodes all data as one run of literals. */
function lzoStored(data: Uint8Array): Uint8Array {
  const out: number[] = []
  lzoLiterals(out, data, false)
  out.push(0x11, 0, 0)
  return Uint8Array.from(out)
}

function lzoLiterals(out: number[], bytes: Uint8Array, first: boolean): void {
  if (first && bytes.length <= 238) out.push(bytes.length + 17)
  else if (bytes.length <= 18) out.push(bytes.length - 3)
  else {
    out.push(0)
    let rest = bytes.length - 18
    for (; rest > 255; rest -= 255) out.push(0)
    out.push(rest)
  }
  out.push(...bytes)
}

/** Appends a match of distance 1 that is not followed by literals. */
function lzoMatch(out: number[], length: number): void {
  if (length <= 33) out.push(32 + length - 2)
  else {
    out.push(32)
    let rest = length - 33
    for (; rest > 255; rest -= 255) out.push(0)
    out.push(rest)
  }
  out.push(0, 0)
}

/** Snappy, with literals and copies of distance 1. */
function packSnappy(data: Uint8Array): Uint8Array {
  const out: number[] = [(data.length & 127) | 128, data.length >> 7]
  for (let at = 0; at < data.length; ) {
    const same = at === 0 ? 0 : Math.min(64, matchLength(data, at))
    if (same >= 4) {
      out.push(((same - 1) << 2) | 2, 1, 0)
      at += same
    } else {
      const length = Math.min(60, data.length - at)
      out.push((length - 1) << 2, ...data.subarray(at, at + length))
      at += length
    }
  }
  return Uint8Array.from(out)
}

/** zstd: one frame with one raw block, or with one RLE block. */
function packZstd(data: Uint8Array): Uint8Array {
  const repeated = data.every(byte => byte === data[0])
  const block = (data.length << 3) | (repeated ? 2 : 0) | 1
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0x60, (data.length - 256) & 0xff, (data.length - 256) >> 8]
  const content = repeated ? [data[0]!] : [...data]
  return Uint8Array.from([...header, block & 0xff, (block >> 8) & 0xff, block >> 16, ...content])
}
