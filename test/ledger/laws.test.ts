// SPDX-License-Identifier: GPL-2.0-or-later
// Laws are found from lifetimes alone: against brute force on small matrices, and against drivers whose laws are known.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findLaws } from '../../src/ledger/learn/find-laws.ts'
import { nullSpace } from '../../src/ledger/learn/null-space.ts'
import { MatrixBuilder, type UnitMatrix } from '../../src/ledger/learn/unit-matrix.ts'
import { random } from '../../testkit/random.ts'

/** Groups of columns with a sign each: what the takers of a group take, its givers give back. */
type Driver = { takers: number[]; givers: number[] }[]

function columnsOf(driver: Driver): number {
  return driver.reduce((sum, { takers, givers }) => sum + takers.length + givers.length, 0)
}

/** Draws a driver with so many laws of one or two takers and one to three givers. */
function drawDriver(r: ReturnType<typeof random>, laws: number): Driver {
  let next = 0
  const some = (n: number) => Array.from({ length: n }, () => next++)
  return Array.from({ length: laws }, () => ({ takers: some(r.int(1, 2)), givers: some(r.int(1, 3)) }))
}

/** One lifetime: each law is used up to three times, each time by any of its takers and givers. */
function lifetime(driver: Driver, r: ReturnType<typeof random>): Map<number, number> {
  const units = new Map<number, number>()
  const add = (column: number, n: number) => units.set(column, (units.get(column) ?? 0) + n)
  for (const { takers, givers } of driver) {
    for (let left = r.int(0, 3); left > 0; left--) {
      add(r.pick(takers), 1)
      add(r.pick(givers), -1)
    }
  }
  return units
}

function matrixOf(driver: Driver, lifetimes: Map<number, number>[]): UnitMatrix {
  const builder = new MatrixBuilder(columnsOf(driver))
  for (const units of lifetimes) builder.add(units, 1)
  return builder.build()
}

const lawsOf = (driver: Driver) => driver.map(({ takers, givers }) => [...takers, ...givers].join()).sort()
const found = (matrix: UnitMatrix, troubles?: number) =>
  findLaws(matrix, troubles)
    .map(({ columns }) => columns.join())
    .sort()

describe('null space', () => {
  test('is orthogonal to every row, and as large as the rank leaves', () => {
    const rows = fc.array(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 5, maxLength: 5 }), { maxLength: 7 })
    fc.assert(
      fc.property(rows, fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }), (given, order) => {
        const basis = nullSpace(
          given.map(row => Int32Array.from(row)),
          5,
          order,
        )
        for (const vector of basis)
          for (const row of given) {
            const sum = row.reduce((total, x, i) => total + x * vector[i]!, 0)
            expect(Math.abs(sum % 32_749)).toBe(0)
          }
        expect(basis.length).toBeGreaterThanOrEqual(5 - given.length)
      }),
    )
  })
})

