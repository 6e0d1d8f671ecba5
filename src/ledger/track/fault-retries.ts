// SPDX-License-Identifier: GPL-2.0-or-later
/** CPU faults on device pages that are tried again and again: each attempt takes a reference and gives it back. */

/**
 * Attempts by one task in one lifetime of a page from which on it is told. In recordings in which all goes well there is one:
 * the migration that follows ends the page's lifetime.
 */
export const MANY_ATTEMPTS = 64

/** Pages looked at, and tasks of each. */
const MAX_PAGES = 100_000
const MAX_TASKS = 8

/** One task's attempts on one page in its present lifetime. */
export interface Attempts {
  pid: number
  /** Of the first get of an attempt: an attempt may take more. */
  signature: number
  times: number
  first: number
  /** The last one. */
  last: number
  cpu: number
  stack: number
}

export class FaultRetries {
  readonly #pages = new Map<number, Attempts[]>()

  /** Notes that a reference was taken in a fault. */
  add(row: number, pid: number, cpu: number, signature: number, stack: number, time: number): void {
    let tasks = this.#pages.get(row)
    if (!tasks) {
      if (this.#pages.size >= MAX_PAGES) return
      tasks = []
      this.#pages.set(row, tasks)
    }
    const task = tasks.find(each => each.pid === pid)
    if (!task) {
      if (tasks.length < MAX_TASKS) tasks.push({ pid, cpu, signature, times: 1, first: time, last: time, stack })
    } else if (task.signature === signature) {
      task.times++
      task.last = time
      task.cpu = cpu
      task.stack = stack
    }
  }

  /** Notes that the page's lifetime is over. */
  end(row: number): void {
    if (this.#pages.size > 0) this.#pages.delete(row)
  }

  /** Yields the pages on which a task has not got anywhere, with those tasks, the busiest first. */
  *repeated(): Generator<{ row: number; tasks: Attempts[] }> {
    for (const [row, all] of this.#pages) {
      const tasks = all.filter(({ times }) => times >= MANY_ATTEMPTS).sort((a, b) => b.times - a.times)
      if (tasks.length > 0) yield { row, tasks }
    }
  }
}
