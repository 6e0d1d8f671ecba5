// SPDX-License-Identifier: GPL-2.0-or-later
/** Bounds-checked reading of binary data: every read past the end is a TraceError that names the place. */
import { type ByteSource, TraceError } from '../events.ts'

/** Whether this machine stores the low byte first, so that typed arrays can be laid over little-endian data. */
export const HOST_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

const latin1 = new TextDecoder('latin1')
const utf8 = new TextDecoder()

/** Text of bytes that ought to be UTF-8; what is not becomes U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

/** Text of bytes taken one by one (ISO 8859-1): never fails, never changes length. */
export function decodeLatin1(bytes: Uint8Array): string {
  return latin1.decode(bytes)
}

/** A cursor over bytes in memory. */
export class ByteReader {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly file: string
  /** Offset in the file of `bytes[0]`. */
  readonly base: number
  littleEndian: boolean
  /** Index in `bytes` of the next byte to read. */
  at = 0

  constructor(bytes: Uint8Array, where: { file: string; base?: number; littleEndian?: boolean }) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.file = where.file
    this.base = where.base ?? 0
    this.littleEndian = where.littleEndian ?? true
  }

  get remaining(): number {
    return this.bytes.length - this.at
  }

  /** The error for what stands at the cursor. */
  error(expected: string): TraceError {
    return new TraceError(this.file, this.base + this.at, expected)
  }

  /** Moves past `length` bytes and returns where they start. */
  skip(length: number, what: string): number {
    if (!(length >= 0 && length <= this.remaining)) {
      throw this.error(`expected ${what} (${length} bytes), but only ${this.remaining} are left`)
    }
    const start = this.at
    this.at += length
    return start
  }

  u8(what: string): number {
    return this.view.getUint8(this.skip(1, what))
  }

  u16(what: string): number {
    return this.view.getUint16(this.skip(2, what), this.littleEndian)
  }

  u32(what: string): number {
    return this.view.getUint32(this.skip(4, what), this.littleEndian)
  }

  i32(what: string): number {
    return this.view.getInt32(this.skip(4, what), this.littleEndian)
  }

  u64(what: string): bigint {
    return this.view.getBigUint64(this.skip(8, what), this.littleEndian)
  }

  /** A 64-bit size or offset as a number. Sizes that no file can have come out too large, which later checks refuse. */
  size64(what: string): number {
    return Number(this.u64(what))
  }

  /** The next `length` bytes, not copied. */
  take(length: number, what: string): Uint8Array {
    const start = this.skip(length, what)
    return this.bytes.subarray(start, start + length)
  }

  /** Text up to a NUL byte, which is consumed. */
  cstring(what: string): string {
    const end = this.bytes.indexOf(0, this.at)
    if (end < 0) throw this.error(`expected ${what} ended by a NUL byte`)
    const text = decodeText(this.bytes.subarray(this.at, end))
    this.at = end + 1
    return text
  }
}

/** Reads exactly [offset, offset + length) of a source. */
export async function readExactly(
  source: ByteSource,
  offset: number,
  length: number,
  what: string,
): Promise<Uint8Array> {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size)) {
    throw new TraceError(source.name, offset, `expected ${what} (${length} bytes), but the file ends at ${source.size}`)
  }
  const bytes = await source.read(offset, length)
  if (bytes.length !== length) {
    throw new TraceError(source.name, offset + bytes.length, `expected ${what}: the file shrank while it was read`)
  }
  return bytes
}

/** Bytes in memory as a source. */
export class BytesSource implements ByteSource {
  readonly name: string
  readonly size: number
  readonly #bytes: Uint8Array

  constructor(name: string, bytes: Uint8Array) {
    this.name = name
    this.size = bytes.length
    // A Buffer's slice() does not copy, as that of other byte arrays does.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#bytes.subarray(offset, offset + length)
  }
}

/** Bytes [from, to) of a Blob. */
interface BlobWindow {
  from: number
  to: number
  bytes: Promise<Uint8Array>
}

/** The first window of a run of reads, the largest one, and all that are kept together. */
const MIN_WINDOW = 1 << 16
const MAX_WINDOW = 1 << 23
const WINDOW_BYTES = 1 << 26

/**
 * A browser's Blob or File as a source. A read takes milliseconds however few bytes it is for, so they are loaded in windows,
 * which grow as long as each goes on where another ends.
 */
export class BlobSource implements ByteSource {
  readonly name: string
  readonly size: number
  readonly #blob: Blob
  /** Least recently used first. */
  #windows: BlobWindow[] = []

  constructor(name: string, blob: Blob) {
    this.name = name
    this.size = blob.size
    this.#blob = blob
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(this.size, offset + length)
    if (end - offset > MAX_WINDOW) return this.#load(offset, end)
    const known = this.#windows.find(({ from, to }) => from <= offset && end <= to)
    const window = known ?? this.#openWindow(offset, end)
    this.#windows = [...this.#windows.filter(other => other !== window), window]
    const bytes = await window.bytes
    // Not a part of the window: who reads may hand the memory to another thread.
    return bytes.slice(offset - window.from, end - window.from)
  }

  #openWindow(offset: number, end: number): BlobWindow {
    const before = this.#windows.find(({ from, to }) => from <= offset && offset <= to)
    const grown = before ? 2 * (before.to - before.from) : MIN_WINDOW
    const to = Math.min(this.size, Math.max(end, offset + Math.min(MAX_WINDOW, grown)))
    let room = WINDOW_BYTES - (to - offset)
    this.#windows = this.#windows
      .filter(window => window !== before)
      .reverse()
      .filter(window => (room -= window.to - window.from) >= 0)
      .reverse()
    return { from: offset, to, bytes: this.#load(offset, to) }
  }

  async #load(from: number, to: number): Promise<Uint8Array> {
    try {
      return new Uint8Array(await this.#blob.slice(from, to).arrayBuffer())
    } catch (error) {
      throw new TraceError(this.name, from, `expected a file that can be read: ${(error as Error).message}`)
    }
  }
}