describe('laws', () => {
  test('are those that brute force finds where every group of columns can be tried', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const r = random(seed)
      const driver = drawDriver(r, 2)
      const matrix = matrixOf(
        driver,
        Array.from({ length: 40 }, () => lifetime(driver, r)),
      )
      const minimal = bruteForce(matrix)
      for (const law of found(matrix)) expect(minimal, `seed ${seed}`).toContain(law)
      expect(found(matrix), `seed ${seed}`).toEqual(
        expect.arrayContaining(lawsOf(driver).filter(law => minimal.includes(law))),
      )
    }
  })

  test('are found in drivers of a dozen parts, also where one lifetime in twenty breaks one', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const r = random(seed)
      const driver = drawDriver(r, 12)
      const all = Array.from({ length: 500 }, () => lifetime(driver, r))
      expect(found(matrixOf(driver, all)), `seed ${seed}, no fault`).toEqual(lawsOf(driver))
      for (const units of all.filter(() => r.chance(0.05))) {
        const giver = r.pick(r.pick(driver).givers)
        units.set(giver, (units.get(giver) ?? 0) - 1)
      }
      expect(found(matrixOf(driver, all)), `seed ${seed}, faults`).toEqual(lawsOf(driver))
    }
  })

  test('are found where every fourth lifetime breaks the same one in the same direction', () => {
    const r = random(7)
    const driver = drawDriver(r, 6)
    const all = Array.from({ length: 400 }, () => lifetime(driver, r))
    const [giver] = driver[2]!.givers
    for (const units of all.filter(() => r.chance(0.25))) units.set(giver!, (units.get(giver!) ?? 0) - 1)
    expect(found(matrixOf(driver, all))).toEqual(lawsOf(driver))
  })

  test('are one where references change hands, unless as much went wrong as two laws and a frequent fault would leave', () => {
    const r = random(11)
    const driver: Driver = [
      { takers: [0, 1], givers: [2, 3] },
      { takers: [4], givers: [5] },
    ]
    const all = Array.from({ length: 400 }, () => {
      // Most references that are shared are refused; the others come back like that of the hand-out.
      const [refused, kept, pairs] = [r.int(0, 1), r.chance(0.15) ? 1 : 0, r.int(0, 2)]
      return new Map([
        [0, 1],
        [1, refused + kept],
        [2, -1 - kept],
        [3, -refused],
        [4, pairs],
        [5, -pairs],
      ])
    })
    const matrix = matrixOf(driver, all)
    for (const troubles of [0, 3]) expect(found(matrix, troubles)).toEqual(lawsOf(driver))
    expect(found(matrix, 60)).toEqual(['0,2', '1,3', '4,5'])
  })

  test('have the rare way, by which an error path gives back what others take', () => {
    const r = random(3)
    const driver: Driver = [
      { takers: [0], givers: [1, 2] },
      { takers: [3], givers: [4] },
    ]
    const all = Array.from({ length: 300 }, (_, i) => {
      const pairs = r.int(0, 2)
      return new Map([
        [0, 1],
        [i % 60 === 0 ? 2 : 1, -1],
        [3, pairs],
        [4, -pairs],
      ])
    })
    expect(found(matrixOf(driver, all))).toEqual(lawsOf(driver))
  })

  test('have both steps of a pin, also where one pin in twenty stays or is put as one reference', () => {
    const r = random(5)
    const driver: Driver = [
      { takers: [0, 1], givers: [2, 3] },
      { takers: [4], givers: [5] },
    ]
    const all = Array.from({ length: 300 }, (_, i) => {
      const [pins, byBio, pairs] = [r.int(1, 3), r.int(0, 1), r.int(0, 2)]
      const kept = i % 20 === 0 ? 1024 : i % 20 === 1 ? 1023 : 0
      return new Map([
        [0, pins],
        [1, 1023 * pins],
        [2, -1024 * (pins - byBio) + kept],
        [3, -1024 * byBio],
        [4, pairs],
        [5, -pairs],
      ])
    })
    expect(found(matrixOf(driver, all))).toEqual(lawsOf(driver))
  })

  test('each have a get of their own where every lifetime takes one and three', () => {
    const all = Array.from({ length: 60 }, (_, i) => {
      const way = i % 3
      return new Map([
        [0, 1],
        [1, -1],
        [2, 3],
        [3, -way],
        [4, way - 3],
      ])
    })
    const driver: Driver = [
      { takers: [0], givers: [1] },
      { takers: [2], givers: [3, 4] },
    ]
    expect(found(matrixOf(driver, all))).toEqual(lawsOf(driver))
  })
})

/** Every smallest group of two or more columns that sums to zero in nine of ten lifetimes that touch it. */
function bruteForce({ columns, rows }: UnitMatrix): string[] {
  const laws: number[] = []
  for (let set = 1; set < 1 << columns; set++) {
    if ((set & (set - 1)) === 0 || laws.some(law => (law & set) === law)) continue
    let touched = 0
    let held = 0
    for (const row of rows) {
      const own = row.columns.flatMap((column, i) => (set & (1 << column) ? [row.units[i]!] : []))
      if (own.length === 0) continue
      touched += row.lifetimes
      if (own.reduce((sum, n) => sum + n, 0) === 0) held += row.lifetimes
    }
    if (touched >= 3 && held >= 0.9 * touched) laws.push(set)
  }
  return laws.map(law =>
    Array.from({ length: columns }, (_, c) => c)
      .filter(c => law & (1 << c))
      .join(),
  )
}
