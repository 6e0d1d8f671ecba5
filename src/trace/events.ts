// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The contract of all readers: they deliver page_ref events and probes as columns, in batches of bounded size and in order of
 * time.
 *
 * Facts of the formats: include/trace/events/page_ref.h (Linux 4.10 and later), include/trace/events/error_report.h (5.12 and
 * later, warnings from 6.0 on), Documentation/trace/kprobetrace.rst.
 */

/**
 * The kinds of events, as in `EventBatch.op`: the page_ref operations and, from `PAGE_FREE` on, the probes, which change no
 * count. The probes named `lastput_*` are set up for the recording (docs/recording.md); the last one is an event of the kernel.
 */
export const Op = {
  SET: 0,
  MOD: 1,
  MOD_AND_TEST: 2,
  MOD_AND_RETURN: 3,
  MOD_UNLESS: 4,
  FREEZE: 5,
  UNFREEZE: 6,
  /** The driver's page_free() or folio_free() is entered for `pfn`. From here on the page may be handed out again. */
  PAGE_FREE: 7,
  /** `pfn` is about to be handed out. Its count has not been set for the new owner yet. */
  PAGE_ALLOC: 8,
  /** `pfn` is used by code that must hold a reference to it. */
  PAGE_USE: 9,
  /** memunmap_pages() is entered for `val` pages from `pfn` on. `val` is 0 if the probe gives no range. */
  MEMUNMAP: 10,
  /** The last memunmap_pages() that the same `pid` entered has returned. */
  MEMUNMAP_END: 11,
  /** The kernel reports an error. `val` is enum error_detector (0 KFENCE, 1 KASAN, 2 a WARN), and `mapping*` is the address. */
  REPORT: 12,
} as const
export type Op = (typeof Op)[keyof typeof Op]

/** Event names by `Op`, as in tracefs `events/page_ref/`, `events/lastput/` and `events/error_report/`. */
export const OP_NAMES = [
  'page_ref_set',
  'page_ref_mod',
  'page_ref_mod_and_test',
  'page_ref_mod_and_return',
  'page_ref_mod_unless',
  'page_ref_freeze',
  'page_ref_unfreeze',
  'lastput_free',
  'lastput_alloc',
  'lastput_use',
  'lastput_memunmap',
  'lastput_memunmap_end',
  'error_report_end',
] as const

/** True if an event changes no count. Its columns are 0 except those that `Op` names, and time, cpu, pid and stack. */
export function isProbe(op: number): boolean {
  return op >= Op.PAGE_FREE
}

/**
 * A run of events. Row `i` of every column is one event; `order[k]` is the k-th row in order of time. Events of one CPU keep
 * their order in the file, whatever their timestamps. Equal timestamps of different CPUs say nothing about the order: the events
 * of the CPU with the lowest number come first (in text formats, those that come first in the text). The arrays belong to the
 * reader, may be longer than `length`, and are valid only until the next batch is requested.
 */
export interface EventBatch {
  length: number
  order: Uint32Array
  /** Time since `Recording.timeBase`, in `SourceInfo.unit`. Exact up to 2^53. */
  time: Float64Array
  cpu: Uint16Array
  /** An `Op`. */
  op: Uint8Array
  pid: Int32Array
  pfn: Float64Array
  /** Raw `page->flags`, with node, zone and section in the top bits. Text formats do not contain the top bits. */
  flagsLow: Uint32Array
  flagsHigh: Uint32Array
  /** `page_ref_count()` as read after the operation, not atomically with it. */
  count: Int32Array
  /** Raw `_mapcount` (-1: not mapped). */
  mapcount: Int32Array
  mappingLow: Uint32Array
  mappingHigh: Uint32Array
  /** Migrate type of the page's pageblock. */
  mt: Int32Array
  val: Int32Array
  /** Result of the operation: a boolean, or the new value for MOD_AND_RETURN; 0 where the event has none. */
  ret: Int32Array
  /** Id in `Recording.stacks` of the kernel stack recorded with the event; 0: none. */
  stack: Uint32Array
  /** Gaps that a consumer must handle before the events of this batch. A gap is delivered no later than any event after it. */
  lost: LostEvents[]
}

/** Events missing on one CPU between two times. */
export interface LostEvents {
  /** The CPU whose events are missing. If the recording does not say which, the CPU of the event after the gap. */
  cpu: number
  /**
   * Time of that CPU's last event before the gap (-Infinity if there is none), and of its first one after it (Infinity if there
   * is none).
   */
  from: number
  to: number
  /** Number of missing events, if the recording says so. */
  count: number | undefined
  /** Set if nothing is lost, but the amounts of `count` changes of a watched count are unknown. */
  isUnknownChange?: true
}

/** One frame of a stack: an address, a name, or both, as far as the recording contains them. */
export interface Frame {
  /** Return address; 0n if a text format gives only a name. */
  address: bigint
  /** Function name, or the address in hexadecimal if no symbol covers it. */
  name: string
  /** Bytes from the start of the function; undefined where unknown. */
  offset: number | undefined
  /** Module, undefined for the kernel proper. */
  module: string | undefined
}

