// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Growth of columns. Hot loops access typed arrays directly as fields of a table. So a full column is replaced by a longer copy,
 * and is not wrapped in an object.
 */

type Column = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array

/** Returns a copy with room for `length` elements. New elements are set to `fill`, if given. */
export function grown<C extends Column>(column: C, length: number, fill?: number): C
export function grown(column: BigUint64Array<ArrayBuffer>, length: number): BigUint64Array<ArrayBuffer>
export function grown<C extends Column>(column: C, length: number, fill = 0): C {
  const copy = new (column.constructor as new (length: number) => C)(length)
  if (fill !== 0) copy.fill(fill, column.length)
  copy.set(column)
  return copy
}

/** Returns a new length for a column that is to hold `index`: at least twice its present one, so that copies stay rare. */
export function lengthFor(index: number, present: number): number {
  return Math.max(index + 1, present * 2)
}

/**
 * Replaces every typed array among a table's public fields by a copy with room for `length` rows.
 *
 * @param copy makes the copy of one of them
 */
export function growColumns(table: object, length: number, copy = (column: Column) => grown(column, length)): void {
  const fields = table as Record<string, unknown>
  for (const [name, value] of Object.entries(fields))
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) fields[name] = copy(value as Column)
}
