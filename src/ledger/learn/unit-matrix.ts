// SPDX-License-Identifier: GPL-2.0-or-later
/** Lifetimes as the rows of a sparse matrix: how many references each call site took (positive) or gave back (negative). */

/** One kind of lifetime. */
export interface UnitRow {
  /** Columns with a unit in this lifetime, ascending, and the units. */
  columns: readonly number[]
  units: readonly number[]
  /** Lifetimes of that kind. */
  lifetimes: number
}

/** Rows over columns `0 .. columns - 1`, no two of them equal. */
export interface UnitMatrix {
  columns: number
  rows: readonly UnitRow[]
  /** Per column, the rows with a unit in it. */
  rowsOf: readonly (readonly number[])[]
}

/** Collects rows and counts equal ones as one. */
export class MatrixBuilder {
  readonly #rows: { columns: number[]; units: number[]; lifetimes: number }[] = []
  readonly #byKey = new Map<string, number>()
  readonly #columns: number

  constructor(columns: number) {
    this.#columns = columns
  }

  /** Adds lifetimes that are alike; units of one column that come apart are added up. */
  add(units: ReadonlyMap<number, number>, lifetimes: number): void {
    const entries = [...units].filter(([, n]) => n !== 0).sort((a, b) => a[0] - b[0])
    if (entries.length === 0) return
    const key = entries.join(' ')
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      this.#rows[known]!.lifetimes += lifetimes
      return
    }
    this.#byKey.set(key, this.#rows.length)
    this.#rows.push({ columns: entries.map(([c]) => c), units: entries.map(([, n]) => n), lifetimes })
  }

  build(): UnitMatrix {
    const rowsOf: number[][] = Array.from({ length: this.#columns }, () => [])
    this.#rows.forEach((row, r) => {
      for (const column of row.columns) rowsOf[column]!.push(r)
    })
    return { columns: this.#columns, rows: this.#rows, rowsOf }
  }
}

/** Returns the same lifetimes with only the given columns, renumbered in the order given. */
export function restrict(matrix: UnitMatrix, columns: readonly number[]): UnitMatrix {
  return merged(
    matrix,
    columns.map(column => [column]),
  )
}

/** Returns the same lifetimes with each group of columns as one, and without all others. */
export function merged(matrix: UnitMatrix, groups: readonly (readonly number[])[]): UnitMatrix {
  const place = new Map(groups.flatMap((group, i) => group.map(column => [column, i] as const)))
  const builder = new MatrixBuilder(groups.length)
  for (const { columns: from, units, lifetimes } of matrix.rows) {
    const kept = new Map<number, number>()
    from.forEach((column, i) => {
      const to = place.get(column)
      if (to !== undefined) kept.set(to, (kept.get(to) ?? 0) + units[i]!)
    })
    builder.add(kept, lifetimes)
  }
  return builder.build()
}
