// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the conservation laws of call sites: minimal groups of columns whose units sum to zero in nearly every lifetime. If the
 * driver is seen as a Petri net, these are its P-invariants with coefficients 0 and 1, found from executions instead of the
 * source (docs/internals/laws.md). A faulty lifetime breaks only its own law, and a law is accepted if few lifetimes break it. So
 * null spaces of many samples of lifetimes are computed, and the vectors that hold in nearly all lifetimes are kept.
 */
import { multiples } from './multiples.ts'
import { nullSpace } from './null-space.ts'
import { merged, restrict, type UnitMatrix } from './unit-matrix.ts'

export interface Law {
  /** Columns, ascending. */
  columns: number[]
  /** Per column, 1 if it takes references and -1 if it gives back. */
  signs: number[]
  /** Number of lifetimes with a unit in one of the columns, and of those of them in which the units sum to zero. */
  touched: number
  held: number
  /** Number of lifetimes in which more was taken than given back (`over`), and in which less was (`under`). */
  over: number
  under: number
}

/** Number of lifetimes that must have touched a group of call sites before it counts as a law. */
const MIN_TOUCHED = 3

/** Share of the lifetimes that touch a law in which it must hold. */
const MIN_HELD = 0.9

/** The same for a law that is broken in one direction only, as by a fault that happens often. */
const MIN_HELD_ONE_SIDED = 0.6

/**
 * True for a law that was accepted only because it is broken in one direction: a fault that happens often may have done that, or a
 * call site belongs to it that gives back something else.
 */
export function isOftenBroken({ touched, held }: Pick<Law, 'touched' | 'held'>): boolean {
  return held < touched * MIN_HELD
}

/** Samples of all columns, and of those that no law has yet. */
const WIDE_TRIES = 3
const NARROW_TRIES = 160

/** Samples of columns some of which are multiples of others. */
const MULTIPLES_TRIES = 12

/** Number of narrow samples in a row without a new law, after which the search ends. */
const MAX_IDLE_TRIES = 40

/** Most uncovered columns of which every pair is tried. */
const MAX_PAIRED = 64

/**
 * Most columns for which samples of all columns are affordable; with more, only narrow samples of some columns each are taken.
 */
const MAX_WIDE = 320

/**
 * Returns the laws of a matrix, smallest first; no law contains another.
 *
 * @param troubles number of pages on which something impossible happened; Infinity: not known
 */
export function findLaws(matrix: UnitMatrix, troubles = Infinity): Law[] {
  const search = new LawSearch(matrix)
  search.sampleAll()
  search.sampleUncovered()
  search.sampleMultiples()
  search.pairOverlapping()
  search.mergeOverlapping()
  search.joinRareColumns()
  search.splitOneSided(troubles)
  search.acceptOneSided()
  return search.laws()
}

class LawSearch {
  readonly #matrix: UnitMatrix
  readonly #laws = new Map<string, Law>()
  /** Groups that hold too rarely for a law, but are broken in one direction only. */
  readonly #oneSided = new Map<string, Law>()
  readonly #rejected = new Set<string>()
  readonly #sums: Int32Array
  readonly #random = generator()
  #lifetimes: number | undefined

  constructor(matrix: UnitMatrix) {
    this.#matrix = matrix
    this.#sums = new Int32Array(matrix.rows.length)
  }

