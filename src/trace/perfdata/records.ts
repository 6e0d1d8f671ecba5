// SPDX-License-Identifier: GPL-2.0-or-later
/** The stream of records in perf.data. Each has u32 type, u16 misc, u16 size, and contents that depend on the type. */

import { type Arrays, layArrays } from '../common/columns.ts'

/** Record types: those of the kernel and, from 64 on, those of perf itself. */
export const RecordType = {
  MMAP: 1,
  LOST: 2,
  COMM: 3,
  THROTTLE: 5,
  FORK: 7,
  SAMPLE: 9,
  MMAP2: 10,
  LOST_SAMPLES: 13,
  HEADER_ATTR: 64,
  HEADER_TRACING_DATA: 66,
  FINISHED_ROUND: 68,
  AUXTRACE: 71,
  HEADER_FEATURE: 80,
  COMPRESSED: 81,
  COMPRESSED2: 83,
} as const

export const RECORD_HEADER = 8

/** Maximum size in bytes of data that follow a record and belong to it. More is damage, or a hardware trace of a processor. */
const MAX_PAYLOAD = 1 << 28

/** One record. It has the bytes [at, at + size) and, after them, `payload` more bytes. */
export interface RecordPlace {
  type: number
  at: number
  size: number
  payload: number
}

/** A window over the stream. Records are aligned to 8 bytes if the stream keeps to that. */
export class RecordWindow {
  arrays: Arrays = layArrays(new Uint8Array(1 << 12))
  at = 0
  end = 0
  /** Offset in the stream of the window's first byte. */
  base: number
  /** Number of bytes to load before the next record is complete. */
  wanted = RECORD_HEADER
  /** Set after an impossible record size. No record after it can be found. */
  broken = false
  readonly #littleEndian: boolean

  constructor(base: number, littleEndian: boolean) {
    this.base = base
    this.#littleEndian = littleEndian
  }

  /** Adds data. Places of earlier records become invalid. */
  append(chunk: Uint8Array): void {
    const left = this.end - this.at
    const bytes = this.arrays.B
    if (left + chunk.length > bytes.length) {
      const grown = new Uint8Array(Math.max(2 * bytes.length, left + chunk.length + 8))
      grown.set(bytes.subarray(this.at, this.end))
      this.arrays = layArrays(grown)
    } else bytes.copyWithin(0, this.at, this.end)
    this.base += this.at
    this.at = 0
    this.arrays.B.set(chunk, left)
    this.end = left + chunk.length
  }

  /** Moves to the next record and describes it in `place`. Returns false if more must be loaded, or the stream is broken. */
  next(place: RecordPlace): boolean {
    const left = this.end - this.at
    this.wanted = RECORD_HEADER
    if (left < RECORD_HEADER || this.broken) return false
    const view = this.arrays.V
    const le = this.#littleEndian
    const type = view.getUint32(this.at, le)
    const size = view.getUint16(this.at + 6, le)
    if (size < RECORD_HEADER) {
      this.broken = true
      return false
    }
    this.wanted = size
    if (left < size) return false
    const payload = this.#payload(type, size)
    if (payload > MAX_PAYLOAD) {
      this.broken = true
      return false
    }
    this.wanted = size + payload
    if (left < this.wanted) return false
    place.type = type
    place.at = this.at
    place.size = size
    place.payload = payload
    this.at += this.wanted
    return true
  }

  /** Number of bytes after the record that belong to it. The record's own size has only 16 bits. */
  #payload(type: number, size: number): number {
    const view = this.arrays.V
    const le = this.#littleEndian
    if (type === RecordType.HEADER_TRACING_DATA && size >= 12) return Math.ceil(view.getUint32(this.at + 8, le) / 8) * 8
    if (type === RecordType.AUXTRACE && size >= 16) return Number(view.getBigUint64(this.at + 8, le))
    return 0
  }
}
