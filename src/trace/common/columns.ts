// SPDX-License-Identifier: GPL-2.0-or-later
/** The columns of page_ref events: their layout in memory, and the generated code that fills them from records. */

import { type EventBatch, OP_NAMES } from '../events.ts'
import { HOST_LITTLE_ENDIAN } from './bytes.ts'
import { type EventFormat, type Field, findField } from './event-format.ts'

/** The columns of an `EventBatch`. */
export type Columns = Omit<EventBatch, 'length' | 'order' | 'lost'>

/** Ordered by element size, largest first, so that every column in a shared buffer is aligned. */
const LAYOUT = [
  ['time', Float64Array],
  ['pfn', Float64Array],
  ['pid', Int32Array],
  ['flagsLow', Uint32Array],
  ['flagsHigh', Uint32Array],
  ['count', Int32Array],
  ['mapcount', Int32Array],
  ['mappingLow', Uint32Array],
  ['mappingHigh', Uint32Array],
  ['mt', Int32Array],
  ['val', Int32Array],
  ['ret', Int32Array],
  ['stack', Uint32Array],
  ['cpu', Uint16Array],
  ['op', Uint8Array],
] as const

/** Names of the columns, in the order in which they lie in memory. */
export const COLUMN_NAMES: readonly (keyof Columns)[] = LAYOUT.map(([name]) => name)

/** Bytes of one event in all columns. */
export const ROW_BYTES = LAYOUT.reduce((sum, [, array]) => sum + array.BYTES_PER_ELEMENT, 0)

/**
 * Lays columns of equal length over a buffer, with as many rows as fit.
 *
 * @param from byte of the buffer at which they begin, a multiple of 8
 * @param most number of rows if more would fit, a multiple of 8
 */
export function layColumns(buffer: ArrayBuffer, from = 0, most = Number.POSITIVE_INFINITY): Columns {
  // A multiple of 8 rows keeps every column aligned.
  const rows = Math.min(most, Math.floor((buffer.byteLength - from) / ROW_BYTES) & ~7)
  let at = from
  const columns: Record<string, unknown> = {}
  for (const [name, array] of LAYOUT) {
    columns[name] = new array(buffer, at, rows)
    at += rows * array.BYTES_PER_ELEMENT
  }
  return columns as unknown as Columns
}

/** Size in bytes of a buffer that `layColumns` needs for at least `rows` rows. */
export function columnBytes(rows: number): number {
  return Math.ceil(rows / 8) * 8 * ROW_BYTES
}

/** Copies rows [from, to) of the columns of `source` to row `at` of `target`. */
export function copyRows(target: Columns, at: number, source: Partial<Columns>, from: number, to: number): void {
  for (const name of COLUMN_NAMES) {
    const column = source[name]
    if (column) target[name].set(column.subarray(from, to), at)
  }
}

/** Generates expressions that load numbers from a record in the byte order of the file. */
export class Loads {
  readonly littleEndian: boolean

  constructor(littleEndian: boolean) {
    this.littleEndian = littleEndian
  }

  /**
   * Returns an expression that loads `size` bytes (1, 2 or 4; for 8, their low half) at `base + offset`. At run time, `base` must
   * be a multiple of 4. The generated code uses the arrays B (bytes), H, W, I (16, 32 and signed 32 bits) and V (DataView) over
   * one buffer, all starting at a multiple of 4.
   */
  load(base: string, offset: number, size: number, signed: boolean): string {
    if (size === 8) return this.load(base, this.littleEndian ? offset : offset + 4, 4, signed)
    const place = `${base} + ${offset}`
    if (size === 1) return signed ? `(B[${place}] << 24 >> 24)` : `B[${place}]`
    if (hostReads(this.littleEndian) && offset % size === 0) {
      if (size === 4) return `${signed ? 'I' : 'W'}[(${place}) >> 2]`
      return signed ? `(H[(${place}) >> 1] << 16 >> 16)` : `H[(${place}) >> 1]`
    }
    return `V.get${signed ? 'Int' : 'Uint'}${size * 8}(${place}, ${this.littleEndian})`
  }

  /** Returns an expression for the high half of an unsigned integer of `size` bytes; '0' for sizes up to 4. */
  loadHigh(base: string, offset: number, size: number): string {
    return size === 8 ? this.load(base, this.littleEndian ? offset + 4 : offset, 4, false) : '0'
  }
}

