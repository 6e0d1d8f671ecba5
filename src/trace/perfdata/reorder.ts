// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Sorts the samples of perf.data by time. perf writes the contents of each CPU's buffer in turn and, after each round, a
 * PERF_RECORD_FINISHED_ROUND. Samples after that record are not older than the youngest sample of the round before the one that
 * it ends.
 */

import { newBatch } from '../common/batch.ts'
import { type Columns, columnBytes, copyRows, layColumns } from '../common/columns.ts'
import type { LossTracker } from '../common/loss-tracker.ts'
import type { EventBatch } from '../events.ts'

const BATCH_ROWS = 1 << 15
/** Initial capacity for waiting rows. */
const FIRST_ROWS = 1 << 12

/** Maximum number of samples with equal times that are compared to find repeated ones. */
const MAX_SAME_TIME = 16

/** Maximum number of rows that wait for the end of their round (270 MB). When it is reached, the older half is delivered. */
const MAX_WAITING = 1 << 22

export class SampleOrder {
  /** Waiting rows in the order of the file. A caller writes a new row at `length` and then calls `add`. */
  waiting: EventBatch = newBatch(FIRST_ROWS)
  /** Set if samples were delivered before all older ones were certain to have been read. */
  forced = false
  /** Number of samples left out because the file contains them twice. */
  repeated = 0
  readonly #gaps: LossTracker
  readonly #keepRepeated: boolean
  readonly #batch = newBatch(BATCH_ROWS)
  /** By the rule of rounds, all samples up to this time have been read. */
  #complete = Number.NEGATIVE_INFINITY
  /** `#complete` as of the previous look, used as the limit: an interrupt can delay a sample for longer than a short round. */
  #settled = Number.NEGATIVE_INFINITY
  /** Time of the youngest sample so far, and of the youngest one at the end of the last round. */
  #youngest = Number.NEGATIVE_INFINITY
  #roundYoungest = Number.NEGATIVE_INFINITY
  #ended = false
  /** Length of `waiting` from which on looking again is worthwhile. */
  #enough = BATCH_ROWS
  /** Rows to be removed from `waiting`, those of them that are to be delivered, in order, and how many have been delivered. */
  #taken: Uint32Array = new Uint32Array(0)
  #ready: Uint32Array = new Uint32Array(0)
  #given = 0

  constructor(gaps: LossTracker, keepRepeated = false) {
    this.#gaps = gaps
    this.#keepRepeated = keepRepeated
  }

  /** Adds the row written at `waiting.length`. */
  add(time: number): void {
    if (time > this.#youngest) this.#youngest = time
    const { waiting } = this
    if (++waiting.length === waiting.time.length) this.#grow()
  }

  endRound(): void {
    this.#complete = Math.max(this.#complete, this.#roundYoungest)
    this.#roundYoungest = this.#youngest
  }

  /** Must be called after the last sample. */
  end(): void {
    this.#ended = true
  }

  /** Returns the next batch; undefined if more samples must be read. */
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

  /** Determines the rows that can be delivered. Returns false if there are none. */
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
    // Without this, the rows of a long round would be examined again for each new one.
    this.#enough = Math.min(MAX_WAITING, waiting.length - sorted.length + BATCH_ROWS)
    return this.#ready.length > 0
  }

  /**
   * Removes repeated samples. perf has been seen to write the contents of a CPU's buffer twice, in two rounds. Equal samples are
   * certainly repeated: of two events of one CPU at the same time, at least the counts differ.
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

  /** Removes the delivered rows and closes the gaps between those that still wait. */
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

/** Returns a time that about half of the rows do not exceed. */
function middleTime({ time, length }: EventBatch): number {
  const times = time.slice(0, length).sort()
  return times[length >> 1]!
}

/**
 * Sorts rows by time and keeps the order of rows with equal times. It is a natural merge sort, because the rows consist of sorted
 * runs, one per CPU.
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

/** Merges pairs of runs from one array to the other. Returns the resulting number of runs. */
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

/** Copies the given rows to the first rows of the target. The loops are written out because each column has its own type. */
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