  laws(): Law[] {
    return smallest([...this.#laws.values()])
  }

  /** Takes null spaces over all columns: in a recording without faults the first one has every law. */
  sampleAll(): void {
    const { rows, columns } = this.#matrix
    if (columns > MAX_WIDE) return
    const all = Array.from({ length: columns }, (_, c) => c)
    for (let t = 0; t < WIDE_TRIES; t++) {
      const most = 2 * columns + 16
      const size = t === 0 ? Math.min(rows.length, most) : Math.min(Math.ceil(rows.length * 0.7), most)
      this.#sample(this.#matrix, single(all), size)
    }
  }

  /** Tries every pair of columns, because most laws have just two. */
  #pairs(columns: readonly number[]): void {
    if (columns.length > MAX_PAIRED) return
    columns.forEach((a, i) => {
      for (const b of columns.slice(i + 1)) this.#try([a, b])
    })
  }

  /** Takes null spaces over the columns that no law has yet. Only laws that some lifetimes break are left for them. */
  sampleUncovered(): void {
    this.#pairs(this.#uncovered())
    let idle = 0
    let columns = this.#uncovered()
    let narrow = restrict(this.#matrix, columns)
    for (let t = 0; t < NARROW_TRIES && columns.length > 1 && idle < MAX_IDLE_TRIES; t++) {
      const before = this.#laws.size
      const part = columns.length > MAX_WIDE ? columns.slice(0, MAX_WIDE) : columns
      const matrix = part === columns ? narrow : restrict(this.#matrix, part)
      const least = Math.min(matrix.rows.length, 2)
      this.#sample(
        matrix,
        single(part),
        least + Math.floor(this.#random() * Math.min(matrix.rows.length, 2 * part.length)),
      )
      if (this.#laws.size === before) {
        idle++
        continue
      }
      idle = 0
      columns = this.#uncovered()
      narrow = restrict(this.#matrix, columns)
    }
  }

  /**
   * Tries laws with columns of which one always has a multiple of the other's units, as where one reference is taken first and the
   * other 1,023 of a pin after it. The null space has both with the put in every proportion, so that no basis shows the law.
   */
  sampleMultiples(): void {
    const columns = this.#uncovered()
    if (columns.length > MAX_PAIRED) return
    const groups = multiples(this.#matrix, columns, MIN_HELD)
    const joined = groups.filter(group => group.length > 1)
    if (joined.length === 0) return
    for (const group of joined)
      for (const other of groups) if (other !== group) this.#try([...group, ...other].sort((a, b) => a - b))
    const matrix = merged(this.#matrix, groups)
    for (let t = 0; t < MULTIPLES_TRIES; t++) {
      const size = 2 + Math.floor(this.#random() * Math.min(matrix.rows.length, 2 * groups.length))
      this.#sample(matrix, groups, t === 0 ? matrix.rows.length : size)
    }
  }

  /**
   * Tries every pair of columns of laws that overlap. Of columns that occur equally often, a null space has only some of the
   * laws.
   */
  pairOverlapping(): void {
    this.#keepSmallest()
    const laws = [...this.#laws.values()]
    const shared = laws.filter(law => laws.some(other => other !== law && sharesColumn(law, other)))
    this.#pairs([...new Set(shared.flatMap(law => law.columns))])
  }

  /**
   * Merges two laws that share columns, if each is broken because it lacks the columns of the other: these are two rare ways by
   * which the same references are taken or given back.
   */
  mergeOverlapping(): void {
    this.#keepSmallest()
    const laws = [...this.#laws.values()].filter(law => law.held < law.touched)
    for (let i = 0; i < laws.length; i++) {
      for (let j = i + 1; j < laws.length; j++) {
        const [a, b] = [laws[i]!, laws[j]!]
        if (!this.#isLaw(a) || !this.#isLaw(b) || !sharesColumn(a, b)) continue
        const union = this.#evaluate([...new Set([...a.columns, ...b.columns])].sort((x, y) => x - y))
        if (2 * failures(union) > Math.min(failures(a), failures(b))) continue
        this.#laws.delete(a.columns.join())
        this.#laws.delete(b.columns.join())
        this.#laws.set(union.columns.join(), union)
        laws.push(union)
      }
    }
  }

  #isLaw(law: Law): boolean {
    return this.#laws.get(law.columns.join()) === law
  }

  /**
   * Adds a column that no law has to the law that it completes. An error path, which gives back what others took, runs too rarely
   * to be found by a sample.
   */
  joinRareColumns(): void {
    this.#keepSmallest()
    for (const column of this.#uncovered()) {
      const best = this.#completedBy(column)
      if (!best) continue
      const joined = this.#evaluate([...best.columns, column].sort((a, b) => a - b))
      if (joined.held < best.held) continue
      this.#laws.delete(best.columns.join())
      this.#laws.set(joined.columns.join(), joined)
    }
  }

  /**
   * Splits a law that is really two, one of which a frequent fault breaks. The fault frees pages early, so that the other law is
   * short as often as the first is over, and both together hold better than each alone. So does one law with several ways, as
   * where a reference changes hands, but nothing else goes wrong then.
   */
  splitOneSided(troubles: number): void {
    for (const law of [...this.#laws.values()]) {
      const gets = law.columns.filter((_, i) => law.signs[i]! > 0)
      if (gets.length < 2 || law.columns.length - gets.length < 2) continue
      const part = gets.map(get => this.#bestPart(get, law)).find(each => each !== undefined)
      if (!part || !isLeftByFaults(troubles, law, part)) continue
      const rest = this.#evaluate(law.columns.filter(column => !part.columns.includes(column)))
      if (rest.held < MIN_HELD_ONE_SIDED * rest.touched) continue
      this.#laws.delete(law.columns.join())
      this.#laws.set(part.columns.join(), part)
      this.#laws.set(rest.columns.join(), rest)
    }
  }

  /** Returns the law of one get with the puts that match it best, if it deviates in one direction only. */
  #bestPart(get: number, law: Law): Law | undefined {
    let left = law.columns.filter((_, i) => law.signs[i]! < 0)
    let best: Law | undefined
    while (left.length > 1) {
      const next = left
        .map(put => this.#evaluate([...(best?.columns ?? [get]), put].sort((a, b) => a - b)))
        .reduce((a, b) => (b.held * a.touched > a.held * b.touched ? b : a))
      if (best && next.held * best.touched <= best.held * next.touched) break
      best = next
      left = left.filter(put => !next.columns.includes(put))
    }
    return best && isBrokenOneWay(best) ? best : undefined
  }

  /** Accepts laws that are broken often, if no other law has their columns. */
  acceptOneSided(): void {
    const uncovered = new Set(this.#uncovered())
    for (const law of smallest([...this.#oneSided.values()])) {
      if (!law.columns.every(column => uncovered.has(column))) continue
      this.#laws.set(law.columns.join(), law)
      for (const column of law.columns) uncovered.delete(column)
    }
  }

  /** A law with a rare column more than another one hides that the column is still to be joined to that. */
  #keepSmallest(): void {
    const laws = smallest([...this.#laws.values()])
    this.#laws.clear()
    for (const law of laws) this.#laws.set(law.columns.join(), law)
  }

  #uncovered(): number[] {
    const covered = new Set([...this.#laws.values()].flatMap(law => law.columns))
    return Array.from({ length: this.#matrix.columns }, (_, c) => c).filter(
      c => !covered.has(c) && this.#matrix.rowsOf[c]!.length > 0,
    )
  }

  /** @param columns those of the whole matrix, by column of the sampled one */
  #sample(matrix: UnitMatrix, columns: readonly (readonly number[])[], size: number): void {
    const rows = this.#pick(matrix, size).map(r => dense(matrix, r))
    const order = shuffled(columns.length, this.#random)
    for (const vector of nullSpace(rows, columns.length, order)) {
      const law = columnsOf(vector)
      if (law) this.#try(law.flatMap(c => columns[c]!).sort((a, b) => a - b))
    }
  }

  /** Draws rows without replacement, weighted by the number of their lifetimes. */
  #pick({ rows }: UnitMatrix, size: number): number[] {
    if (size >= rows.length) return rows.map((_, r) => r)
    const keys = rows.map(({ lifetimes }, r) => ({ r, key: Math.log(this.#random()) / lifetimes }))
    keys.sort((a, b) => b.key - a.key)
    return keys.slice(0, size).map(({ r }) => r)
  }

  #try(all: number[]): void {
    const columns = all.filter(column => !this.#isRare(column))
    const key = columns.join()
    if (columns.length < 2 || this.#laws.has(key) || this.#rejected.has(key)) return
    const law = this.#evaluate(columns)
    if (law.touched >= MIN_TOUCHED && law.held >= MIN_HELD * law.touched) {
      this.#laws.set(key, law)
      return
    }
    this.#rejected.add(key)
    if (isBrokenOneWay(law)) this.#oneSided.set(key, law)
  }

  /** True if too few lifetimes have the column for a law, compared with other columns. */
  #isRare(column: number): boolean {
    const { rows, rowsOf } = this.#matrix
    const count = (all: readonly number[]) => all.reduce((sum, r) => sum + rows[r]!.lifetimes, 0)
    this.#lifetimes ??= count(rows.map((_, r) => r))
    return this.#lifetimes >= 5 * MIN_TOUCHED && count(rowsOf[column]!) < MIN_TOUCHED
  }

  #evaluate(columns: number[]): Law {
    const { rows, rowsOf } = this.#matrix
    const signs = columns.map(column => this.#sign(column))
    const law: Law = { columns, signs, touched: 0, held: 0, over: 0, under: 0 }
    const sums = this.#sums
    const touched: number[] = []
    const seen = new Set<number>()
    for (const column of columns) {
      for (const r of rowsOf[column]!) {
        if (!seen.has(r)) touched.push(r)
        seen.add(r)
        const row = rows[r]!
        sums[r]! += row.units[row.columns.indexOf(column)]!
      }
    }
    for (const r of touched) {
      const { lifetimes } = rows[r]!
      law.touched += lifetimes
      if (sums[r] === 0) law.held += lifetimes
      else if (sums[r]! > 0) law.over += lifetimes
      else law.under += lifetimes
      sums[r] = 0
    }
    return law
  }

  #sign(column: number): number {
    const row = this.#matrix.rows[this.#matrix.rowsOf[column]![0]!]!
    return Math.sign(row.units[row.columns.indexOf(column)]!)
  }

  /** Returns the law whose deviation the column cancels in nearly all lifetimes that have it; undefined if there is none. */
  #completedBy(column: number): Law | undefined {
    const { rows, rowsOf } = this.#matrix
    const all = rowsOf[column]!.reduce((sum, r) => sum + rows[r]!.lifetimes, 0)
    if (all < MIN_TOUCHED) return undefined
    let best: { law: Law; lifetimes: number } | undefined
    for (const law of this.#laws.values()) {
      let lifetimes = 0
      for (const r of rowsOf[column]!) {
        const row = rows[r]!
        const units = row.units[row.columns.indexOf(column)]!
        const sum = row.columns.reduce((total, c, i) => (law.columns.includes(c) ? total + row.units[i]! : total), 0)
        if (sum === -units) lifetimes += row.lifetimes
      }
      if (lifetimes >= MIN_HELD * all && lifetimes > (best?.lifetimes ?? 0)) best = { law, lifetimes }
    }
    return best?.law
  }
}

/** True if the law holds mostly, and deviates in one direction where it does not. */
function isBrokenOneWay({ touched, held, over, under }: Law): boolean {
  const isOneSided = Math.min(over, under) * 6 <= Math.max(over, under)
  return touched >= 5 * MIN_TOUCHED && held >= MIN_HELD_ONE_SIDED * touched && isOneSided
}

/**
 * True if faults may be why a part of a law is broken that holds better as a whole. Each fault leaves a put that comes while the
 * page is free, which is impossible, or in a later lifetime, in which the whole law is short.
 */
function isLeftByFaults(troubles: number, whole: Law, part: Law): boolean {
  return 2 * (troubles + failures(whole)) >= failures(part)
}

function sharesColumn(a: Law, b: Law): boolean {
  return a.columns.some(column => b.columns.includes(column))
}

function failures(law: Law): number {
  return law.touched - law.held
}

const single = (columns: readonly number[]): number[][] => columns.map(column => [column])

/** Returns the columns with a 1, if all others have a 0 and there are two or more; undefined otherwise. */
function columnsOf(vector: Int32Array): number[] | undefined {
  const columns: number[] = []
  for (let c = 0; c < vector.length; c++) {
    if (vector[c] === 1) columns.push(c)
    else if (vector[c] !== 0) return undefined
  }
  return columns.length > 1 ? columns : undefined
}

function dense({ rows, columns }: UnitMatrix, r: number): Int32Array {
  const row = new Int32Array(columns)
  const { columns: at, units } = rows[r]!
  for (let i = 0; i < at.length; i++) row[at[i]!] = units[i]!
  return row
}

/** Drops laws that contain another one. Smaller laws take precedence and, of one size, those that hold more often. */
function smallest(laws: Law[]): Law[] {
  laws.sort((a, b) => a.columns.length - b.columns.length || b.held - a.held)
  const kept: Law[] = []
  for (const law of laws) {
    const columns = new Set(law.columns)
    if (!kept.some(other => other.columns.every(column => columns.has(column)))) kept.push(law)
  }
  return kept
}

function shuffled(length: number, random: () => number): number[] {
  const order = Array.from({ length }, (_, i) => i)
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const other = order[i]!
    order[i] = order[j]!
    order[j] = other
  }
  return order
}

/** Returns a generator of pseudo-random numbers in (0, 1] with a fixed seed, so that results are reproducible. */
function generator(): () => number {
  let state = 12_345
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return ((state >>> 8) + 1) / ((1 << 23) + 1)
  }
}
