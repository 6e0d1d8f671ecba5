// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Puts the samples of perf.data in order of time. perf writes what each CPU's buffer holds in turn, and after each
 * round a PERF_RECORD_FINISHED_ROUND: nothing that comes later is older than the youngest sample of the round before.
 */

import { newBatch } from '../common/batch.ts'
import { type Columns, columnBytes, copyRows, layColumns } from '../common/columns.ts'
import type { LossTracker } from '../common/loss-tracker.ts'
import type { EventBatch } from '../events.ts'

const BATCH_ROWS = 1 << 15
/** Room for waiting rows at first. */
const FIRST_ROWS = 1 << 12

/** Samples of one time that are compared with each other. */
const MAX_SAME_TIME = 16

/** Rows that may wait for the end of their round: 270 MB. Beyond that the oldest half is given out. */
const MAX_WAITING = 1 << 22

export class SampleOrder {
  /** Rows in the order of the file; a new one is written at `length`, then `add` is called. */
  waiting: EventBatch = newBatch(FIRST_ROWS)
  /** Samples were given out without knowing that all older ones were read. */
  forced = false
  /** Samples left out because the file has them twice. */
  repeated = 0
  readonly #gaps: LossTracker
  readonly #keepRepeated: boolean
  readonly #batch = newBatch(BATCH_ROWS)
  /** All up to this time is there, by the rule of rounds. */
  #complete = Number.NEGATIVE_INFINITY
  /** That time as of the last look: an interrupt may have delayed a sample for longer than a short round. */
  #settled = Number.NEGATIVE_INFINITY
  /** Youngest sample so far, and at the end of the last round. */
  #youngest = Number.NEGATIVE_INFINITY
  #roundYoungest = Number.NEGATIVE_INFINITY
  #ended = false
  /** Length of `waiting` at which another look is worth it. */
  #enough = BATCH_ROWS
  /** Rows that leave `waiting`; those of them ready to be given out, in order, and how many were. */
  #taken: Uint32Array = new Uint32Array(0)
  #ready: Uint32Array = new Uint32Array(0)
  #given = 0

  constructor(gaps: LossTracker, keepRepeated = false) {
    this.#gaps = gaps
    this.#keepRepeated = keepRepeated
  }

