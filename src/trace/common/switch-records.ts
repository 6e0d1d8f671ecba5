// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Names of tasks in records of sched_switch: the kernel remembers the names of few tasks for its traces, and a recording that
 * was made beside sched_switch knows more.
 *
 * Facts of the format: include/trace/events/sched.h.
 */
import { decodeText } from './bytes.ts'
import { type EventFormat, findField } from './event-format.ts'

/** A task's name and pid in a record: places in bytes. */
interface NamedPid {
  name: number
  /** Bytes of the name, up to its NUL. */
  size: number
  pid: number
}

/** How the records of sched_switch are read. Plain data: it goes to worker threads. */
export interface SwitchLayout {
  id: number
  /** Bytes of a record. */
  size: number
  tasks: NamedPid[]
}

/** Names longer than this are no command's. */
const MAX_NAME = 64

/** Tasks that are remembered of one decoder. */
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

/** Reads the names of tasks that it has not read before. */
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
