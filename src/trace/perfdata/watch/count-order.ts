// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reconstructs the order in which changes of a watched count took effect. A sample gets its timestamp after its operation. If the
 * CPU is interrupted in between (a virtual CPU can be preempted for milliseconds), another CPU's later operation gets an earlier
 * timestamp. Instructions that return the count reveal this.
 */
import type { EventBatch } from '../../events.ts'
import { Change, Told } from './changes.ts'

/** Maximum delay of a timestamp in ns. */
const WINDOW = 50_000_000
/** Maximum number of the page's rows that one row is moved across. */
const MOST_STEPS = 64

/** An unknown count. */
const OPEN = Number.NaN

/** The count that a row found; NaN if unknown. */
export function foundBy(batch: EventBatch, row: number): number {
  if (batch.mapcount[row]! & Told.BEFORE) return batch.ret[row]!
  // Plain stores happen while the count is 0: when a page is handed out, or when a frozen page gets its count back.
  return batch.mt[row] === Change.SET ? 0 : OPEN
}

function leftBy(batch: EventBatch, row: number, count: number): number {
  const told = batch.mapcount[row]!
  const val = (told & Told.AMOUNT) !== 0 ? batch.val[row]! : OPEN
  switch (batch.mt[row]) {
    case Change.ADD:
    case Change.FETCH:
      return count + val
    case Change.SET:
    case Change.EXCHANGE:
      return val
    case Change.COMPARE:
      return told & Told.STORED ? val : told & Told.REFUSED ? count : OPEN
    default:
      return OPEN
  }
}

/** Returns for each row the timestamp of the previous sample on its CPU. The row's operation came after it. */
export function stampsBefore(batch: EventBatch): Float64Array {
  const before = new Float64Array(batch.length)
  const last = new Map<number, number>()
  for (let row = 0; row < batch.length; row++) {
    before[row] = last.get(batch.cpu[row]!) ?? -Infinity
    last.set(batch.cpu[row]!, batch.time[row]!)
  }
  return before
}

/**
 * Reorders the rows of one page so that their counts agree, as far as moving single rows achieves that. A moved row gets a
 * timestamp just before that of the row after it, since its operation was no later.
 *
 * @param rows in order of time; changed in place
 * @param start count before the first row; NaN if unknown
 * @param since for each row, a time after which its operation took place
 * @returns the number of rows that were moved
 */
export function orderRows(batch: EventBatch, rows: number[], start: number, since: Float64Array): number {
  /** The count before each row. */
  const counts = [start]
  let moved = 0
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    const found = foundBy(batch, row)
    const count = counts[i]!
    if (found !== count && !Number.isNaN(found) && !Number.isNaN(count)) {
      const to = earlierPlace(batch, rows, counts, i, since)
      const from = to < 0 ? laterRow(batch, rows, i, found - count, since) : -1
      if (to >= 0 || from >= 0) {
        const [target, source] = to >= 0 ? [to, i] : [i, from]
        move(batch, rows, source, target)
        moved++
        counts.length = target + 1
        // Continue with the row that was moved here.
        i = target - 1
        if (moved > 2 * rows.length) return moved
        continue
      }
    }
    counts[i + 1] = leftBy(batch, row, Number.isNaN(found) ? count : found)
  }
  return moved
}

/** Returns the index before which the row at `i` fits, because the count there is the one that it found; -1 if there is none. */
function earlierPlace(batch: EventBatch, rows: number[], counts: number[], i: number, since: Float64Array): number {
  const row = rows[i]!
  const found = foundBy(batch, row)
  for (let j = i - 1; j >= 0 && i - j <= MOST_STEPS; j--) {
    const other = rows[j]!
    // The row cannot pass another one that knows the count that it found, because that row found it without the change of this
    // one.
    if (!mayPass(batch, row, other, since) || !Number.isNaN(foundBy(batch, other))) return -1
    if (counts[j] === found) return j
  }
  return -1
}

/**
 * Returns the index of a later row whose change must come before the row at `i` to explain the count that this row found; -1 if
 * there is none.
 */
function laterRow(batch: EventBatch, rows: number[], i: number, change: number, since: Float64Array): number {
  for (let k = i + 1; k < rows.length && k - i <= MOST_STEPS; k++) {
    const later = rows[k]!
    if (batch.time[later]! - batch.time[rows[i]!]! > WINDOW) return -1
    const isPlain = batch.mt[later] === Change.ADD && (batch.mapcount[later]! & Told.AMOUNT) !== 0
    if (!isPlain || batch.val[later] !== change) continue
    if (rows.slice(i, k).every(other => mayPass(batch, later, other, since))) return k
  }
  return -1
}

/** True if a row's operation may have come before that of another row with an earlier timestamp. */
function mayPass(batch: EventBatch, row: number, other: number, since: Float64Array): boolean {
  if (batch.cpu[row] === batch.cpu[other] || batch.pid[row] === batch.pid[other]) return false
  return since[row]! < batch.time[other]! && batch.time[row]! - batch.time[other]! <= WINDOW
}

function move(batch: EventBatch, rows: number[], from: number, to: number): void {
  const [row] = rows.splice(from, 1)
  batch.time[row!] = batch.time[rows[to]!]! - 1
  rows.splice(to, 0, row!)
}
