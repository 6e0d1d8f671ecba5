// SPDX-License-Identifier: GPL-2.0-or-later
import type { TaskTable } from '../events.ts'

/** Maximum number of pids with names. More pids than PID_MAX_LIMIT are damage. */
const MAX_TASKS = 1 << 22

/** Command names by pid. If a pid gets several names, the last one counts. */
export class TaskNames implements TaskTable {
  readonly #names = new Map<number, string>()

  set(pid: number, name: string): void {
    if (this.#names.size < MAX_TASKS || this.#names.has(pid)) this.#names.set(pid, name)
  }

  has(pid: number): boolean {
    return this.#names.has(pid)
  }

  /** Adds lines of tracefs `saved_cmdlines`: "pid name". */
  addSavedCmdlines(text: string): void {
    for (const line of text.split('\n')) {
      const match = /^(\d+) (.*)$/.exec(line)
      if (match) this.set(Number(match[1]), match[2]!)
    }
  }

  name(pid: number): string {
    return this.#names.get(pid) ?? (pid === 0 ? '<idle>' : '<...>')
  }
}
