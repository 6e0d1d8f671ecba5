// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What every reader delivers: page_ref events, and probes beside them, as columns, in batches of bounded size, in order of
 * time.
 *
 * Facts of the formats: include/trace/events/page_ref.h (Linux 4.10 and later), include/trace/events/error_report.h (5.12
 * and later, warnings from 6.0 on), Documentation/trace/kprobetrace.rst.
 */

/**
 * What an event is, as in `EventBatch.op`: the page_ref operations, and from `PAGE_FREE` on probes, which change no count.
 * The probes named `lastput_*` are made by whoever records (docs/recording.md), the last one is the kernel's own.
 */
export const Op = {
  SET: 0,
  MOD: 1,
  MOD_AND_TEST: 2,
  MOD_AND_RETURN: 3,
  MOD_UNLESS: 4,
  FREEZE: 5,
  UNFREEZE: 6,
  /** The driver's page_free() or folio_free() is entered for `pfn`: from here on the page may be handed out again. */
  PAGE_FREE: 7,
  /** `pfn` is about to be handed out: before its count is set for the new owner. */
  PAGE_ALLOC: 8,
  /** `pfn` is used by somebody who must hold a reference to it. */
  PAGE_USE: 9,
  /** memunmap_pages() is entered for `val` pages from `pfn` on; `val` is 0 where the probe names no range. */
  MEMUNMAP: 10,
  /** The memunmap_pages() that the same `pid` entered last has returned. */
  MEMUNMAP_END: 11,
  /** The kernel reports an error: `val` is enum error_detector (0 KFENCE, 1 KASAN, 2 a WARN), `mapping*` the address. */
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

/** Whether an event changes no count. Its columns are 0 but for those that `Op` names, and time, cpu, pid and stack. */
export function isProbe(op: number): boolean {
  return op >= Op.PAGE_FREE
}

/**
 * A run of events. Row `i` of every column is one event; `order[k]` is the row that came k-th by timestamp. Events of
 * one CPU keep their order in the file, whatever their stamps. Where CPUs have equal stamps, which says nothing of their
 * order, those of the CPU with the lowest number all come first; in text formats, those that stand first. The arrays belong
 * to the reader, may be longer than `length`, and are valid only until the next batch is asked for.
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
  /** Raw `page->flags`: node, zone and section stand in the top bits. Text formats carry no top bits. */
  flagsLow: Uint32Array
  flagsHigh: Uint32Array
  /** `page_ref_count()` as read after the operation, not with it. */
  count: Int32Array
  /** Raw `_mapcount` (-1: none). */
  mapcount: Int32Array
  mappingLow: Uint32Array
  mappingHigh: Uint32Array
  /** Migrate type of the page's block. */
  mt: Int32Array
  val: Int32Array
  /** Result of the operation: a boolean, or the new value for MOD_AND_RETURN; 0 where the event has none. */
  ret: Int32Array
  /** Id in `Recording.stacks` of the kernel stack recorded with the event; 0: none. */
  stack: Uint32Array
  /** Gaps that must be known before this batch is read: delivered no later than any event that follows the gap. */
  lost: LostEvents[]
}

/** Events missing on one CPU between two times. */
export interface LostEvents {
  /** Of the event after the gap, where the recording does not tell on which CPU events are missing. */
  cpu: number
  /** Time of the last event of that CPU before the gap (-Infinity: none), and of the first after it (Infinity: none). */
  from: number
  to: number
  /** How many, where the recording says so. */
  count: number | undefined
  /** Nothing is lost: `count` changes of a watched count are there, but by how much they changed it is not known. */
  isUnknownChange?: true
}

/** One frame of a stack: an address, a name, or both, as far as the recording tells. */
export interface Frame {
  /** Return address; 0n where a text format gives only a name. */
  address: bigint
  /** Function, or the address in hex where no symbol covers it. */
  name: string
  /** Bytes from the start of the function; undefined where unknown. */
  offset: number | undefined
  /** Module, undefined for the kernel proper. */
  module: string | undefined
}

/** Interned stacks. Id 0 is "no stack". Ids are dense and stay valid for the life of the recording. */
export interface StackTable {
  readonly size: number
  /** Frame ids of a stack, innermost first; a frame id names one return address (or one text label). */
  frames(stack: number): Uint32Array
  /** Resolves a frame id; cached, so the same object comes back for the same id. */
  frame(frameId: number): Frame
}