/** Interned stacks. Id 0 is "no stack". Ids are dense and stay valid as long as the recording. */
export interface StackTable {
  readonly size: number
  /** Frame ids of a stack, innermost first. A frame id stands for one return address or one text label. */
  frames(stack: number): Uint32Array
  /** Resolves a frame id. Results are cached, so the same id always returns the same object. */
  frame(frameId: number): Frame
}

export interface TaskTable {
  /** Last recorded command name of a pid; `<...>` if unknown. */
  name(pid: number): string
}

/** A place at which a file becomes unreadable. What came before it has been delivered. */
export interface Damage {
  file: string
  /** Byte offset in the file. */
  offset: number
  expected: string
}

export type TimeUnit = 'ns' | 'ticks'

/** What is known about watched counts beside their changes, by page frame number. */
export interface WatchedCounts {
  /** Pages whose count at the start was assumed to be the smallest consistent one. It may have been higher. */
  assumed: ReadonlySet<number>
  /** Counts that were read after the watch had ended. */
  after: ReadonlyMap<number, number>
}

export interface SourceInfo {
  file: string
  format: 'trace.dat v6' | 'trace.dat v7' | 'ftrace text' | 'trace-cmd text' | 'perf.data'
  /** Release as in `uname -r`, if recorded. */
  kernel: string | undefined
  cpus: number
  /** Name of the trace clock in tracefs. If a text does not show it: 'unknown', or 'ticks' for times without a decimal point. */
  clock: string
  /**
   * Unit of times. It is nanoseconds, unless the recording does not say how long a tick of the clock is (counter, x86-tsc without
   * its calibration, ppc-tb, text without decimal points).
   */
  unit: TimeUnit
  /**
   * Smallest step of times, in `unit`: that of the clock or, if timestamps show that the clock is coarser, the one that they
   * show. Set before the first batch is delivered, and may change before each later one: see `stampSlack` in common/clock.ts.
   */
  resolution: number
  /** True if `flags` contains the raw word with the zone in its top bits (binary formats); false if only page flags (text). */
  rawFlags: boolean
  machine: string | undefined
  /**
   * Set if the counts of some pages were watched. Then no change of them is missing, and the first event of each page shows its
   * count at the start.
   */
  isWatch?: boolean | undefined
  /** What is known about watched counts beside their changes. */
  watched?: WatchedCounts | undefined
  /**
   * Time of the recording's end, counted as `EventBatch.time`. Known if the file states it, or if the last event is one that is
   * not delivered. Complete when `batches()` has ended.
   */
  endTime?: number | undefined
}

/** An opened recording. Its batches can be read once. */
export interface Recording {
  readonly info: SourceInfo
  /** Absolute time from which `EventBatch.time` counts, in `SourceInfo.unit`. */
  readonly timeBase: bigint
  readonly stacks: StackTable
  readonly tasks: TaskTable
  /** Damage met so far; complete when `batches()` has ended. */
  readonly damage: readonly Damage[]
  /**
   * Notes for the reader of a report, for example that there is a second buffer, which was not read. Complete when `batches()`
   * has ended.
   */
  readonly notes: readonly string[]
  batches(): AsyncIterable<EventBatch>
  /** Bytes read so far and in total, for progress. The total is undefined on a pipe. */
  progress(): { done: number; total: number | undefined }
  close(): Promise<void>
}

/** A file, a Blob or bytes, with random access. It is passed in, so that readers also run in a browser. */
export interface ByteSource {
  readonly name: string
  readonly size: number
  /** Returns the bytes [offset, offset + length), or fewer at the end of the source. */
  read(offset: number, length: number): Promise<Uint8Array>
}

export interface OpenOptions {
  /** Contents of a /proc/kallsyms (all of it, or the lines of some modules) that adds to the recording's symbols. */
  kallsyms?: string[]
  /** Read only the events of this trace buffer (an instance in trace.dat). */
  buffer?: string
  /** The kernel's code as it ran: the kcore of `perf record --kcore`. Shows by how much instructions changed watched counts. */
  kcore?: ByteSource
  /** Address of the kernel's memory map (the value of `vmemmap_base`). Determines which pages' counts were watched. */
  vmemmap?: bigint
  /** Counts of watched pages when the watch began, if they were read then. */
  startCounts?: ReadonlyMap<number, number>
  /** Counts of watched pages when the watch ended, if they were read then. */
  endCounts?: ReadonlyMap<number, number>
  /** Deliver repeated samples, which perf wrote to the file twice, as often as they occur. */
  keepRepeated?: boolean
}

/** Thrown for a file that cannot be used at all: it has another format, or is damaged before the first event. */
export class TraceError extends Error {
  override name = 'TraceError'
  readonly file: string
  readonly offset: number
  readonly expected: string
  constructor(file: string, offset: number, expected: string) {
    super(`${file}: offset ${offset}: ${expected}`)
    this.file = file
    this.offset = offset
    this.expected = expected
  }
}