  /** Takes the row written at `waiting.length`. */
  add(time: number): void {
    if (time > this.#youngest) this.#youngest = time
    const { waiting } = this
    if (++waiting.length === waiting.time.length) this.#grow()
  }

  endRound(): void {
    this.#complete = Math.max(this.#complete, this.#roundYoungest)
    this.#roundYoungest = this.#youngest
  }

  /** No more samples come. */
  end(): void {
    this.#ended = true
  }

  /** The next batch; undefined: read on. */
  next(): EventBatch | undefined {
    if (this.#given === this.#ready.length && !this.#prepare()) return this.#lastGaps()
    const batch = this.#batch
    const rows = this.#ready.subarray(this.#given, this.#given + BATCH_ROWS)
    gatherRows(batch, this.waiting, rows)
    this.#given += rows.length
    batch.length = rows.length
    batch.lost = this.#gaps.take()
    if (this.#given === this.#ready.length) this.#removeGiven()
    return batch
  }

  #lastGaps(): EventBatch | undefined {
    if (!this.#ended || this.#gaps.found.length === 0) return undefined
    this.#batch.length = 0
    this.#batch.lost = this.#gaps.take()
    return this.#batch
  }

  /** Finds the rows that can be given out; false: none. */
  #prepare(): boolean {
    const { waiting } = this
    const full = waiting.length >= MAX_WAITING
    if (waiting.length === 0 || (waiting.length < this.#enough && !this.#ended && !full)) return false
    let limit = this.#ended ? Number.POSITIVE_INFINITY : this.#settled
    this.#settled = this.#complete
    if (full && !this.#someUpTo(limit)) {
      limit = middleTime(waiting)
      this.forced = true
    }
    const sorted = sortByTime(waiting.time, rowsUpTo(waiting, limit))
    this.#taken = sorted
    this.#ready = this.#keepRepeated ? sorted : this.#withoutRepeated(sorted)
    this.#given = 0
    // Rows of a long round would be looked at again and again.
    this.#enough = Math.min(MAX_WAITING, waiting.length - sorted.length + BATCH_ROWS)
    return this.#ready.length > 0
  }

  /**
   * perf was seen to write what a CPU's buffer held twice, in two rounds. One CPU has no two events with the same time
   * and the same contents: the count alone tells them apart.
   */
  #withoutRepeated(rows: Uint32Array): Uint32Array {
    const { waiting } = this
    const { time } = waiting
    const kept = new Uint32Array(rows.length)
    let count = 0
    for (const row of rows) {
      const limit = Math.max(0, count - MAX_SAME_TIME)
      let other = count - 1
      while (other >= limit && time[kept[other]!] === time[row] && !sameRow(waiting, kept[other]!, row)) other--
      if (other >= limit && time[kept[other]!] === time[row]) this.repeated++
      else kept[count++] = row
    }
    return kept.subarray(0, count)
  }

  #someUpTo(limit: number): boolean {
    const { time, length } = this.waiting
    for (let row = 0; row < length; row++) if (time[row]! <= limit) return true
    return false
  }

  /** Closes up the rows that still wait. */
  #removeGiven(): void {
    const { waiting } = this
    const given = new Uint8Array(waiting.length)
    for (const row of this.#taken) given[row] = 1
    let to = 0
    for (let row = 0; row < given.length; ) {
      const start = row
      while (row < given.length && given[row] === 0) row++
      copyRows(waiting, to, waiting, start, row)
      to += row - start
      while (row < given.length && given[row] === 1) row++
    }
    waiting.length = to
    this.#ready = new Uint32Array(0)
    this.#given = 0
  }

  #grow(): void {
    const { waiting } = this
    const columns = layColumns(new ArrayBuffer(columnBytes(waiting.time.length * 2)))
    copyRows(columns, 0, waiting, 0, waiting.length)
    this.waiting = { ...waiting, ...columns }
  }
}

function sameRow(columns: Columns, a: number, b: number): boolean {
  return (
    columns.cpu[a] === columns.cpu[b] &&
    columns.pfn[a] === columns.pfn[b] &&
    columns.op[a] === columns.op[b] &&
    columns.count[a] === columns.count[b] &&
    columns.val[a] === columns.val[b] &&
    columns.ret[a] === columns.ret[b] &&
    columns.pid[a] === columns.pid[b] &&
    columns.mapcount[a] === columns.mapcount[b] &&
    columns.flagsLow[a] === columns.flagsLow[b] &&
    columns.flagsHigh[a] === columns.flagsHigh[b] &&
    columns.mappingLow[a] === columns.mappingLow[b] &&
    columns.mappingHigh[a] === columns.mappingHigh[b] &&
    columns.mt[a] === columns.mt[b] &&
    columns.stack[a] === columns.stack[b]
  )
}

function rowsUpTo({ time, length }: EventBatch, limit: number): Uint32Array {
  const rows = new Uint32Array(length)
  let count = 0
  for (let row = 0; row < length; row++) if (time[row]! <= limit) rows[count++] = row
  return rows.subarray(0, count)
}

/** A time that about half of the rows do not exceed. */
function middleTime({ time, length }: EventBatch): number {
  const times = time.slice(0, length).sort()
  return times[length >> 1]!
}

/**
 * Sorts rows by time, keeping the order of those with equal times. A natural merge sort: the rows are runs of each CPU,
 * one after the other.
 */
export function sortByTime(time: Float64Array, rows: Uint32Array): Uint32Array {
  let from = rows.slice()
  let to = new Uint32Array(rows.length)
  for (;;) {
    const runs = mergeRuns(time, from, to)
    if (runs <= 1) return to
    const merged = to
    to = from
    from = merged
  }
}

/** Merges runs two by two from one array to the other; the number of runs that come out. */
function mergeRuns(time: Float64Array, from: Uint32Array, to: Uint32Array): number {
  let runs = 0
  for (let start = 0; start < from.length; runs++) {
    const middle = runEnd(time, from, start)
    const end = middle < from.length ? runEnd(time, from, middle) : middle
    let left = start
    let right = middle
    for (let at = start; at < end; at++) {
      const takeLeft = right >= end || (left < middle && time[from[left]!]! <= time[from[right]!]!)
      to[at] = takeLeft ? from[left++]! : from[right++]!
    }
    start = end
  }
  return runs
}

function runEnd(time: Float64Array, rows: Uint32Array, start: number): number {
  let end = start + 1
  while (end < rows.length && time[rows[end - 1]!]! <= time[rows[end]!]!) end++
  return end
}

/** Copies the rows named to the first rows of the target. Written out, for each column has its own type. */
function gatherRows(target: Columns, source: Columns, rows: Uint32Array): void {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!
    target.time[i] = source.time[row]!
    target.cpu[i] = source.cpu[row]!
    target.op[i] = source.op[row]!
    target.pid[i] = source.pid[row]!
    target.pfn[i] = source.pfn[row]!
    target.flagsLow[i] = source.flagsLow[row]!
    target.flagsHigh[i] = source.flagsHigh[row]!
    target.count[i] = source.count[row]!
    target.mapcount[i] = source.mapcount[row]!
    target.mappingLow[i] = source.mappingLow[row]!
    target.mappingHigh[i] = source.mappingHigh[row]!
    target.mt[i] = source.mt[row]!
    target.val[i] = source.val[row]!
    target.ret[i] = source.ret[row]!
    target.stack[i] = source.stack[row]!
  }
}