/** True if typed arrays over a file of this byte order read its numbers correctly. */
export function hostReads(littleEndian: boolean): boolean {
  return littleEndian && HOST_LITTLE_ENDIAN
}

const NUMBER_SIZES = [1, 2, 4, 8]

/** How the records of one event are read. */
export interface RecordLayout {
  op: number
  id: number
  /** Minimum size of a record in bytes, so that it contains all fields. */
  size: number
  fields: Map<string, Field>
}

/** Finds the fields of the columns in a page_ref event; undefined for other events and for formats without pfn or val. */
export function pageRefLayout(format: EventFormat): RecordLayout | undefined {
  const op = (OP_NAMES as readonly string[]).indexOf(format.name)
  if (op < 0 || format.system !== 'page_ref') return undefined
  const fields = new Map<string, Field>()
  let size = 0
  for (const name of ['common_pid', 'pfn', 'flags', 'count', 'mapcount', 'mapping', 'mt', 'val', 'ret']) {
    const field = findField(format, name)
    if (!field || !NUMBER_SIZES.includes(field.size)) continue
    fields.set(name, field)
    size = Math.max(size, field.offset + field.size)
  }
  return fields.has('pfn') && fields.has('val') ? { op, id: format.id, size, fields } : undefined
}

/** Generates statements that write a record, whose bytes start at the expression `base`, to row `row` of the columns C_name. */
export function storeRecord(layout: RecordLayout, loads: Loads, base: string): string {
  const low = (name: string, signed: boolean) => {
    const field = layout.fields.get(name)
    return field ? loads.load(base, field.offset, field.size, signed) : '0'
  }
  const high = (name: string) => {
    const field = layout.fields.get(name)
    return field ? loads.loadHigh(base, field.offset, field.size) : '0'
  }
  const signedNames = ['count', 'mapcount', 'mt', 'val', 'ret']
  return [
    `C_op[row] = ${layout.op}`,
    `C_pid[row] = ${low('common_pid', true)}`,
    `C_pfn[row] = ${high('pfn')} * 4294967296 + ${low('pfn', false)}`,
    `C_flagsLow[row] = ${low('flags', false)}; C_flagsHigh[row] = ${high('flags')}`,
    `C_mappingLow[row] = ${low('mapping', false)}; C_mappingHigh[row] = ${high('mapping')}`,
    ...signedNames.map(name => `C_${name}[row] = ${low(name, layout.fields.get(name)?.signed ?? true)}`),
  ].join('\n')
}

/** Declarations `const C_name = columns.name` that code of `storeRecord` depends on. */
export const COLUMN_CONSTANTS = COLUMN_NAMES.map(name => `const C_${name} = columns.${name}`).join('\n')

/** Writes the record at byte `at` (a multiple of 4) of a buffer to a row. Does not write time, cpu and stack. */
export type RecordStore = (at: number, row: number, columns: Columns) => void

/** Views over one buffer, named as in generated code. */
export interface Arrays {
  B: Uint8Array
  H: Uint16Array
  W: Uint32Array
  I: Int32Array
  V: DataView
}

/** Creates views over bytes, which are copied if they do not start at a multiple of 4. Up to 3 last bytes are only in B and V. */
export function layArrays(bytes: Uint8Array): Arrays {
  const B = (bytes.byteOffset & 3) === 0 ? bytes : bytes.slice()
  const { buffer, byteOffset: at, byteLength: length } = B
  return {
    B,
    H: new Uint16Array(buffer, at, length >> 1),
    W: new Uint32Array(buffer, at, length >> 2),
    I: new Int32Array(buffer, at, length >> 2),
    V: new DataView(buffer, at, length),
  }
}

/** Compiles a store for single records (perf.data), specialised to one event's layout. The caller must check `layout.size`. */
export function compileStore(layout: RecordLayout, littleEndian: boolean): (arrays: Arrays) => RecordStore {
  const code = storeRecord(layout, new Loads(littleEndian), 'at')
  return new Function(
    'arrays',
    `'use strict'
const { B, H, W, I, V } = arrays
return (at, row, columns) => {
${COLUMN_CONSTANTS}
C_stack[row] = 0
${code}
}`,
  ) as (arrays: Arrays) => RecordStore
}
