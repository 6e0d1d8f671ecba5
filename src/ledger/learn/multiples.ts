// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds columns that are always a multiple of another: call sites that take one holder's references in several steps. The kernel
 * takes a pin of a small folio like that: first one reference, unless the count is 0, and then the other 1,023.
 */
import type { UnitMatrix } from './unit-matrix.ts'

/**
 * Returns the columns in groups. Those of a group take, or give back, the same multiple of one another's units in the given share
 * of the lifetimes that have one of them. Columns with equal units are not grouped: each may be of a law of its own.
 */
export function multiples(matrix: UnitMatrix, columns: readonly number[], share: number): number[][] {
  const groups: number[][] = []
  for (const column of columns) {
    const known = groups.find(([first]) => areMultiples(matrix, first!, column, share))
    if (known) known.push(column)
    else groups.push([column])
  }
  return groups
}

function areMultiples(matrix: UnitMatrix, a: number, b: number, share: number): boolean {
  // The commonest kind of lifetime: in a rare one, something may have gone wrong.
  const common = matrix.rowsOf[a]!.reduce((best, row) =>
    lifetimes(matrix, row) > lifetimes(matrix, best) ? row : best,
  )
  const factor = unitsOf(matrix, common, b) / unitsOf(matrix, common, a)
  if (factor <= 0 || factor === 1) return false
  let all = 0
  let held = 0
  for (const row of new Set([...matrix.rowsOf[a]!, ...matrix.rowsOf[b]!])) {
    all += lifetimes(matrix, row)
    if (unitsOf(matrix, row, b) === factor * unitsOf(matrix, row, a)) held += lifetimes(matrix, row)
  }
  return held >= share * all
}

function lifetimes({ rows }: UnitMatrix, row: number): number {
  return rows[row]!.lifetimes
}

function unitsOf({ rows }: UnitMatrix, row: number, column: number): number {
  const at = rows[row]!.columns.indexOf(column)
  return at < 0 ? 0 : rows[row]!.units[at]!
}
