// SPDX-License-Identifier: GPL-2.0-or-later
import { lengthFor } from '../../util/growable.ts'
import { type Arena, plainArena } from './arena.ts'
import { NumberIndex } from './number-index.ts'

/** Tasks for which there is room at first. */
const FIRST_TASKS = 64

/**
 * The last event of each task, and running numbers of events by task and by call-site key. How many events followed another one
 * is then a difference of two numbers.
 */
export class TaskActivity {
  /** Rows of tasks by pid, taken for an unsigned number. */
  readonly rows: NumberIndex
  /** Columns of tasks. */
  readonly activity: TaskColumns
  /** Number of events by call-site key. */
  signatures: Int32Array
  readonly #arena: Arena
  #lastPid = -1
  #lastRow = -1

  constructor(arena: Arena = plainArena()) {
    this.#arena = arena
    this.rows = new NumberIndex(arena)
    this.activity = new TaskColumns(arena)
    this.signatures = arena.column(Int32Array, 256)
  }

  /** Counts an event of a task, and returns its ordinal among those of the task. */
  tick(pid: number, time: number, stack: number, page: number, isInterrupt: boolean): number {
    if (pid !== this.#lastPid) {
      this.#lastPid = pid
      this.#lastRow = this.#row(pid)
    }
    const row = this.#lastRow
    const { ticks, last, lastOwn, lastStack, page: pages, elsewhere } = this.activity
    if (pages[row] !== page) {
      elsewhere[row] = last[row]!
      pages[row] = page
    }
    last[row] = time
    if (!isInterrupt) lastOwn[row] = time
    lastStack[row] = stack
    return ticks[row]!++
  }

  /** Counts an event of a call-site key. */
  tickSignature(signature: number): void {
    if (signature >= this.signatures.length)
      this.signatures = this.#arena.grown(this.signatures, lengthFor(signature, this.signatures.length))
    this.signatures[signature]!++
  }

  /** Returns the number of events of a task so far. */
  ticksOf(pid: number): number {
    const row = this.#find(pid)
    return row < 0 ? 0 : this.activity.ticks[row]!
  }

  /** Returns the number of events of a call-site key so far. */
  ticksOfSignature(signature: number): number {
    return this.signatures[signature] ?? 0
  }

  /** Returns the time of a task's last event, -Infinity if there is none. */
  lastTimeOf(pid: number): number {
    const row = this.#find(pid)
    return row < 0 ? -Infinity : this.activity.last[row]!
  }

  /** The same of the events that the task itself made, not an interrupt. */
  lastOwnTimeOf(pid: number): number {
    const row = this.#find(pid)
    return row < 0 ? -Infinity : this.activity.lastOwn[row]!
  }

  /** Returns the stack of a task's last event, 0 if there is none. */
  lastStackOf(pid: number): number {
    const row = this.#find(pid)
    return row < 0 ? 0 : this.activity.lastStack[row]!
  }

  /**
   * Returns the row of the page to which all events of a task since a time belong; -1 if there were none, or of several pages.
   */
  pageSince(pid: number, since: number): number {
    const row = this.#find(pid)
    if (row < 0 || this.activity.last[row]! < since || this.activity.elsewhere[row]! >= since) return -1
    return this.activity.page[row]!
  }

  /** Returns the row of a task, -1 if there was no event of it. */
  #find(pid: number): number {
    return this.rows.get(pid >>> 0)
  }

  /** Returns the row of a task, which is added if it is new. */
  #row(pid: number): number {
    const known = this.#find(pid)
    if (known >= 0) return known
    const row = this.rows.size
    if (row === this.activity.ticks.length) this.#arena.growColumns(this.activity, row * 2)
    this.rows.add(pid >>> 0, row)
    const { last, lastOwn, page, elsewhere } = this.activity
    last[row] = lastOwn[row] = elsewhere[row] = -Infinity
    page[row] = -1
    return row
  }
}

/** What is known of each task. */
class TaskColumns {
  /** Number of events. */
  ticks: Int32Array
  /** Time of the last event. */
  last: Float64Array
  /** The same without those of interrupts, which have the pid of the task that they interrupt. */
  lastOwn: Float64Array
  /** Stack of the last event. */
  lastStack: Int32Array
  /** Page of the task's last event, and the time of its last one on another page. */
  page: Int32Array
  elsewhere: Float64Array

  constructor(arena: Arena) {
    this.ticks = arena.column(Int32Array, FIRST_TASKS)
    this.last = arena.column(Float64Array, FIRST_TASKS)
    this.lastOwn = arena.column(Float64Array, FIRST_TASKS)
    this.lastStack = arena.column(Int32Array, FIRST_TASKS)
    this.page = arena.column(Int32Array, FIRST_TASKS)
    this.elsewhere = arena.column(Float64Array, FIRST_TASKS)
  }
}
