// SPDX-License-Identifier: GPL-2.0-or-later
/** Device pages in the buffers of pipes (vmsplice): each buffer holds one reference. */
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/tasks.ts'
import { has, integer, pointer } from '../kernel/typed.ts'
import type { MemoryMap } from '../mm/memory-map.ts'

export interface PipeBuffer {
  readonly pfn: number
  readonly pipe: bigint
  readonly task: Task
  readonly fd: number
  /** Place in the ring. */
  readonly slot: number
  readonly address: bigint
}

/** Pipes without a name have operations of their own since 6.15. */
const OPERATIONS = ['pipefifo_fops', 'pipeanon_fops']

const MOST_FILES = 1 << 20
const MOST_SLOTS = 1 << 20

/** Looks through the pipes of every process. */
export function readPipes(kernel: Kernel, map: MemoryMap, tasks: readonly Task[]): PipeBuffer[] {
  const operations = OPERATIONS.map(name => kernel.address(name))
  const found: PipeBuffer[] = []
  const tables = new Set<bigint>()
  const pipes = new Set<bigint>()
  for (const task of tasks) {
    if (task.files === 0n || tables.has(task.files)) continue
    tables.add(task.files)
    for (const { fd, file } of filesOf(kernel, task)) {
      const pipe = kernel.try('an open file', () => {
        const open = kernel.at('file', file)
        return operations.includes(pointer(open, 'f_op')) ? pointer(open, 'private_data') : 0n
      })
      if (!pipe || pipes.has(pipe)) continue
      pipes.add(pipe)
      kernel.try('a pipe', () => {
        for (const slot of slotsOf(kernel, map, pipe)) found.push({ ...slot, pipe, task, fd })
      })
    }
  }
  return found
}

function* filesOf(kernel: Kernel, task: Task): Generator<{ fd: number; file: bigint }> {
  const table = kernel.try('the open files of a task', () => {
    const files = kernel.at('fdtable', pointer(kernel.at('files_struct', task.files), 'fdt'))
    const count = Math.min(MOST_FILES, Number(integer(files, 'max_fds')))
    return new BigUint64Array(kernel.memory.bytes(pointer(files, 'fd'), 8 * count).slice().buffer)
  })
  for (const [fd, file] of (table ?? []).entries()) if (file !== 0n) yield { fd, file }
}

function* slotsOf(kernel: Kernel, map: MemoryMap, address: bigint) {
  const pipe = kernel.at('pipe_inode_info', address)
  if (!has(pipe, 'ring_size') || !has(pipe, 'tail')) return
  const size = integer(pipe, 'ring_size')
  const [head, tail] = [integer(pipe, 'head'), integer(pipe, 'tail')]
  const used = BigInt.asUintN(32, head - tail)
  if (size === 0n || size > BigInt(MOST_SLOTS) || used > size) return
  const buffers = pointer(pipe, 'bufs')
  const bytes = BigInt(kernel.sizeOf('pipe_buffer'))
  for (let i = 0n; i < used; i++) {
    const slot = (tail + i) % size
    const at = buffers + slot * bytes
    const page = map.pfnOf(pointer(kernel.at('pipe_buffer', at), 'page'))
    if (page !== undefined) yield { pfn: page, slot: Number(slot), address: at }
  }
}
