// SPDX-License-Identifier: GPL-2.0-or-later
/** Device pages in the buffers of pipes (vmsplice): each buffer holds one reference. */
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/tasks.ts'
import { has, integer, pointer } from '../kernel/typed.ts'
import type { MemoryMap } from '../mm/memory-map.ts'
import { openFiles } from './files.ts'

export interface PipeBuffer {
  readonly pfn: number
  readonly pipe: bigint
  readonly task: Task
  readonly fd: number
  /** Index in the pipe's ring of buffers. */
  readonly slot: number
  readonly address: bigint
}

/** `f_op` of pipes. Since 6.15, anonymous pipes have operations of their own. */
const OPERATIONS = ['pipefifo_fops', 'pipeanon_fops']

const MOST_SLOTS = 1 << 20

/** Reads the pipes of every process. */
export function readPipes(kernel: Kernel, map: MemoryMap, tasks: readonly Task[]): PipeBuffer[] {
  const found: PipeBuffer[] = []
  for (const { task, fd, data } of openFiles(kernel, tasks, OPERATIONS)) {
    kernel.try('a pipe', () => {
      for (const slot of slotsOf(kernel, map, data)) found.push({ ...slot, pipe: data, task, fd })
    })
  }
  return found
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
