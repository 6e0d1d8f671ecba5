// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The meaning of the fields of probes, which is the same in all formats. 64-bit numbers are handled in halves, so that they stay
 * exact.
 */

import { OP_NAMES, Op } from '../events.ts'
import type { Columns } from './columns.ts'

/** Fields that are read from probes. Their names are chosen by the recording script or, for error_report_end, by the kernel. */
export const ProbeField = { PFN: 0, PAGE: 1, VMEMMAP: 2, START: 3, END: 4, DETECTOR: 5, ID: 6, PAGES: 7 } as const
export type ProbeField = (typeof ProbeField)[keyof typeof ProbeField]
export const PROBE_FIELDS = ['pfn', 'page', 'vmemmap', 'start', 'end', 'error_detector', 'id', 'pages'] as const

/** Names of enum error_detector, as error_report_end prints them. */
export const DETECTORS = ['kfence', 'kasan', 'warning'] as const

/** Faults of a probe. Probes with FIELDS or PAGE are dropped. */
export const ProbeFault = { NONE: 0, FIELDS: 1, PAGE: 2, RANGE: 3 } as const
export type ProbeFault = (typeof ProbeFault)[keyof typeof ProbeFault]
const FAULTS = 4

/** log2 of sizeof(struct page). No recording contains it, so the value of all 64-bit distribution kernels is assumed. */
const PAGE_STRUCT_SHIFT = 6

/** Limit of page frame numbers. x86-64 and arm64 have physical addresses of up to 52 bits. */
const PFN_LIMIT = 2 ** 52

const MAX_PAGES = 0x7fffffff

/** log2 of the page size where a recording does not state it (4 KB). */
export const PAGE_SHIFT = 12

/** Returns log2 of the page size that a recording states. Impossible sizes are ignored. */
export function pageShift(bytes: number): number {
  const shift = Math.log2(bytes)
  return Number.isInteger(shift) && shift >= PAGE_SHIFT && shift <= 18 ? shift : PAGE_SHIFT
}

/**
 * Returns the `Op` of a probe's event; undefined for other events. Users may choose the group of their own probes, but not that
 * of the kernel's events.
 */
export function probeOp(system: string, name: string): Op | undefined {
  const op = (OP_NAMES as readonly string[]).indexOf(name, Op.PAGE_FREE)
  if (op < 0 || (op === Op.REPORT && system !== 'error_report')) return undefined
  return op as Op
}

/** The field values of one probe. The object is reused for every probe. */
export class ProbeValues {
  readonly low = new Uint32Array(PROBE_FIELDS.length)
  readonly high = new Uint32Array(PROBE_FIELDS.length)
  /** Bit masks of the fields that are present, and of those whose value is unclear. */
  #seen = 0
  #unclear = 0

  clear(): void {
    this.#seen = 0
    this.#unclear = 0
  }

