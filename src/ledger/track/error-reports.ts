// SPDX-License-Identifier: GPL-2.0-or-later
/** The kernel's own reports in a recording: WARNs, and findings of KASAN and KFENCE. */
import type { EventBatch, Frame, StackTable } from '../../trace/events.ts'
import { baseName } from '../callsites/symbol-lists.ts'
import type { TaskActivity } from './task-activity.ts'

/** enum error_detector of include/trace/events/error_report.h. */
const DETECTORS = ['kfence', 'kasan', 'warning']

/** Distinct reports kept. */
const MAX_REPORTS = 1000

/** A report is taken to be about the page whose count its task changed at most this long before, in ns. */
const JUST_BEFORE = 10_000_000

/** Functions of the kernel's reporting code, which stand on the stack between the reported code and the event. */
const MACHINERY =
  /^(trace_event_raw_event_|perf_trace_|__traceiter_|trace_event_buffer_|ftrace_|error_report_end|__warn|warn_slowpath|_*report_bug|handle_bug|(asm_)?exc_(invalid_op|page_fault)|do_error_trap|do_trap|invalid_op|do_invalid_op|bug_(handler|brk_handler)|(call_)?(brk|el1)|do_el1_brk|do_debug_exception|brk_handler|(k|__k|__)?asan_|kasan_|end_report|print_report|__kasan_|kfence_|page_fault_oops|__?bad_area|do_kern_addr_fault|do_user_addr_fault|do_handle_exception|handle_exception)/

/** One distinct report. */
export interface MetReport {
  detector: string
  address: bigint
  stack: number
  pid: number
  cpu: number
  time: number
  /** Row of the page, -1 for none. */
  row: number
  times: number
}

export class ErrorReports {
  /** Number of reports that were not kept, because there was no room. */
  dropped = 0
  readonly #stacks: StackTable
  readonly #tasks: TaskActivity
  readonly #byPlace = new Map<string, MetReport>()

  constructor(stacks: StackTable, tasks: TaskActivity) {
    this.#stacks = stacks
    this.#tasks = tasks
  }

  /** Returns all reports, by the time of the first of each. */
  get list(): MetReport[] {
    return [...this.#byPlace.values()]
  }

  /** Takes in a report. */
  add({ val, mappingLow, mappingHigh, stack, pid, cpu, time }: EventBatch, i: number): void {
    const detector = DETECTORS[val[i]!] ?? `detector ${val[i]}`
    const address = (BigInt(mappingHigh[i]!) << 32n) | BigInt(mappingLow[i]!)
    const place = `${detector} ${address}`
    const known = this.#byPlace.get(place)
    if (known) {
      known.times++
      return
    }
    if (this.#byPlace.size >= MAX_REPORTS) {
      this.dropped++
      return
    }
    this.#byPlace.set(place, {
      detector,
      address,
      stack: stack[i]!,
      pid: pid[i]!,
      cpu: cpu[i]!,
      time: time[i]!,
      row: this.#tasks.pageSince(pid[i]!, time[i]! - JUST_BEFORE),
      times: 1,
    })
  }

  /** Returns the frames of a report's stack from the code that is reported on. */
  frames(stack: number): Frame[] {
    const frames = Array.from(this.#stacks.frames(stack), id => this.#stacks.frame(id))
    const first = frames.findIndex(({ name }) => !MACHINERY.test(baseName(name)))
    return first < 0 ? [] : frames.slice(first)
  }
}