export interface TaskTable {
  /** Command name of a pid as last recorded, `<...>` when unknown. */
  name(pid: number): string
}

/** A place where a file stopped making sense. What came before it has been delivered. */
export interface Damage {
  file: string
  /** Byte offset in the file. */
  offset: number
  expected: string
}

export type TimeUnit = 'ns' | 'ticks'

/** What is known of watched counts beside their changes, by page. */
export interface WatchedCounts {
  /** Pages whose count at the start is the least that fits, and may have been more. */
  assumed: ReadonlySet<number>
  /** Counts that whoever recorded read when the watch was over. */
  after: ReadonlyMap<number, number>
}

export interface SourceInfo {
  file: string
  format: 'trace.dat v6' | 'trace.dat v7' | 'ftrace text' | 'trace-cmd text' | 'perf.data'
  /** Release as in `uname -r`, where recorded. */
  kernel: string | undefined
  cpus: number
  /** Trace clock as tracefs names it; 'unknown' or 'ticks' (no decimal point) where a text does not tell. */
  clock: string
  /**
   * What times count: nanoseconds of all clocks but those of which the recording does not tell how long a tick is (counter,
   * x86-tsc without its calibration, ppc-tb, text without decimal points).
   */
  unit: TimeUnit
  /**
   * By how much times move on at least, in `unit`: as the clock has it, or, where stamps show that it is slower, as they
   * show. It is set before the first batch is delivered, and may change before any other: see `stampSlack` in common/clock.ts.
   */
  resolution: number
  /** Whether `flags` holds the raw word with the zone in its top bits (binary formats) or only page flags (text). */
  rawFlags: boolean
  machine: string | undefined
  /** The counts of some pages were watched: nothing of them is missing, and the first event of each tells its count at the start. */
  isWatch?: boolean | undefined
  /** What is known of watched counts beside their changes. */
  watched?: WatchedCounts | undefined
  /**
   * Time until which the recording went on, counted as `EventBatch.time`, where the file says so or an event that is not
   * delivered comes last. Complete when `batches()` has ended.
   */
  endTime?: number | undefined
}

/** An opened recording. Batches can be read once. */
export interface Recording {
  readonly info: SourceInfo
  /** Absolute time that `EventBatch.time` counts from, in `SourceInfo.unit`. */
  readonly timeBase: bigint
  readonly stacks: StackTable
  readonly tasks: TaskTable
  /** Damage met so far; complete when `batches()` has ended. */
  readonly damage: readonly Damage[]
  /** Things a reader of a report should know, e.g. a second buffer that was not read. Complete when `batches()` has ended. */
  readonly notes: readonly string[]
  batches(): AsyncIterable<EventBatch>
  /** Bytes read so far and in all, for progress; total undefined on a pipe. */
  progress(): { done: number; total: number | undefined }
  close(): Promise<void>
}

/** A file, a Blob or bytes, read at random. Readers get it handed in, so that they run in a browser too. */
export interface ByteSource {
  readonly name: string
  readonly size: number
  /** Bytes [offset, offset + length), fewer only at the end of the source. */
  read(offset: number, length: number): Promise<Uint8Array>
}

export interface OpenOptions {
  /** Contents of a /proc/kallsyms (whole or the lines of some modules) that adds to what the recording knows. */
  kallsyms?: string[]
  /** Read the events of this trace buffer only (trace.dat instances). */
  buffer?: string
  /** The kernel's code as it ran, the kcore of `perf record --kcore`: it tells by how much watched counts were changed. */
  kcore?: ByteSource
  /** Address of the kernel's memory map (the value of `vmemmap_base`): it tells which pages' counts were watched. */
  vmemmap?: bigint
  /** Counts that watched pages had when the watch began, as far as whoever recorded has read them. */
  startCounts?: ReadonlyMap<number, number>
  /** The same of when it was over. */
  endCounts?: ReadonlyMap<number, number>
  /** Deliver samples that perf wrote to the file twice as often as they stand there. */
  keepRepeated?: boolean
}

/** A file that cannot be used at all: not the format, or damaged before the first event. */
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
