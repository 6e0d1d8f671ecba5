// SPDX-License-Identifier: GPL-2.0-or-later
/** Counts the events of each task and of each signature, so that "how much came after" is a difference. */
export class TaskClock {
  readonly #rows = new Map<number, number>()
  readonly #ticks: number[] = []
  readonly #last: number[] = []
  readonly #lastStack: number[] = []
  /** Page of the task's last event, and the time of its last one on another page. */
  readonly #page: number[] = []
  readonly #elsewhere: number[] = []
  #lastPid = -1
  #lastRow = -1
  #signatures = new Int32Array(256)

  /** Ordinal of an event among those of its task. */
  tick(pid: number, time: number, stack: number, page: number): number {
    if (pid !== this.#lastPid) {
      this.#lastPid = pid
      this.#lastRow = this.#row(pid)
    }
    if (this.#page[this.#lastRow] !== page) {
      this.#elsewhere[this.#lastRow] = this.#last[this.#lastRow]!
      this.#page[this.#lastRow] = page
    }
    this.#last[this.#lastRow] = time
    this.#lastStack[this.#lastRow] = stack
    return this.#ticks[this.#lastRow]!++
  }

  tickSignature(signature: number): number {
    if (signature >= this.#signatures.length) {
      const grown = new Int32Array(Math.max(signature + 1, this.#signatures.length * 2))
      grown.set(this.#signatures)
      this.#signatures = grown
    }
    return this.#signatures[signature]!++
  }

  ticksOf(pid: number): number {
    const row = this.#rows.get(pid)
    return row === undefined ? 0 : this.#ticks[row]!
  }

  lastTimeOf(pid: number): number {
    const row = this.#rows.get(pid)
    return row === undefined ? -Infinity : this.#last[row]!
  }

  /** Stack of a task's last event, 0 if there is none. */
  lastStackOf(pid: number): number {
    const row = this.#rows.get(pid)
    return row === undefined ? 0 : this.#lastStack[row]!
  }

  /** Row of the page that the task's events since a time were of; -1 if there were none, or several pages. */
  pageSince(pid: number, since: number): number {
    const row = this.#rows.get(pid)
    if (row === undefined || this.#last[row]! < since || this.#elsewhere[row]! >= since) return -1
    return this.#page[row]!
  }

  ticksOfSignature(signature: number): number {
    return this.#signatures[signature] ?? 0
  }

  #row(pid: number): number {
    let row = this.#rows.get(pid)
    if (row === undefined) {
      row = this.#ticks.length
      this.#rows.set(pid, row)
      this.#ticks.push(0)
      this.#last.push(-Infinity)
      this.#lastStack.push(0)
      this.#page.push(-1)
      this.#elsewhere.push(-Infinity)
    }
    return row
  }
}
