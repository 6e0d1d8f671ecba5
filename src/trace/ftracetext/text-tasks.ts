// SPDX-License-Identifier: GPL-2.0-or-later
/** Names of tasks, as the lines of a text tell them. */
import { decodeText } from '../common/bytes.ts'
import { TaskNames } from '../common/tasks.ts'

/** "prev_comm=a prev_pid=1", and as trace-cmd report shows it: "a:1 [120] S ==> b:2 [120]". */
const SWITCHED = /\b(?:prev|next)_comm=(.*?) (?:prev|next)_pid=(\d+)|(?:^|==>) *(.*?):(\d+) \[\d+\]/g

export class TextTasks extends TaskNames {
  /** Hash of the name last seen of a pid, so that names are decoded when they change only. */
  readonly #hashes = new Map<number, number>()

  /** Takes in the name that stands before the pid of an event, at [start, end). */
  ran(pid: number, bytes: Uint8Array, start: number, end: number): void {
    let hash = end - start
    for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0
    if (this.#hashes.get(pid) === hash) return
    this.#hashes.set(pid, hash)
    const name = decodeText(bytes.subarray(start, end))
    if (name !== '<...>') this.set(pid, name)
  }

  /** Names tasks whose lines have no name, since the kernel had forgotten it, by the fields of a sched_switch. */
  switched(fields: string): void {
    for (const [, name, pid, shortName, shortPid] of fields.matchAll(SWITCHED)) {
      const task = Number(pid ?? shortPid)
      if (task > 0 && !this.has(task)) this.set(task, (name ?? shortName)!)
    }
  }
}