  set(field: ProbeField, low: number, high: number): void {
    // A field that occurs twice is unclear: one of them may come from a task's name that the probe prints.
    if (this.#seen & (1 << field)) this.#unclear |= 1 << field
    this.#seen |= 1 << field
    this.low[field] = low
    this.high[field] = high
  }

  /** Notes a field that is present but has no numeric value. */
  spoil(field: ProbeField): void {
    this.#seen |= 1 << field
    this.#unclear |= 1 << field
  }

  /** True if the field is present, with whatever value. */
  named(field: ProbeField): boolean {
    return (this.#seen & (1 << field)) !== 0
  }

  has(field: ProbeField): boolean {
    return (this.#seen & ~this.#unclear & (1 << field)) !== 0
  }

  /**
   * Returns the page frame number, from the field pfn or from a pointer to a struct page. -1: not given; -2: given, but
   * impossible.
   */
  pfn(): number {
    const { low, high } = this
    if (this.named(ProbeField.PFN)) {
      if (!this.has(ProbeField.PFN)) return -1
      const pfn = high[ProbeField.PFN]! * 2 ** 32 + low[ProbeField.PFN]!
      return pfn < PFN_LIMIT ? pfn : -2
    }
    if (!this.has(ProbeField.PAGE) || !this.has(ProbeField.VMEMMAP)) return -1
    let lowDistance = low[ProbeField.PAGE]! - low[ProbeField.VMEMMAP]!
    let highDistance = high[ProbeField.PAGE]! - high[ProbeField.VMEMMAP]!
    if (lowDistance < 0) {
      lowDistance += 2 ** 32
      highDistance--
    }
    const whole = lowDistance % 2 ** PAGE_STRUCT_SHIFT === 0
    const pfn = highDistance * 2 ** (32 - PAGE_STRUCT_SHIFT) + lowDistance / 2 ** PAGE_STRUCT_SHIFT
    return highDistance >= 0 && whole && pfn < PFN_LIMIT ? pfn : -2
  }

  /** Writes a probe's columns to a row, except time, cpu, pid and stack. Returns what is wrong with the probe. */
  store(op: Op, shift: number, columns: Columns, row: number): ProbeFault {
    zeroRow(columns, row)
    columns.op[row] = op
    if (op === Op.MEMUNMAP) return this.#storeRange(shift, columns, row)
    if (op === Op.REPORT) return this.#storeReport(columns, row)
    if (op === Op.MEMUNMAP_END) return ProbeFault.NONE
    const pfn = this.pfn()
    if (pfn < 0) return pfn === -1 ? ProbeFault.FIELDS : ProbeFault.PAGE
    columns.pfn[row] = pfn
    return ProbeFault.NONE
  }

  /** Stores a range given in bytes or, in the output of `lastput events`, in pages. */
  #storeRange(shift: number, columns: Columns, row: number): ProbeFault {
    const { START, END, PFN, PAGES } = ProbeField
    const { low, high } = this
    if (this.has(PFN) && this.has(PAGES) && this.pfn() >= 0) {
      columns.pfn[row] = this.pfn()
      columns.val[row] = high[PAGES]! > 0 ? MAX_PAGES : Math.min(MAX_PAGES, low[PAGES]!)
      return ProbeFault.NONE
    }
    if (!this.named(START) && !this.named(END)) return ProbeFault.NONE
    // Byte counts beyond 2^53 are rounded, which does not matter because they exceed MAX_PAGES.
    const bytes = (high[END]! - high[START]!) * 2 ** 32 + (low[END]! - low[START]!) + 1
    if (!this.has(START) || !this.has(END) || bytes < 2 ** shift) return ProbeFault.RANGE
    columns.pfn[row] = high[START]! * 2 ** (32 - shift) + (low[START]! >>> shift)
    columns.val[row] = Math.min(MAX_PAGES, Math.floor(bytes / 2 ** shift))
    return ProbeFault.NONE
  }

  #storeReport(columns: Columns, row: number): ProbeFault {
    const { DETECTOR, ID } = ProbeField
    if (!this.has(DETECTOR) || !this.has(ID)) return ProbeFault.FIELDS
    columns.val[row] = this.low[DETECTOR]!
    columns.mappingLow[row] = this.low[ID]!
    columns.mappingHigh[row] = this.high[ID]!
    return ProbeFault.NONE
  }
}

/** Clears columns that most probes do not set, because rows are reused from earlier batches. */
function zeroRow(columns: Columns, row: number): void {
  columns.pfn[row] = 0
  columns.flagsLow[row] = 0
  columns.flagsHigh[row] = 0
  columns.count[row] = 0
  columns.mapcount[row] = 0
  columns.mappingLow[row] = 0
  columns.mappingHigh[row] = 0
  columns.mt[row] = 0
  columns.val[row] = 0
  columns.ret[row] = 0
}

/** True if a probe with this fault is dropped. */
export function drops(fault: ProbeFault): boolean {
  return fault === ProbeFault.FIELDS || fault === ProbeFault.PAGE
}

/** Counts probes by kind and fault. Holds plain data only, because worker threads send it. */
export class ProbeFaults {
  readonly counts: number[]

  constructor(counts: number[] = []) {
    this.counts = counts
  }

  count(op: Op, fault: ProbeFault): void {
    if (fault !== ProbeFault.NONE) this.#add(op * FAULTS + fault, 1)
  }

  add(counts: readonly number[]): void {
    for (const [index, count] of counts.entries()) this.#add(index, count)
  }

  #add(index: number, count: number): void {
    while (this.counts.length <= index) this.counts.push(0)
    this.counts[index]! += count
  }

  notes(): string[] {
    return this.counts.flatMap((count, index) => {
      if (count === 0) return []
      const [op, fault] = [Math.floor(index / FAULTS), index % FAULTS]
      return [`${OP_NAMES[op]}: ${count} ${count === 1 ? 'event has' : 'events have'} ${faultText(op, fault)}`]
    })
  }
}

function faultText(op: number, fault: number): string {
  if (fault === ProbeFault.RANGE) return 'no range that can be told: expected start and end in bytes, end the last one'
  if (op === Op.REPORT) return 'no meaning: expected fields error_detector and id'
  if (fault === ProbeFault.FIELDS) return 'no page that can be told: expected a field pfn, or page and vmemmap'
  return 'no page that can be told: expected a pfn below 2^52, or page a multiple of 64 bytes above vmemmap'
}
