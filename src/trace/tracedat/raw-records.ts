// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads the raw records of all events of a trace.dat file, one by one in order of time. This is slow, and serves for printing
 * them.
 */

import { layArrays } from '../common/columns.ts'
import { type Unpack, unpackCopy } from '../common/compression.ts'
import type { CommonFields, RecordBytes } from '../common/event-format.ts'
import { message } from './block-decoder.ts'
import type { Cutter, Piece } from './chunks.ts'
import type { TraceBuffer } from './file.ts'
import { compileWalk, type Walk } from './record-walk.ts'
import { MAX_DAMAGE, type TraceContents } from './recording.ts'
import type { BufferLayout } from './ring-buffer.ts'
import { newWalkState } from './walk-state.ts'

/** A record with its context. The object is reused for every record. */
export interface RawEvent {
  cpu: number
  /** Index of its buffer among those read. */
  buffer: number
  /** Time since the `timeBase` of the contents. */
  time: number
  record: RecordBytes
  /** Number of events missing before it, as trace-cmd reports it: undefined for none, -1 if the number is unknown. */
  missed: number | undefined
}

/** Unpacked sub-buffers and their origin. */
interface Unpacked {
  bytes: Uint8Array
  offset: number
  packed: boolean
}

/** Unpacks the events of one CPU chunk by chunk. */
class Unpacker {
  readonly #cutter: Cutter
  readonly #unpack: Unpack | undefined
  readonly #report: (offset: number, expected: string) => void
  #piece: Piece | undefined
  #chunk = 0

  constructor(cutter: Cutter, unpack: Unpack | undefined, report: (offset: number, expected: string) => void) {
    this.#cutter = cutter
    this.#unpack = unpack
    this.#report = report
  }

