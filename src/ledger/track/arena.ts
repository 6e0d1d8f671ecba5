// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Where the columns of a tracker live: in one memory that the hot loop in WebAssembly shares, or each in a buffer of its own
 * where there is no such memory, or where it is full. Nothing else depends on that.
 *
 * A column that has grown leaves its old place unused. As columns double, that is at most as much as is in use.
 */
import { growColumns } from '../../util/growable.ts'
import { PAGE_BYTES, sharedMemory } from '../../util/wasm.ts'
import { DIRECTORY_BYTES } from './hot-layout.ts'

type Column = Uint8Array | Uint16Array | Int32Array | Uint32Array | Float64Array
type ColumnType<C extends Column> = {
  new (length: number): C
  new (buffer: ArrayBufferLike, offset: number, length: number): C
  BYTES_PER_ELEMENT: number
}

/** Size of the memory at first, and the least by which it grows, in bytes. */
const FIRST_BYTES = 4 << 20
const STEP_BYTES = 16 << 20

/** Columns begin at multiples of a cache line. */
const LINE = 64

export class Arena {
  /** The memory; undefined where columns have buffers of their own. */
  readonly memory: WebAssembly.Memory | undefined
  /** Bytes of the memory that columns take, or took before they grew. */
  used = DIRECTORY_BYTES
  /** Number of columns that were made: another number means that columns may have moved. */
  allocations = 0
  /** False once a column had no room in the memory. */
  isWhole: boolean

  /** @param isShared false: every column gets a buffer of its own */
  constructor(isShared = true) {
    this.memory = isShared ? sharedMemory(FIRST_BYTES / PAGE_BYTES) : undefined
    this.isWhole = this.memory !== undefined
  }

  /**
   * Returns a number of elements for a column that begins small where it has a buffer of its own. In the memory, what was never
   * written takes no room, so that there it may begin as large as it mostly becomes.
   */
  lengthFor(small: number, usual: number): number {
    return this.isWhole ? usual : small
  }

  /** Returns a new column; its elements are zero. */
  column<C extends Column>(type: ColumnType<C>, length: number): C {
    this.allocations++
    const at = this.isWhole ? this.#reserve(length * type.BYTES_PER_ELEMENT) : undefined
    return at === undefined ? new type(length) : new type(this.memory!.buffer, at, length)
  }

  /** Returns a longer copy of a column. New elements are set to `fill`. */
  grown<C extends Column>(column: C, length: number, fill = 0): C {
    const copy = this.column(column.constructor as ColumnType<C>, length)
    if (fill !== 0) copy.fill(fill, column.length)
    copy.set(column)
    return copy
  }

  /** Replaces every typed array among a table's public fields by a longer copy, as `growColumns` does. */
  growColumns(table: object, length: number): void {
    growColumns(table, length, column => this.grown(column as Column, length) as typeof column)
  }

  /** Reserves bytes of the memory, and returns their address; undefined if there is no room. */
  #reserve(bytes: number): number | undefined {
    const at = this.used
    const end = Math.ceil((at + bytes) / LINE) * LINE
    if (end > this.memory!.buffer.byteLength && !this.#grow(end)) return undefined
    this.used = end
    return at
  }

  #grow(end: number): boolean {
    const more = end - this.memory!.buffer.byteLength
    for (const bytes of [Math.max(more, STEP_BYTES), more])
      try {
        this.memory!.grow(Math.ceil(bytes / PAGE_BYTES))
        return true
      } catch {
        // Less may still be had.
      }
    this.isWhole = false
    return false
  }
}

/** An arena without a memory, for tables that stand alone. */
export function plainArena(): Arena {
  return new Arena(false)
}
