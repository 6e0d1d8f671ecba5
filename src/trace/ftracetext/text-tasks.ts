// SPDX-License-Identifier: GPL-2.0-or-later
/** Collects the names of tasks from the lines of a text. */
import { decodeText } from '../common/bytes.ts'
import { TaskNames } from '../common/tasks.ts'

/** Matches "prev_comm=a prev_pid=1" and, in the output of trace-cmd report, "a:1 [120] S ==> b:2 [120]". */
const SWITCHED = /\b(?:prev|next)_comm=(.*?) (?:prev|next)_pid=(\d+)|(?:^|==>) *(.*?):(\d+) \[\d+\]/g

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
    for (const [, name, pid, shortName, shortPid] of fields.matchAll(SWITCHED)) {
      const task = Number(pid ?? shortPid)
      if (task > 0 && !this.has(task)) this.set(task, (name ?? shortName)!)
    }
  }
}