  async next(): Promise<Unpacked | undefined> {
    for (;;) {
      if (this.#piece && this.#unpack && this.#chunk < this.#piece.chunks.length) {
        const unpacked = await this.#nextChunk(this.#piece, this.#unpack)
        if (unpacked) return unpacked
        continue
      }
      this.#piece = await this.#cutter.next()
      this.#chunk = 0
      if (!this.#piece) return undefined
      if (!this.#unpack) return { bytes: this.#piece.bytes, offset: this.#piece.offset, packed: false }
    }
  }

  async #nextChunk({ bytes, chunks, offset }: Piece, unpack: Unpack): Promise<Unpacked | undefined> {
    const [at, length, size] = [chunks[this.#chunk]!, chunks[this.#chunk + 1]!, chunks[this.#chunk + 2]!]
    this.#chunk += 3
    try {
      const unpacked = await unpackCopy(unpack, bytes.subarray(at, at + length), size)
      return { bytes: unpacked, offset: offset + at, packed: true }
    } catch (error) {
      this.#report(offset + at, `expected ${size} bytes of packed events: ${message(error)}`)
      return undefined
    }
  }
}

/** Positions of all events, of any kind, in some sub-buffers. */
interface RecordIndex {
  time: Float64Array
  /** Start of the payload in the walked bytes, and its length. */
  at: Int32Array
  length: Int32Array
}

function newIndex(capacity: number): RecordIndex {
  return { time: new Float64Array(capacity), at: new Int32Array(capacity), length: new Int32Array(capacity) }
}

/** Compiles a walk that notes the position of every event. */
function indexWalk(layout: BufferLayout, timeBase: bigint, common: CommonFields): Walk<RecordIndex> {
  return compileWalk(layout, timeBase, common, {
    prologue: 'const { time: times, at, length: lengths } = target',
    event: 'times[row] = time; at[row] = p; lengths[row++] = length',
  })
}

/** The records of one CPU. */
class CpuRecords {
  readonly event: RawEvent
  readonly #unpacker: Unpacker
  readonly #walk: Walk<RecordIndex>
  readonly #pageSize: number
  readonly #dataOffset: number
  readonly #rowBytes: number
  readonly #report: (offset: number, expected: string) => void
  #index = newIndex(0)
  #missed = new Map<number, number>()
  #rows = 0
  #row = 0

  constructor(
    place: { cpu: number; buffer: number },
    unpacker: Unpacker,
    walk: Walk<RecordIndex>,
    layout: { pageSize: number; dataOffset: number; rowBytes: number },
    report: (offset: number, expected: string) => void,
  ) {
    const none = new Uint8Array(0)
    const record = { bytes: none, view: new DataView(none.buffer), at: 0, length: 0 }
    this.event = { ...place, time: Number.POSITIVE_INFINITY, record, missed: undefined }
    this.#unpacker = unpacker
    this.#walk = walk
    this.#pageSize = layout.pageSize
    this.#dataOffset = layout.dataOffset
    this.#rowBytes = layout.rowBytes
    this.#report = report
  }

  /** Loads more sub-buffers until there is a record. Returns false at the end. */
  async load(): Promise<boolean> {
    this.#rows = 0
    this.#row = -1
    while (this.#rows === 0) {
      const unpacked = await this.#unpacker.next()
      if (!unpacked) return false
      this.#read(unpacked)
    }
    return this.advance()
  }

  #read({ bytes, offset, packed }: Unpacked): void {
    const arrays = layArrays(bytes)
    const whole = bytes.length - (bytes.length % this.#pageSize)
    const most = Math.ceil(whole / this.#rowBytes)
    const index = newIndex(most)
    const state = newWalkState()
    this.#walk(arrays, 0, whole, state, index)
    for (const { at, expected } of state.damage) this.#report(offset + (packed ? 0 : at), expected)
    this.#missed.clear()
    for (const { row, count } of state.gaps) {
      // trace-cmd reports a gap only if the first record of a sub-buffer is an event and not a timestamp.
      const start = (index.at[row]! % this.#pageSize) - this.#dataOffset
      if (start <= 8 && count !== 0) this.#missed.set(row, count ?? -1)
    }
    this.#index = index
    this.#rows = state.row
    this.event.record.bytes = arrays.B
    this.event.record.view = arrays.V
  }

  /** Moves `event` to the next record. Returns false if more must be loaded. */
  advance(): boolean {
    if (++this.#row >= this.#rows) return false
    const { event } = this
    event.time = this.#index.time[this.#row]!
    event.record.at = this.#index.at[this.#row]!
    event.record.length = this.#index.length[this.#row]!
    event.missed = this.#missed.size > 0 ? this.#missed.get(this.#row) : undefined
    return true
  }
}

/**
 * Calls `each` with every record of the buffers in order of time. Records with equal times are ordered by buffer, then by CPU.
 */
export async function* rawEvents<T>(
  contents: TraceContents,
  buffers: TraceBuffer[],
  common: CommonFields,
  unpack: Unpack | undefined,
  each: (event: RawEvent) => T,
): AsyncGenerator<T[]> {
  const { damage, source } = contents
  const report = (offset: number, expected: string) => {
    if (damage.length < MAX_DAMAGE) damage.push({ file: source.name, offset, expected })
  }
  let streams = buffers.flatMap((buffer, place) => {
    const layout = contents.layoutOf(buffer)
    const walk = indexWalk(layout, contents.timeBase, common)
    const sizes = { pageSize: layout.pageSize, dataOffset: layout.dataOffset, rowBytes: 4 + common.size }
    return contents.cutters(damage, buffer).map(({ cpu, cutter }) => {
      const unpacker = new Unpacker(cutter, unpack, report)
      return new CpuRecords({ cpu, buffer: place }, unpacker, walk, sizes, report)
    })
  })
  const loaded = await Promise.all(streams.map(stream => stream.load()))
  streams = streams.filter((_, i) => loaded[i])
  let results: T[] = []
  while (streams.length > 0) {
    let next = streams[0]!
    for (const stream of streams) if (stream.event.time < next.event.time) next = stream
    results.push(each(next.event))
    if (next.advance()) continue
    yield results
    results = []
    if (!(await next.load())) streams = streams.filter(stream => stream !== next)
  }
}
