// SPDX-License-Identifier: GPL-2.0-or-later
/** Iterates over the open files of all processes. A file that several processes share is returned once. */
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/tasks.ts'
import { integer, pointer } from '../kernel/typed.ts'

const MOST_FILES = 1 << 20

export interface OpenFile {
  readonly task: Task
  readonly fd: number
  /** The file's `private_data`, whose type depends on the file's operations. */
  readonly data: bigint
}

/** Yields the files whose operations are one of these symbols, each `private_data` once. */
export function* openFiles(kernel: Kernel, tasks: readonly Task[], operations: readonly string[]): Generator<OpenFile> {
  const wanted = operations.map(name => kernel.address(name)).filter(address => address !== undefined)
  if (wanted.length === 0) return
  const tables = new Set<bigint>()
  const seen = new Set<bigint>()
  for (const task of tasks) {
    if (task.files === 0n || tables.has(task.files)) continue
    tables.add(task.files)
    for (const { fd, file } of filesOf(kernel, task)) {
      const data = kernel.try('an open file', () => {
        const open = kernel.at('file', file)
        return wanted.includes(pointer(open, 'f_op')) ? pointer(open, 'private_data') : 0n
      })
      if (!data || seen.has(data)) continue
      seen.add(data)
      yield { task, fd, data }
    }
  }
}

function* filesOf(kernel: Kernel, task: Task): Generator<{ fd: number; file: bigint }> {
  const table = kernel.try('the open files of a task', () => {
    const files = kernel.at('fdtable', pointer(kernel.at('files_struct', task.files), 'fdt'))
    const count = Math.min(MOST_FILES, Number(integer(files, 'max_fds')))
    return new BigUint64Array(kernel.memory.bytes(pointer(files, 'fd'), 8 * count).slice().buffer)
  })
  for (const [fd, file] of (table ?? []).entries()) if (file !== 0n) yield { fd, file }
}
