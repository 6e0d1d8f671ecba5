// SPDX-License-Identifier: GPL-2.0-or-later
/** Collects the names of tasks from the lines of a text. */
import { decodeText } from '../common/bytes.ts'
import { TaskNames } from '../common/tasks.ts'

/** Matches the tasks of "prev_comm=a prev_pid=1 ... ==> next_comm=b next_pid=2". Names are short. */
const SWITCHED = /\b(?:prev|next)_comm=(.{0,64}?) (?:prev|next)_pid=(\d{1,10})/g
/** Matches a task in the output of trace-cmd report, "a:1 [120] S ==> b:2 [120]", from its name on. */
const SWITCHED_SHORT = /^(.*?):(\d{1,10}) \[\d/

export class TextTasks extends TaskNames {
  /** Hash of the last name by pid, so that a name is decoded only when it changes. */
  readonly #hashes = new Map<number, number>()

  /** Takes over the name at [start, end) before the pid of an event. */
  ran(pid: number, bytes: Uint8Array, start: number, end: number): void {
    let hash = end - start
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0
    if (this.#hashes.get(pid) === hash) return
    this.#hashes.set(pid, hash)
    const name = decodeText(bytes.subarray(start, end))
    if (name !== '<...>') this.set(pid, name)
  }

  /** Takes over names from the fields of a sched_switch, for tasks whose own lines have none because the kernel forgot it. */
  switched(fields: string): void {
    const named = [...fields.matchAll(SWITCHED)]
    const found = named.length > 0 ? named : fields.split('==>').map(task => SWITCHED_SHORT.exec(task.trim()))
    for (const match of found) {
      const task = Number(match?.[2] ?? 0)
      if (task > 0 && !this.has(task)) this.set(task, match![1]!)
    }
  }
}
