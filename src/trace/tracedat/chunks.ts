// SPDX-License-Identifier: GPL-2.0-or-later
/** Splits the events of one CPU into jobs of bounded size, reading the file piece by piece. */
import { ByteReader } from '../common/bytes.ts'
import type { ByteSource, Damage } from '../events.ts'
import type { CpuData } from './file.ts'

/** A run of sub-buffers as it is in the file. */
export interface Piece {
  /** Offset of `bytes` in the file. */
  offset: number
  bytes: Uint8Array<ArrayBuffer>
  /** As in `DecodeJob`. */
  chunks: Uint32Array
}

export interface CutOptions {
  pageSize: number
  packed: boolean
  littleEndian: boolean
  /** Desired size of a piece in unpacked bytes. */
  target: number
}

/** Sizes in bytes: a u32 number of chunks comes first, and each chunk has u32 packed size and u32 size. */
const CHUNK_COUNT = 4
const CHUNK_HEADER = 8

/** Maximum number of sub-buffers in a chunk. trace-cmd packs 10; many more are a decompression bomb. */
const MAX_CHUNK_PAGES = 64

/** Minimum of the size limit of chunks in bytes, for recordings with small sub-buffers. */
const MIN_CHUNK_LIMIT = 1 << 20

/** Minimum number of bytes that are read for a piece. */
const MIN_WINDOW = 1 << 12

/** Number of bytes by which compression may enlarge incompressible data. */
const PACKING_OVERHEAD = 1 << 12

/** Reads the pieces of one CPU in order. */
export class Cutter {
  readonly #source: ByteSource
  readonly #options: CutOptions
  readonly #damage: Damage[]
  readonly #cpu: number
  readonly #end: number
  #at: number
  /** Expected size in bytes of the next piece, judging by the last one. */
  #window: number
  /** True if events of the CPU could not be read, so that events after the last piece may be missing. */
  cutOff: boolean
  /** Number of chunks that remain; undefined before it was read. */
  #chunks: number | undefined

  constructor(source: ByteSource, data: CpuData, options: CutOptions, damage: Damage[]) {
    this.#source = source
    this.#options = options
    this.#damage = damage
    this.#cpu = data.cpu
    this.cutOff = data.cutOff ?? false
    this.#at = data.offset
    this.#window = options.target >> 3
    // The size that trace-cmd writes does not include the number of chunks.
    const end = data.offset + data.size + (options.packed ? CHUNK_COUNT : 0)
    this.#end = Math.min(end, source.size)
    if (data.offset + data.size > source.size) {
      this.#report(
        Math.min(data.offset, source.size),
        `${data.size} bytes of events, but the file ends at ${source.size}`,
      )
    }
  }

  /** Returns the next piece; undefined at the end, or after damage. */
  async next(target = this.#options.target): Promise<Piece | undefined> {
    if (this.#at >= this.#end) return this.#chunks ? this.#stop(`${this.#chunks} more chunks of events`) : undefined
    return this.#options.packed ? this.#packedPiece(target) : this.#plainPiece(target)
  }

  #report(offset: number, expected: string): void {
    this.cutOff = true
    this.#damage.push({ file: this.#source.name, offset, expected: `expected ${expected} of CPU ${this.#cpu}` })
  }

  async #read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const offset = this.#at
    const bytes = await this.#source.read(offset, Math.min(length, this.#end - offset))
    // Copied unless the bytes have a buffer of their own, because jobs are transferred to other threads with their memory.
    return bytes.byteLength === bytes.buffer.byteLength ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
  }

  async #plainPiece(target: number): Promise<Piece | undefined> {
    const { pageSize } = this.#options
    const offset = this.#at
    const bytes = await this.#read(Math.max(1, Math.floor(target / pageSize)) * pageSize)
    this.#at = bytes.length === 0 ? this.#end : offset + bytes.length
    return bytes.length === 0 ? undefined : { offset, bytes, chunks: new Uint32Array(0) }
  }

  async #packedPiece(target: number): Promise<Piece | undefined> {
    if (this.#chunks === undefined) {
      const head = await this.#read(CHUNK_COUNT)
      if (head.length < CHUNK_COUNT) return this.#stop('the number of chunks')
      this.#chunks = new ByteReader(head, { file: '', littleEndian: this.#options.littleEndian }).u32('')
      this.#at += CHUNK_COUNT
    }
    if (this.#chunks === 0) return undefined
    const offset = this.#at
    // Compressed data take a fifth to a twentieth of their size. If the first chunk exceeds the window, it is read again.
    let bytes = await this.#read(Math.max(MIN_WINDOW, Math.min(this.#window, target)))
    let cut = this.#cut(bytes, target)
    if (typeof cut === 'number') {
      if (cut > this.#end - offset || cut > bytes.length + this.#chunkLimit() + PACKING_OVERHEAD) {
        return this.#stop(`a chunk of ${cut - CHUNK_HEADER} bytes, but ${this.#end - offset} are left`)
      }
      bytes = await this.#read(cut)
      cut = this.#cut(bytes, target)
    }
    if (typeof cut === 'number') return this.#stop('a chunk of events')
    if (cut.length === 0) return undefined
    const last = cut.length - 3
    const used = cut[last]! + cut[last + 1]!
    this.#at = offset + used
    // Adds a margin in case the next piece compresses worse.
    this.#window = used + (used >> 2) + MIN_WINDOW
    return { offset, bytes, chunks: Uint32Array.from(cut) }
  }

  /**
   * Returns the complete chunks in `bytes`, up to the target size. If there is none, returns the number of bytes that the first
   * one needs.
   */
  #cut(bytes: Uint8Array<ArrayBuffer>, target: number): number[] | number {
    const { littleEndian } = this.#options
    const view = new DataView(bytes.buffer)
    const cut: number[] = []
    let size = 0
    for (let at = 0; this.#chunks! > 0 && size < target; ) {
      if (at + CHUNK_HEADER > bytes.length) return cut.length > 0 ? cut : at + CHUNK_HEADER
      const packed = view.getUint32(at, littleEndian)
      const unpacked = view.getUint32(at + 4, littleEndian)
      at += CHUNK_HEADER
      if (at + packed > bytes.length) return cut.length > 0 ? cut : at + packed
      if (unpacked > this.#chunkLimit() || unpacked === 0) {
        this.#report(this.#at + at - 4, `a chunk of 1 to ${this.#chunkLimit()} bytes, found ${unpacked},`)
        this.#chunks = 0
        return cut
      }
      cut.push(at, packed, unpacked)
      size += unpacked
      at += packed
      this.#chunks!--
    }
    return cut
  }

  #chunkLimit(): number {
    return Math.max(MIN_CHUNK_LIMIT, MAX_CHUNK_PAGES * this.#options.pageSize)
  }

  #stop(expected: string): undefined {
    this.#report(this.#at, expected)
    this.#at = this.#end
    this.#chunks = 0
    return undefined
  }
}
