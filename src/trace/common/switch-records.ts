// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads the names of tasks from records of sched_switch. The kernel remembers few names for its traces, so a recording that
 * includes sched_switch knows more of them.
 *
 * Facts of the format: include/trace/events/sched.h.
 */
import { decodeText } from './bytes.ts'
import { type EventFormat, findField } from './event-format.ts'

/** Offsets in a record of a task's name and pid. */
interface NamedPid {
  name: number
  /** Size in bytes of the name field, including the NUL. */
  size: number
  pid: number
}

/** How to read records of sched_switch. Plain data, because it is sent to worker threads. */
export interface SwitchLayout {
  id: number
  /** Minimum size of a record in bytes. */
  size: number
  tasks: NamedPid[]
}

/** Maximum length of a name. No command name is longer. */
const MAX_NAME = 64

/** Maximum number of tasks that one decoder remembers. */
const MAX_TASKS = 1 << 20

/** How records are read; undefined for events other than sched_switch. */
export function switchLayout(format: EventFormat): SwitchLayout | undefined {
  if (format.system !== 'sched' || format.name !== 'sched_switch') return undefined
  const tasks = ['prev', 'next'].flatMap(which => {
    const name = findField(format, `${which}_comm`)
    const pid = findField(format, `${which}_pid`)
    if (!name || !pid || name.dynamic || name.size > MAX_NAME || pid.size !== 4) return []
    return [{ name: name.offset, size: name.size, pid: pid.offset }]
  })
  const size = Math.max(...tasks.map(task => Math.max(task.name + task.size, task.pid + 4)))
  return tasks.length > 0 ? { id: format.id, size, tasks } : undefined
}

/** Reads the names of tasks. Skips tasks whose name was already read. */
export class SwitchReader {
  readonly #layout: SwitchLayout
  readonly #littleEndian: boolean
  readonly #known = new Set<number>()

  constructor(layout: SwitchLayout, littleEndian: boolean) {
    this.#layout = layout
    this.#littleEndian = littleEndian
  }

  /** Adds the names in the record of `length` bytes at `at`. */
  take(view: DataView, at: number, length: number, names: Map<number, string>): void {
    if (length < this.#layout.size) return
    for (const { name, size, pid } of this.#layout.tasks) {
      const task = view.getInt32(at + pid, this.#littleEndian)
      if (task === 0 || this.#known.has(task) || this.#known.size >= MAX_TASKS) continue
      this.#known.add(task)
      const bytes = new Uint8Array(view.buffer, view.byteOffset + at + name, size)
      const end = bytes.indexOf(0)
      const text = decodeText(end < 0 ? bytes : bytes.subarray(0, end))
      if (text !== '') names.set(task, text)
    }
  }
}
