// SPDX-License-Identifier: GPL-2.0-or-later
/** The tasks of the kernel: every thread of every process, with its stack and address space. */
import type { Kernel } from './kernel.ts'
import { listEntries } from './lists.ts'
import { has, i32, integer, pointer, text, u32 } from './typed.ts'

const MOST_TASKS = 1 << 20
const LARGEST_STACK = 1 << 17

export interface Task {
  readonly address: bigint
  readonly pid: number
  readonly name: string
  /** Address of the `mm_struct`; 0 for kernel threads. */
  readonly mm: bigint
  readonly files: bigint
  /** Lowest address of the kernel stack, and its size in bytes. */
  readonly stack: bigint
  readonly stackBytes: number
  /** Saved stack pointer: memory below it is no longer in use. Meaningless while the task runs. */
  readonly stackPointer: bigint
  readonly running: boolean
}

/** Returns every thread, with the leader of each process before its other threads. */
export function readTasks(kernel: Kernel): Task[] {
  const init = kernel.address('init_task')
  if (init === undefined) return []
  const found = new Map<bigint, Task>()
  const add = (address: bigint) => {
    if (found.has(address) || found.size >= MOST_TASKS) return
    const task = kernel.try('a task', () => readTask(kernel, address))
    if (task) found.set(address, task)
  }
  const next = kernel.need('task_struct.tasks')
  const leaders = [init, ...listEntries(kernel, init + BigInt(next), next, 'the list of tasks')]
  for (const leader of leaders) {
    add(leader)
    for (const thread of threadsOf(kernel, leader)) add(thread)
  }
  return [...found.values()]
}

/** Yields the threads of a process. 6.7 (8e1f385104ac) removed the second list of threads from `task_struct`. */
function threadsOf(kernel: Kernel, leader: bigint): bigint[] {
  const node = kernel.offset('task_struct.thread_node')
  const head = kernel.offset('signal_struct.thread_head')
  if (node === undefined || head === undefined) return []
  const signal = kernel.try('the threads of a task', () => pointer(kernel.at('task_struct', leader), 'signal'))
  if (!signal) return []
  return [...listEntries(kernel, signal + BigInt(head), node, 'the threads of a task')]
}

function readTask(kernel: Kernel, address: bigint): Task {
  const task = kernel.at('task_struct', address)
  const stack = pointer(task, 'stack')
  return {
    address,
    pid: i32(task, 'pid'),
    name: text(task, 'comm', 16),
    mm: pointer(task, 'mm'),
    files: has(task, 'files') ? pointer(task, 'files') : 0n,
    stack,
    stackBytes: stack === 0n ? 0 : stackBytes(kernel, address),
    stackPointer: has(task, kernel.arch.stackPointer) ? pointer(task, kernel.arch.stackPointer) : 0n,
    running: has(task, 'on_cpu') && integer(task, 'on_cpu') !== 0n,
  }
}

function stackBytes(kernel: Kernel, address: bigint): number {
  const task = kernel.at('task_struct', address)
  const usual = kernel.arch.stackBytes
  if (!has(task, 'stack_vm_area') || !has(kernel.at('vm_struct', 0n), 'nr_pages')) return usual
  const area = pointer(task, 'stack_vm_area')
  if (area === 0n) return usual
  const bytes = u32(kernel.at('vm_struct', area), 'nr_pages') * 4096
  return bytes >= 4096 && bytes <= LARGEST_STACK ? bytes : usual
}

/**
 * Returns the part of a stack that is in use: all of it while the task runs, otherwise the part from the saved stack pointer on.
 */
export function liveStack(kernel: Kernel, task: Task): { from: bigint; bytes: Uint8Array } | undefined {
  if (task.stackBytes === 0) return undefined
  const end = task.stack + BigInt(task.stackBytes)
  const sleeping = !task.running && task.stackPointer >= task.stack && task.stackPointer < end
  const from = sleeping ? task.stackPointer & ~7n : task.stack
  const bytes = kernel.try(`the stack of ${task.name}`, () => kernel.memory.bytes(from, Number(end - from)).slice())
  return bytes && { from, bytes }
}

/** Yields the functions whose return addresses are on a stack, innermost first. Some can be leftovers of earlier calls. */
export function* returnAddresses(kernel: Kernel, task: Task): Generator<{ name: string; address: bigint }> {
  const stack = liveStack(kernel, task)
  if (!stack) return
  const view = new DataView(stack.bytes.buffer, stack.bytes.byteOffset, stack.bytes.byteLength)
  for (let at = 0; at + 8 <= stack.bytes.length; at += 8) {
    const code = kernel.arch.codeAddress(view.getBigUint64(at, true), kernel.info)
    const name = code === undefined ? undefined : kernel.nameOf(code)
    if (name) yield { name, address: stack.from + BigInt(at) }
  }
}
