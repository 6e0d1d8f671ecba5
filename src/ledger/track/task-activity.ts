// SPDX-License-Identifier: GPL-2.0-or-later
import { grown, lengthFor } from '../../util/growable.ts'

/**
 * The last event of each task, and running numbers of events by task and by call-site key. How many events followed another one
 * is then a difference of two numbers.
 */
export class TaskActivity {
  readonly #rows = new Map<number, number>()
  readonly #ticks: number[] = []
  readonly #last: number[] = []
  /** The same without those of interrupts, which have the pid of the task that they interrupt. */
  readonly #lastOwn: number[] = []
  readonly #lastStack: number[] = []
  /** Page of the task's last event, and the time of its last one on another page. */
  readonly #page: number[] = []
  readonly #elsewhere: number[] = []
  #lastPid = -1
  #lastRow = -1
  #signatures = new Int32Array(256)

  /** Counts an event of a task, and returns its ordinal among those of the task. */
  tick(pid: number, time: number, stack: number, page: number, isInterrupt: boolean): number {
    if (pid !== this.#lastPid) {
      this.#lastPid = pid
      this.#lastRow = this.#row(pid)
    }
    if (this.#page[this.#lastRow] !== page) {
      this.#elsewhere[this.#lastRow] = this.#last[this.#lastRow]!
      this.#page[this.#lastRow] = page
    }
    this.#last[this.#lastRow] = time
    if (!isInterrupt) this.#lastOwn[this.#lastRow] = time
    this.#lastStack[this.#lastRow] = stack
    return this.#ticks[this.#lastRow]!++
  }

  /** Counts an event of a call-site key. */
  tickSignature(signature: number): void {
    if (signature >= this.#signatures.length)
      this.#signatures = grown(this.#signatures, lengthFor(signature, this.#signatures.length))
    this.#signatures[signature]!++
  }

  /** Returns the number of events of a task so far. */
  ticksOf(pid: number): number {
    const row = this.#rows.get(pid)
    return row === undefined ? 0 : this.#ticks[row]!
  }

  /** Returns the number of events of a call-site key so far. */
  ticksOfSignature(signature: number): number {
    return this.#signatures[signature] ?? 0
  }

  /** Returns the time of a task's last event, -Infinity if there is none. */
  lastTimeOf(pid: number): number {
    const row = this.#rows.get(pid)
    return row === undefined ? -Infinity : this.#last[row]!
  }

  /** The same of the events that the task itself made, not an interrupt. */
  lastOwnTimeOf(pid: number): number {
    const row = this.#rows.get(pid)
    return row === undefined ? -Infinity : this.#lastOwn[row]!
  }

  /** Returns the stack of a task's last event, 0 if there is none. */
  lastStackOf(pid: number): number {
    const row = this.#rows.get(pid)
    return row === undefined ? 0 : this.#lastStack[row]!
  }

  /**
   * Returns the row of the page to which all events of a task since a time belong; -1 if there were none, or of several pages.
   */
  pageSince(pid: number, since: number): number {
    const row = this.#rows.get(pid)
    if (row === undefined || this.#last[row]! < since || this.#elsewhere[row]! >= since) return -1
    return this.#page[row]!
  }

  #row(pid: number): number {
    let row = this.#rows.get(pid)
    if (row === undefined) {
      row = this.#ticks.length
      this.#rows.set(pid, row)
      this.#ticks.push(0)
      this.#last.push(-Infinity)
      this.#lastOwn.push(-Infinity)
      this.#lastStack.push(0)
      this.#page.push(-1)
      this.#elsewhere.push(-Infinity)
    }
    return row
  }
}
