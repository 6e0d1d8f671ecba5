// SPDX-License-Identifier: GPL-2.0-or-later
/** Livelocked CPU faults on device pages: each attempt takes a reference, fails, and gives it back. */

/**
 * Attempts by one task in one lifetime of a page from which on they are reported. Without a fault there is one attempt, because
 * the migration that follows ends the page's lifetime.
 */
export const MANY_ATTEMPTS = 64

/** Most pages tracked, and most tasks of each. */
const MAX_PAGES = 100_000
const MAX_TASKS = 8

/** One task's attempts on one page in its present lifetime. */
export interface Attempts {
  pid: number
  /** Call-site key of the first get of an attempt; an attempt may take further references. */
  signature: number
  times: number
  first: number
  /** Time of the last attempt. */
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

  /** Number of pages in use with a reference that was taken in a fault. */
  get size(): number {
    return this.#pages.size
  }

  /** Notes that the page's lifetime is over. */
  end(row: number): void {
    this.#pages.delete(row)
  }

  /** Yields the pages with a task that reached MANY_ATTEMPTS, and these tasks, those with most attempts first. */
  *repeated(): Generator<{ row: number; tasks: Attempts[] }> {
    for (const [row, all] of this.#pages) {
      const tasks = all.filter(({ times }) => times >= MANY_ATTEMPTS).sort((a, b) => b.times - a.times)
      if (tasks.length > 0) yield { row, tasks }
    }
  }
}
