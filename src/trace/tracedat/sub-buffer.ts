// SPDX-License-Identifier: GPL-2.0-or-later
/** Handles rare cases in sub-buffers: missing events, damage, and records that only advance the time. */
import { type Arrays, hostReads } from '../common/columns.ts'
import {
  type BufferLayout,
  COMMIT_MISSED,
  COMMIT_MISSED_STORED,
  COMMIT_SIZE,
  TIME_EXTEND_UNIT,
  TYPE_PADDING,
  TYPE_TIME_EXTEND,
} from './ring-buffer.ts'
import { damaged, missed, type WalkState } from './walk-state.ts'

/** Position of a walk in the current sub-buffer. */
export class SubBuffer {
  /** Index of the next record. */
  at = 0
  /** Time of the last record since the time base. Initialised with NaN so that V8 stores it as floating point from the start. */
  time = Number.NaN
  readonly #layout: BufferLayout
  /** True if typed arrays read the file's numbers correctly. */
  readonly #direct: boolean
  /** The time base in the form of absolute timestamps, split into 32 and 27 bits so that differences are exact. */
  readonly #stampHigh: number
  readonly #stampLow: number

  constructor(layout: BufferLayout, timeBase: bigint) {
    this.#layout = layout
    this.#direct = hostReads(layout.littleEndian)
    this.#stampHigh = Number((timeBase >> 27n) & 0xffffffffn)
    this.#stampLow = Number(timeBase & 0x7ffffffn)
  }

  #word({ W, V }: Arrays, at: number): number {
    return this.#direct ? W[at >> 2]! : V.getUint32(at, this.#layout.littleEndian)
  }

  /**
   * Handles a `commit` word that contains more than the number of used bytes of the sub-buffer at `page`: events before it are
   * missing, or the number exceeds the sub-buffer. Returns the end of the records; if none can be read, their start.
   */
  unusual(arrays: Arrays, page: number, commit: number, state: WalkState): number {
    const { pageSize, commitOffset, commitSize, dataOffset } = this.#layout
    const size = commit & COMMIT_SIZE
    const start = page + dataOffset
    if (size > pageSize - dataOffset) {
      const most = `at most ${pageSize - dataOffset} bytes used`
      damaged(state, page + commitOffset, `expected a sub-buffer with ${most}, found ${size}`)
      return start
    }
    const limit = start + size
    if ((commit & COMMIT_MISSED) !== 0) {
      const stored = (commit & COMMIT_MISSED_STORED) !== 0 && (size & 3) === 0
      const fits = limit + commitSize <= page + pageSize
      const low = commitSize === 8 && !this.#layout.littleEndian ? 4 : 0
      missed(state, stored && fits ? this.#word(arrays, limit + low) : undefined)
    }
    return limit
  }

  /**
   * Moves `at` and `time` past a record that is not an event. Its type and time delta were read from the word before `p`. Returns
   * false at the end of the sub-buffer's contents.
   */
  skip(arrays: Arrays, p: number, limit: number, type: number, delta: number, state: WalkState): boolean {
    if (type === TYPE_PADDING && delta === 0) return false
    if (p + 4 > limit) {
      damaged(state, p, 'expected the second word of a ring-buffer record, but the sub-buffer ends')
      return false
    }
    const word = this.#word(arrays, p)
    if (type === TYPE_PADDING) {
      this.time += delta
      this.at = p + word
      if ((word & 3) === 0) return true
      damaged(state, p, `expected the length of a discarded event as a multiple of 4, found ${word}`)
      return false
    }
    this.at = p + 4
    if (type === TYPE_TIME_EXTEND) this.time += word * TIME_EXTEND_UNIT + delta
    else {
      this.time = (word - this.#stampHigh) * TIME_EXTEND_UNIT + (delta - this.#stampLow)
      // Absolute timestamps have only 59 bits in the kernel, so they can wrap around.
      if (this.time < -(2 ** 58)) this.time += 2 ** 59
    }
    return true
  }
}
