// SPDX-License-Identifier: GPL-2.0-or-later
/** Bounds-checked reading of binary data: every read past the end is a TraceError that names the place. */
import { type ByteSource, TraceError } from '../events.ts'

/** True if this machine is little-endian, so that typed arrays can be laid directly over little-endian data. */
export const HOST_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

const utf8 = new TextDecoder()

/** Decodes UTF-8. Invalid bytes become U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return utf8.decode(bytes)
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

  /** Returns the error for unexpected data at the cursor. */
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

  /**
   * Reads a 64-bit size or offset as a number. Values beyond 2^53 are inexact, but exceed the size of any file, so later checks
   * refuse them.
   */
  size64(what: string): number {
    return Number(this.u64(what))
  }

  /** Returns the next `length` bytes without copying them. */
  take(length: number, what: string): Uint8Array {
    const start = this.skip(length, what)
    return this.bytes.subarray(start, start + length)
  }

  /** Reads text up to a NUL byte, and consumes the NUL. */
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
    // Wrapped because slice() of a Buffer does not copy, unlike that of other byte arrays.
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

/** Sizes in bytes: the first window of a run of reads, the largest window, and all cached windows together. */
const MIN_WINDOW = 1 << 16
const MAX_WINDOW = 1 << 23
const WINDOW_BYTES = 1 << 26

/**
 * A browser's Blob or File as a source. A read takes milliseconds whatever its length, so data are loaded in windows. The windows
 * grow as long as each begins where the previous one ends.
 */
export class BlobSource implements ByteSource {
  readonly name: string
  readonly size: number
  readonly #blob: Blob
  /** Cached windows, least recently used first. */
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
    // Copied from the window, because the caller may transfer the memory to another thread.
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
