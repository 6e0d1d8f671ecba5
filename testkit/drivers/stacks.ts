// SPDX-License-Identifier: GPL-2.0-or-later
/** Kernel stacks: frames with addresses, call sites that change a count, and the frames below them. */
import { type Frame, Op } from '../../src/trace/events.ts'

const KERNEL_TEXT = 0xffffffff81000000n
const FUNCTION_BYTES = 0x1000n

/** Frames of the kernel proper, which have the same addresses in all recordings. */
const kernelFrames = new Map<string, Frame>()
const kernelFunctions = new Map<string, bigint>()

/** Returns the frame for "function+0x1f" of the kernel proper. */
export function kernelFrame(text: string): Frame {
  let frame = kernelFrames.get(text)
  if (frame === undefined) {
    const [name, hex] = text.split('+0x') as [string, string]
    let start = kernelFunctions.get(name)
    if (start === undefined) {
      start = KERNEL_TEXT + FUNCTION_BYTES * BigInt(kernelFunctions.size + 1)
      kernelFunctions.set(name, start)
    }
    const offset = Number.parseInt(hex, 16)
    frame = { address: start + BigInt(offset), name, offset, module: undefined }
    kernelFrames.set(text, frame)
  }
  return frame
}

const kernelStacks = new Map<string, Frame[]>()

/** Returns the frames for functions of the kernel proper, separated by blanks, innermost first. */
export function kernelStack(text: string): Frame[] {
  let frames = kernelStacks.get(text)
  if (frames === undefined) {
    frames = text.split(' ').map(kernelFrame)
    kernelStacks.set(text, frames)
  }
  return frames
}

const CALLS = new Map<number, string>([
  [Op.SET, 'set'],
  [Op.MOD, 'mod'],
  [Op.MOD_AND_TEST, 'mod_and_test'],
  [Op.MOD_AND_RETURN, 'mod_and_return'],
  [Op.MOD_UNLESS, 'mod_unless'],
])

/** The frames of the tracepoint itself, which are on top of every stack. */
function topFrames(op: Op): Frame[] {
  const template = op === Op.SET || op === Op.MOD ? 'mod' : 'mod_and_test'
  return kernelStack(`trace_event_raw_event_page_ref_${template}_template+0xd0 __page_ref_${CALLS.get(op)}+0x3e`)
}

/** A right answer to who is at fault: the function, and the caller that has to be below it on the stack. */
export interface Culprit {
  function: string
  caller?: string
}

let tailIds = 0
/** The frames below a call site: the entry function of a task or interrupt, and the frames below that. */
export class Tail {
  readonly id = tailIds++
  readonly frames: readonly Frame[]
  constructor(frames: readonly Frame[]) {
    this.frames = frames
  }
}

/** A call site that changes counts, with its frames from the acting one outwards, without those of the task. */
export class Site {
  readonly frames: readonly Frame[]
  readonly culprits: readonly Culprit[]
  readonly #stacks = new Map<number, readonly Frame[]>()
  #key: string | undefined

  constructor(frames: readonly Frame[], culprits: readonly Culprit[]) {
    this.frames = frames
    this.culprits = culprits
  }

  /** Equal for call sites that look the same in a stack. */
  get key(): string {
    this.#key ??= this.frames.map(({ address }) => address.toString(16)).join(' ')
    return this.#key
  }

  /** Returns the whole stack. It is the same array for the same tail, so that it is interned only once. */
  stack(op: Op, tail: Tail): readonly Frame[] {
    const key = tail.id * 16 + op
    let stack = this.#stacks.get(key)
    if (stack === undefined) {
      stack = this.stackOn(op, tail.frames)
      this.#stacks.set(key, stack)
    }
    return stack
  }

  /** Returns the stack on top of an interrupted task's frames. It is not cached, since these frames do not recur. */
  stackOn(op: Op, below: readonly Frame[]): readonly Frame[] {
    return [...topFrames(op), ...this.frames, ...below]
  }

  /** The same call site with further functions of the core on top, for example where the core sets a count after a last put. */
  through(helpers: string): Site {
    return new Site([...kernelStack(helpers), ...this.frames], this.culprits)
  }
}

/** A call site in the kernel proper. @param accused functions that may be accused */
export function kernelSite(text: string, accused: readonly string[]): Site {
  return new Site(
    kernelStack(text),
    accused.map(name => ({ function: name })),
  )
}

const KTHREAD = 'kthread+0xee ret_from_fork+0x31 ret_from_fork_asm+0x1a'
const SYSCALL = 'do_syscall_64+0x82 entry_SYSCALL_64_after_hwframe+0x76'
const TIMER_IRQ = 'sysvec_apic_timer_interrupt+0x6e asm_sysvec_apic_timer_interrupt+0x1a'
const IDLE = 'default_idle+0xf default_idle_call+0x29 do_idle+0x1d7 cpu_startup_entry+0x29'

export const KTHREAD_TAIL = kernelStack(KTHREAD)
export const WORKER_TAIL = kernelStack(`process_one_work+0x174 worker_thread+0x1fc ${KTHREAD}`)
export const IOCTL_TAIL = kernelStack(`__x64_sys_ioctl+0x94 ${SYSCALL}`)
export const WRITE_TAIL = kernelStack(`vfs_write+0xf5 ksys_write+0x6d ${SYSCALL}`)
export const SYSCALL_TAIL = kernelStack(SYSCALL)
export const INSMOD_TAIL = kernelStack(
  `do_one_initcall+0x5a do_init_module+0x60 init_module_from_file+0x89 __x64_sys_finit_module+0x5a ${SYSCALL}`,
)
export const RMMOD_TAIL = kernelStack(`__do_sys_delete_module+0x1d4 ${SYSCALL}`)
/** The frames between a softirq's handler and the interrupted task. */
export const IRQ_ENTRY = kernelStack(`irq_exit_rcu+0x80 ${TIMER_IRQ}`)
export const SOFTIRQ_TAILS = {
  ksoftirqd: new Tail(kernelStack(`run_ksoftirqd+0x22 smpboot_thread_fn+0xda ${KTHREAD}`)),
  idle: [
    new Tail([...IRQ_ENTRY, ...kernelStack(`${IDLE} rest_init+0xc8 start_kernel+0x4d1 common_startup_64+0x13e`)]),
    new Tail([...IRQ_ENTRY, ...kernelStack(`${IDLE} start_secondary+0x11a common_startup_64+0x13e`)]),
  ],
  interrupted: [
    new Tail(IRQ_ENTRY),
    new Tail([...IRQ_ENTRY, ...kernelStack('irqentry_exit_to_user_mode+0x16 asm_sysvec_reschedule_ipi+0x1a')]),
    new Tail([...IRQ_ENTRY, ...kernelStack(`finish_task_switch.isra.0+0x8b __schedule+0x3c1 schedule+0x27`)]),
    new Tail([
      ...IRQ_ENTRY,
      ...kernelStack(
        `trace_event_raw_event_page_ref_mod_and_test_template+0x71 __page_ref_mod_unless+0x3e ` +
          `next_uptodate_folio+0x91 filemap_map_pages+0x11c __handle_mm_fault+0x9b1 handle_mm_fault+0xe2 ` +
          `exc_page_fault+0x81 asm_exc_page_fault+0x26`,
      ),
    ]),
    new Tail([
      ...IRQ_ENTRY,
      ...kernelStack(`link_path_walk.part.0.constprop.0+0x2f path_openat+0xa8 do_sys_openat2+0x96 ${SYSCALL}`),
    ]),
  ],
}
