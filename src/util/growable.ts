// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Growth of columns. Hot loops read and write typed arrays directly, as fields of a table, so a column that is full is
 * replaced by a longer copy instead of being hidden behind an object of its own.
 */

type Column = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array

/** Returns a copy with room for `length` elements; `fill` stands in those that are new. */
export function grown<C extends Column>(column: C, length: number, fill?: number): C
export function grown(column: BigUint64Array<ArrayBuffer>, length: number): BigUint64Array<ArrayBuffer>
export function grown<C extends Column>(column: C, length: number, fill = 0): C {
  const copy = new (column.constructor as new (length: number) => C)(length)
  if (fill !== 0) copy.fill(fill, column.length)
  copy.set(column)
  return copy
}

/** Returns the length of a column that is to hold an index: at least twice its present one, so that copies stay rare. */
export function lengthFor(index: number, present: number): number {
  return Math.max(index + 1, present * 2)
}

/** Replaces every typed array among the public fields of a table by a copy with room for `length` rows. */
export function growColumns(table: object, length: number): void {
  const fields = table as Record<string, unknown>
  for (const [name, value] of Object.entries(fields))
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) fields[name] = grown(value as Column, length)
}
