// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the buffers that processes have registered with io_uring (io_uring/rsrc.c), whose pages stay pinned until they are
 * unregistered.
 */
import type { Kernel } from '../kernel/kernel.ts'
import type { Task } from '../kernel/tasks.ts'
import { addressOf, has, integer, pointer } from '../kernel/typed.ts'
import { openFiles } from './files.ts'

/** IORING_MAX_REG_BUFFERS, and the number of pages in the largest buffer (1 GiB). */
const MOST_BUFFERS = 1 << 14
const MOST_PAGES = 1 << 18

/** The array of bio_vecs that describes one registered buffer. */
export interface RegisteredBuffer {
  readonly task: Task
  readonly fd: number
  /** Index of the buffer among those of its ring. */
  readonly number: number
  /** Addresses [from, to) of the array. */
  readonly from: bigint
  readonly to: bigint
}

/** Reads the registered buffers of every process, in order of their addresses. */
export function readRegisteredBuffers(kernel: Kernel, tasks: readonly Task[]): RegisteredBuffer[] {
  if (!kernel.btf.struct('io_ring_ctx') || !kernel.btf.struct('io_mapped_ubuf')) return []
  const found: RegisteredBuffer[] = []
  for (const { task, fd, data } of openFiles(kernel, tasks, ['io_uring_fops'])) {
    kernel.try('the buffers of an io_uring', () => {
      for (const { number, buffer } of buffersOf(kernel, data)) {
        const array = kernel.try('a buffer of an io_uring', () => arrayOf(kernel, buffer))
        if (array) found.push({ task, fd, number, ...array })
      }
    })
  }
  return found.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
}

function* buffersOf(kernel: Kernel, address: bigint): Generator<{ number: number; buffer: bigint }> {
  const ring = kernel.at('io_ring_ctx', address)
  if (has(ring, 'buf_table')) {
    // 6.13 (7029acd8a950) moved buffers and files to one type of table, whose entries are nodes.
    const nodes = pointer(ring, 'buf_table.nodes')
    for (let i = 0; i < countOf(integer(ring, 'buf_table.nr')); i++) {
      const node = kernel.memory.u64(nodes + BigInt(8 * i))
      if (node !== 0n) yield { number: i, buffer: pointer(kernel.at('io_rsrc_node', node), 'buf') }
    }
    return
  }
  if (!has(ring, 'user_bufs')) return
  const buffers = pointer(ring, 'user_bufs')
  // Up to 5.12 the table is an array of structures. Since then it is an array of pointers to them (41edf1a5ec96).
  const { btf } = kernel
  const isOfPointers = btf.isPointer(btf.target(btf.member('io_ring_ctx.user_bufs')!.type))
  const each = isOfPointers ? 8n : BigInt(kernel.sizeOf('io_mapped_ubuf'))
  for (let i = 0; i < countOf(integer(ring, 'nr_user_bufs')); i++) {
    const at = buffers + BigInt(i) * each
    yield { number: i, buffer: isOfPointers ? kernel.memory.u64(at) : at }
  }
}

function countOf(buffers: bigint): number {
  return buffers > BigInt(MOST_BUFFERS) ? 0 : Number(buffers)
}

function arrayOf(kernel: Kernel, address: bigint): { from: bigint; to: bigint } | undefined {
  if (address === 0n) return undefined
  const buffer = kernel.at('io_mapped_ubuf', address)
  const pages = integer(buffer, 'nr_bvecs')
  if (pages === 0n || pages > BigInt(MOST_PAGES)) return undefined
  const member = kernel.btf.member('io_mapped_ubuf.bvec')
  const isPointer = member !== undefined && kernel.btf.isPointer(member.type)
  const from = isPointer ? pointer(buffer, 'bvec') : addressOf(buffer, 'bvec')
  return { from, to: from + pages * BigInt(kernel.sizeOf('bio_vec')) }
}
