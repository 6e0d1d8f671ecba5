// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The null space of a matrix of small integers, by Gauss-Jordan elimination over a prime field. Laws have coefficients 0 and
 * 1, so a vector that is one of them over the integers is the same over the field, and nothing can overflow.
 */

/** The largest prime below 2^15: products of two residues are exact in 32 bits. */
const PRIME = 32_749

/**
 * Returns a basis of the vectors that are orthogonal to every row. Each basis vector has a 1 at a column of its own and 0 at
 * those of the others, and comes as residues in (-PRIME/2, PRIME/2].
 *
 * @param rows dense rows of `columns` entries each; they are overwritten
 * @param order the order in which columns are tried as pivots: late ones become the free columns
 */
export function nullSpace(rows: Int32Array[], columns: number, order: readonly number[]): Int32Array[] {
  for (const row of rows) for (let c = 0; c < columns; c++) row[c] = residue(row[c]!)
  const pivots: number[] = []
  const free: number[] = []
  for (const column of order) {
    const found = pivots.length < rows.length ? findPivot(rows, pivots.length, column) : -1
    if (found < 0) {
      free.push(column)
      continue
    }
    eliminate(rows, pivots.length, found, column)
    pivots.push(column)
  }
  return free.map(column => {
    const vector = new Int32Array(columns)
    vector[column] = 1
    pivots.forEach((pivot, r) => {
      vector[pivot] = signed(-rows[r]![column]!)
    })
    return vector
  })
}

function findPivot(rows: readonly Int32Array[], from: number, column: number): number {
  for (let r = from; r < rows.length; r++) if (rows[r]![column] !== 0) return r
  return -1
}

/** Makes row `found` the `rank`-th one, scales it to 1 at the column, and clears that column everywhere else. */
function eliminate(rows: Int32Array[], rank: number, found: number, column: number): void {
  const pivot = rows[found]!
  rows[found] = rows[rank]!
  rows[rank] = pivot
  const scale = inverse(pivot[column]!)
  for (let c = 0; c < pivot.length; c++) pivot[c] = (pivot[c]! * scale) % PRIME
  for (let r = 0; r < rows.length; r++) {
    const row = rows[r]!
    const factor = row[column]!
    if (r === rank || factor === 0) continue
    const add = PRIME - factor
    for (let c = 0; c < row.length; c++) row[c] = (row[c]! + add * pivot[c]!) % PRIME
  }
}

function residue(x: number): number {
  const r = x % PRIME
  return r < 0 ? r + PRIME : r
}

function signed(x: number): number {
  const r = residue(x)
  return r > PRIME / 2 ? r - PRIME : r
}

/** The multiplicative inverse, by Fermat's little theorem. */
function inverse(x: number): number {
  let result = 1
  let base = x
  for (let e = PRIME - 2; e > 0; e >>= 1) {
    if (e & 1) result = (result * base) % PRIME
    base = (base * base) % PRIME
  }
  return result
}
