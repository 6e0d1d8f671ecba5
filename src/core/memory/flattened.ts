// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The flattened format, which makedumpfile -F writes to a pipe. It consists of the pieces of the real file in the order in which
 * they were produced, each with its offset in that file. A later piece overwrites an earlier one.
 */
import { decodeLatin1 } from '../../util/latin1.ts'
import { CoreError } from '../error.ts'
import { type CoreSource, readExactly, size64, viewOf } from './source.ts'

const SIGNATURE = 'makedumpfile\0\0\0\0'
/** Size of the header, which is padded to a page. The pieces follow it. */
const HEADER_BYTES = 4096
const PIECE_HEADER_BYTES = 16
/** Maximum number of pieces. makedumpfile writes pieces of at least 64 KiB, so this many are 512 GB. */
const MOST_PIECES = 1 << 23
/**
 * Limit of the real file's size, as a multiple of the flattened file's. Otherwise a single piece with a huge offset would make
 * the file seem endless.
 */
const MOST_HOLES = 8

export function isFlattened(start: Uint8Array): boolean {
  return decodeLatin1(start.subarray(0, 16)) === SIGNATURE
}

/** The pieces of the real file as columns. */
interface Pieces {
  /** Offset in the real file, offset in the flattened file, and length in bytes. */
  target: number[]
  from: number[]
  length: number[]
}

/** The real file, assembled from a flattened one. */
export class FlattenedSource implements CoreSource {
  readonly name: string
  readonly size: number
  readonly #source: CoreSource
  /** Sorted, without overlaps. */
  readonly #target: Float64Array
  readonly #from: Float64Array
  readonly #length: Float64Array

  /**
   * @param damage receives a sentence for each thing that is wrong with the file
   * @throws CoreError for a header or piece that no program writes
   */
  constructor(source: CoreSource, damage: string[]) {
    this.#source = source
    this.name = source.name
    const { pieces, truncated } = readPieces(source)
    if (truncated) damage.push('the flattened file ends before its end mark')
    const flat = flatten(pieces)
    this.#target = Float64Array.from(flat.target)
    this.#from = Float64Array.from(flat.from)
    this.#length = Float64Array.from(flat.length)
    const last = flat.target.length - 1
    this.size = last < 0 ? 0 : flat.target[last]! + flat.length[last]!
    if (this.size > MOST_HOLES * source.size) {
      const place = `expected pieces of one file, but the last of them is for byte ${flat.target[last]}, ${MOST_HOLES} times the file's own length and more`
      throw new CoreError(source.name, flat.from[last]! - PIECE_HEADER_BYTES, place)
    }
  }

  read(offset: number, length: number): Uint8Array {
    let piece = this.#find(offset)
    const within = offset - (this.#target[piece] ?? 0)
    if (piece >= 0 && within + length <= this.#length[piece]!) {
      return this.#source.read(this.#from[piece]! + within, length)
    }
    // Places that no piece covers are holes of the real file and read as zeros.
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)))
    for (piece = Math.max(0, piece); piece < this.#target.length; piece++) {
      const start = Math.max(offset, this.#target[piece]!)
      const end = Math.min(offset + bytes.length, this.#target[piece]! + this.#length[piece]!)
      if (this.#target[piece]! >= offset + bytes.length) break
      if (start < end) {
        const from = this.#from[piece]! + start - this.#target[piece]!
        bytes.set(this.#source.read(from, end - start), start - offset)
      }
    }
    return bytes
  }

  /** Index of the last piece that begins at or before an offset. */
  #find(offset: number): number {
    let low = 0
    let high = this.#target.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#target[middle]! <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

function readPieces(source: CoreSource): { pieces: Pieces; truncated: boolean } {
  const header = viewOf(readExactly(source, 0, 32, 'the header of a flattened dump'))
  const [type, version] = [header.getBigInt64(16), header.getBigInt64(24)]
  if (type !== 1n || version !== 1n) {
    throw new CoreError(
      source.name,
      16,
      `expected a flattened dump of type 1 and version 1, not ${type} and ${version}`,
    )
  }
  const pieces: Pieces = { target: [], from: [], length: [] }
  for (let at = HEADER_BYTES; at + PIECE_HEADER_BYTES <= source.size; ) {
    const view = viewOf(readExactly(source, at, PIECE_HEADER_BYTES, 'the header of a piece'))
    if (view.getBigInt64(0) === -1n) return { pieces, truncated: false }
    const target = size64(view, 0, false)
    const length = size64(view, 8, false)
    const from = at + PIECE_HEADER_BYTES
    if (target + length > Number.MAX_SAFE_INTEGER || pieces.target.length >= MOST_PIECES) {
      throw new CoreError(source.name, at, 'expected the place and length of a piece of a flattened dump')
    }
    const there = Math.min(length, source.size - from)
    if (there > 0) {
      pieces.target.push(target)
      pieces.from.push(from)
      pieces.length.push(there)
    }
    at = from + length
  }
  return { pieces, truncated: true }
}

/** Sorts pieces by offset and cuts away the parts that later ones overwrite. */
function flatten({ target, from, length }: Pieces): Pieces {
  const order = Uint32Array.from(target.keys())
  order.sort((a, b) => target[a]! - target[b]! || a - b)
  const flat: Pieces = { target: [], from: [], length: [] }
  const add = (piece: number, start: number, end: number) => {
    if (start >= end) return
    flat.target.push(start)
    flat.from.push(from[piece]! + start - target[piece]!)
    flat.length.push(end - start)
  }
  // Sweeps over the offsets. Where several pieces cover a place, the latest one is visible.
  const active = new LatestFirst()
  let at = 0
  const advance = (to: number) => {
    while (active.size > 0 && at < to) {
      const piece = active.latest()
      const end = Math.min(to, target[piece]! + length[piece]!)
      add(piece, at, end)
      at = Math.max(at, end)
      while (active.size > 0 && target[active.latest()]! + length[active.latest()]! <= at) active.drop()
    }
    at = Math.max(at, to)
  }
  for (const piece of order) {
    advance(target[piece]!)
    active.push(piece)
  }
  advance(Infinity)
  return flat
}

/** A max-heap of piece numbers. */
class LatestFirst {
  readonly #heap: number[] = []

  get size(): number {
    return this.#heap.length
  }

  latest(): number {
    return this.#heap[0]!
  }

  push(piece: number): void {
    const heap = this.#heap
    let at = heap.push(piece) - 1
    for (let up = (at - 1) >> 1; at > 0 && heap[up]! < heap[at]!; at = up, up = (at - 1) >> 1) swap(heap, at, up)
  }

  drop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let at = 0; ; ) {
      let child = 2 * at + 1
      if (child + 1 < heap.length && heap[child + 1]! > heap[child]!) child++
      if (child >= heap.length || heap[child]! <= heap[at]!) return
      swap(heap, at, child)
      at = child
    }
  }
}

function swap(heap: number[], a: number, b: number): void {
  const kept = heap[a]!
  heap[a] = heap[b]!
  heap[b] = kept
}
