// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The sources of a dump's bytes. Reads are synchronous, because walking the kernel's structures is a chain of small reads that
 * each depend on the one before. Node can read files synchronously, and so can a browser in a worker (FileReaderSync).
 */
import { CoreError } from '../error.ts'

export interface CoreSource {
  /** Name of the file in errors. */
  readonly name: string
  /** Size in bytes. Infinity if it is not known, as for /proc/kcore. */
  readonly size: number
  /**
   * Returns the bytes [offset, offset + length), or fewer at the end of the file. The caller must not change them.
   * @param offset a bigint if a double cannot hold it, as for /proc/kcore
   */
  read(offset: number | bigint, length: number): Uint8Array
}

/** A source over bytes in memory. */
export class BytesCoreSource implements CoreSource {
  readonly name: string
  readonly size: number
  readonly #bytes: Uint8Array

  constructor(name: string, bytes: Uint8Array) {
    this.name = name
    this.size = bytes.length
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  read(offset: number | bigint, length: number): Uint8Array {
    return this.#bytes.subarray(Number(offset), Number(offset) + length)
  }
}

const BLOCK = 1 << 16
const KEPT_BLOCKS = 256

/** Reads a source in blocks and caches the blocks used last, a few MiB of them. */
export class BlockCache implements CoreSource {
  readonly name: string
  readonly size: number
  readonly #source: CoreSource
  readonly #blocks = new Map<number, Uint8Array>()

  constructor(source: CoreSource) {
    this.#source = source
    this.name = source.name
    this.size = source.size
  }

  read(offset: number, length: number): Uint8Array {
    const first = Math.floor(offset / BLOCK)
    const last = Math.floor((offset + length - 1) / BLOCK)
    if (first === last) {
      const at = offset - first * BLOCK
      return this.#block(first).subarray(at, at + length)
    }
    // Large reads bypass the cache, because they would evict everything else.
    if (last - first > 8) return this.#source.read(offset, Math.max(0, Math.min(length, this.size - offset)))
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)))
    for (let block = first, at = 0; block <= last && at < bytes.length; block++) {
      const from = block === first ? offset - first * BLOCK : 0
      const part = this.#block(block).subarray(from, from + bytes.length - at)
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }

  #block(number: number): Uint8Array {
    const known = this.#blocks.get(number)
    if (known) return known
    if (this.#blocks.size >= KEPT_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value!)
    const start = number * BLOCK
    const bytes = this.#source.read(start, Math.max(0, Math.min(BLOCK, this.size - start)))
    this.#blocks.set(number, bytes)
    return bytes
  }
}

/**
 * Reads exactly [offset, offset + length).
 * @throws CoreError if the file ends before
 */
export function readExactly(source: CoreSource, offset: number, length: number, what: string): Uint8Array {
  if (!(offset >= 0 && length >= 0 && offset + length <= source.size)) {
    throw new CoreError(
      source.name,
      offset,
      `expected ${what} (${length} bytes), but the file ends at ${source.size}: was it copied whole?`,
    )
  }
  const bytes = source.read(offset, length)
  if (bytes.length !== length) {
    throw new CoreError(source.name, offset + bytes.length, `expected ${what}: the file shrank while it was read`)
  }
  return bytes
}

/** Little-endian numbers in bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * Reads a 64-bit size or offset as a number. Values beyond 2^53 are inexact, but exceed the size of any file and are refused
 * later.
 */
export function size64(view: DataView, at: number, littleEndian = true): number {
  return Number(view.getBigUint64(at, littleEndian))
}
