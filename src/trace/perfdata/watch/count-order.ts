// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The order in which the changes of a watched count took effect. A sample is stamped behind its operation: where the processor
 * is taken away in between (a virtual CPU is for milliseconds), another CPU's operation is stamped first. Instructions that
 * return the count show it.
 */
import type { EventBatch } from '../../events.ts'
import { Change, Told } from './changes.ts'

/** Longest time for which a stamp is late. */
const WINDOW = 50_000_000
/** Rows of the page that one is moved over at most. */
const MOST_STEPS = 64

/** A count that is not known. */
const OPEN = Number.NaN

/** What a row found, and what it left when it found `count`; NaN where that is not known. */
export function foundBy(batch: EventBatch, row: number): number {
  if (batch.mapcount[row]! & Told.BEFORE) return batch.ret[row]!
  // A page is handed out, or given back what a freeze took, while its count is zero.
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

/** Times of the samples before, each on its CPU: an operation came after the one before its own. */
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
 * Puts the rows of one page into the order that their counts tell, as far as moving one of them does. A row that is moved
 * before another takes a time just before that one's: its operation was no later.
 *
 * @param rows in order of time; changed in place
 * @param start count before the first; NaN where it is not known
 * @param since time that the operation of each row came after
 * @returns how many rows were moved
 */
export function orderRows(batch: EventBatch, rows: number[], start: number, since: Float64Array): number {
  /** Count before each row. */
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
        // The row that was put there is looked at next.
        i = target - 1
        if (moved > 2 * rows.length) return moved
        continue
      }
    }
    counts[i + 1] = leftBy(batch, row, Number.isNaN(found) ? count : found)
  }
  return moved
}

/** Place before which the row at `i` found the count that it tells; -1: none. */
function earlierPlace(batch: EventBatch, rows: number[], counts: number[], i: number, since: Float64Array): number {
  const row = rows[i]!
  const found = foundBy(batch, row)
  for (let j = i - 1; j >= 0 && i - j <= MOST_STEPS; j--) {
    const other = rows[j]!
    // What tells its own count has found it without this one.
    if (!mayPass(batch, row, other, since) || !Number.isNaN(foundBy(batch, other))) return -1
    if (counts[j] === found) return j
  }
  return -1
}

/** Place of a later row whose change, had it come before the row at `i`, would make the count that this one found; -1: none. */
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

/** True if the operation of a row may have come before that of one which is stamped earlier. */
function mayPass(batch: EventBatch, row: number, other: number, since: Float64Array): boolean {
  if (batch.cpu[row] === batch.cpu[other] || batch.pid[row] === batch.pid[other]) return false
  return since[row]! < batch.time[other]! && batch.time[row]! - batch.time[other]! <= WINDOW
}

function move(batch: EventBatch, rows: number[], from: number, to: number): void {
  const [row] = rows.splice(from, 1)
  batch.time[row!] = batch.time[rows[to]!]! - 1
  rows.splice(to, 0, row!)
}
