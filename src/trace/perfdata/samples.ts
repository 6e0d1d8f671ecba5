// SPDX-License-Identifier: GPL-2.0-or-later
/** Decodes PERF_RECORD_SAMPLE of page_ref tracepoints and probes to rows, and the identification at the end of other records. */

import {
  type Arrays,
  compileStore,
  layArrays,
  pageRefLayout,
  type RecordLayout,
  type RecordStore,
} from '../common/columns.ts'
import type { EventFormat } from '../common/event-format.ts'
import { ProbeFaults, pageShift } from '../common/probe-fields.ts'
import { ProbeReader, probeLayout } from '../common/probe-records.ts'
import { RawStacks } from '../common/raw-stacks.ts'
import { MAX_STACK_DEPTH, type StackInterner } from '../common/stacks.ts'
import type { SymbolTable } from '../common/symbols.ts'
import type { EventBatch, Frame } from '../events.ts'
import { type PerfAttr, Sample } from './header.ts'
import { registersAt, SampleRegisters } from './registers.ts'
import type { WatchedCount } from './watch/changes.ts'
import type { Watch } from './watch/watch.ts'

/** Bits of read_format. */
const READ_TIMES = 0b11
const READ_ID = 1 << 2
const READ_GROUP = 1 << 3
const READ_LOST = 1 << 4

/** Callchain entries from this value on are context marks: the entries after one are of the kernel, user space or a guest. */
const FIRST_MARK = 0xfffff001
const MARK_KERNEL = 0xffffff80
const MAX_MODULES = 1 << 12

/** Maximum size of a record in bytes, since sizes have 16 bits. */
const MAX_RECORD = 1 << 16

const RECORD_HEADER = 8

/** Offsets of the parts of an event's records; -1 for parts that they do not have. */
interface SamplePlan {
  attr: PerfAttr
  /** Offset from the start of a sample. */
  timeAt: number
  cpuAt: number
  tidAt: number
  ipAt: number
  /** Offset of the first part whose length varies. */
  variable: number
  /** Offset from the end of any other record, counted backwards. */
  trailerTime: number
  trailerCpu: number
  trailerSize: number
  /** Set for events that watch a count. */
  count: WatchedCount | undefined
}

function planOf(attr: PerfAttr): SamplePlan {
  const { sampleType: type } = attr
  let at = RECORD_HEADER
  const part = (bit: number) => {
    if ((type & bit) === 0) return -1
    at += 8
    return at - 8
  }
  part(Sample.IDENTIFIER)
  const ipAt = part(Sample.IP)
  const tidAt = part(Sample.TID)
  const timeAt = part(Sample.TIME)
  part(Sample.ADDR)
  part(Sample.ID)
  part(Sample.STREAM_ID)
  const cpuAt = part(Sample.CPU)
  part(Sample.PERIOD)
  return { attr, tidAt, ipAt, timeAt, cpuAt, variable: at, count: undefined, ...trailerOf(attr) }
}

/** Describes the end of records other than samples: tid, time, id, stream id, cpu, identifier, as far as samples have them. */
function trailerOf({ sampleType: type, sampleIdAll }: PerfAttr) {
  const none = { trailerTime: -1, trailerCpu: -1, trailerSize: 0 }
  if (!sampleIdAll) return none
  let size = 0
  const place = (bit: number) => {
    if ((type & bit) === 0) return -1
    size += 8
    return size
  }
  place(Sample.IDENTIFIER)
  const trailerCpu = place(Sample.CPU)
  place(Sample.STREAM_ID)
  place(Sample.ID)
  const trailerTime = place(Sample.TIME)
  place(Sample.TID)
  return { trailerTime, trailerCpu, trailerSize: size }
}

/** Offset of the id in a sample, which is the same for all events of a file; -1 if samples have no id. */
function idOffset({ sampleType: type }: PerfAttr): number {
  if (type & Sample.IDENTIFIER) return RECORD_HEADER
  if ((type & Sample.ID) === 0) return -1
  const before = [Sample.IP, Sample.TID, Sample.TIME, Sample.ADDR].filter(bit => type & bit)
  return RECORD_HEADER + 8 * before.length
}

/** Address range of a module's code, from PERF_RECORD_MMAP. */
interface ModuleRange {
  start: bigint
  end: bigint
  name: string
}

/** Result of decoding a sample. */
export const Outcome = { ROW: 0, OTHER: 1, BROKEN: 2 } as const
export type Outcome = (typeof Outcome)[keyof typeof Outcome]

export class SampleDecoder {
  /** CPU of the last decoded sample, and its time since the time base. */
  cpu = 0
  time = 0
  readonly #littleEndian: boolean
  readonly #symbols: SymbolTable
  readonly #stacks: StackInterner
  readonly #plans: SamplePlan[] = []
  readonly #byId = new Map<number, SamplePlan>()
  #idAt = -1
  readonly #layouts: { layout: RecordLayout; bind: (arrays: Arrays) => RecordStore }[] = []
  /** Stores by tracepoint id. */
  readonly #stores: (RecordStore | undefined)[] = []
  readonly #sizes: number[] = []
  /** Memory to which records are copied that do not start at a multiple of 4, and stores for it. */
  readonly #scratch = layArrays(new Uint8Array(MAX_RECORD))
  readonly #scratchStores: (RecordStore | undefined)[] = []
  readonly #raw = new RawStacks(8)
  readonly #chain = new Int32Array(2 * MAX_STACK_DEPTH)
  /** The recording's stack id by id in `#raw`. */
  readonly #stackIds = [0]
  readonly #modules: ModuleRange[] = []
  #probes: ProbeReader | undefined
  readonly #probeFaults = new ProbeFaults()
  #watch: Watch | undefined
  readonly #registers = new SampleRegisters()
  #baseLow = 0
  #baseHigh = 0
  /** Views over the memory that contains the records. */
  #view: DataView
  #bytes: Uint8Array

  constructor(littleEndian: boolean, stacks: StackInterner, symbols: SymbolTable) {
    this.#littleEndian = littleEndian
    this.#stacks = stacks
    this.#symbols = symbols
    this.#view = this.#scratch.V
    this.#bytes = this.#scratch.B
  }

  addAttr(attr: PerfAttr): void {
    const plan = planOf(attr)
    if (this.#plans.length === 0) this.#idAt = idOffset(attr)
    this.#plans.push(plan)
    for (const id of attr.ids) this.#byId.set(id, plan)
  }

  get hasProbes(): boolean {
    return this.#probes !== undefined
  }

  /** Adds the layouts of page_ref events and probes. Returns the number of page_ref events. */
  addFormats(formats: readonly EventFormat[], pageSize: number): number {
    const probes = formats.flatMap(format => probeLayout(format) ?? [])
    if (probes.length > 0) this.#probes = new ProbeReader(probes, this.#littleEndian, pageShift(pageSize))
    for (const format of formats) {
      const layout = pageRefLayout(format)
      if (!layout) continue
      const bind = compileStore(layout, this.#littleEndian)
      this.#layouts.push({ layout, bind })
      this.#sizes[layout.id] = layout.size
      this.#scratchStores[layout.id] = bind(this.#scratch)
    }
    return this.#layouts.length
  }

  /** Makes rows of samples of watched counts, too. */
  setWatch(watch: Watch): void {
    this.#watch = watch
    for (const [event, plan] of this.#plans.entries()) plan.count = watch.countOf(event)
  }

  addModule(range: ModuleRange): void {
    if (this.#modules.length < MAX_MODULES) this.#modules.push(range)
  }

  setTimeBase(base: bigint): void {
    this.#baseLow = Number(base & 0xffffffffn)
    this.#baseHigh = Number(base >> 32n)
  }

  /** Sets the memory that contains the following records. */
  setArrays(arrays: Arrays): void {
    this.#view = arrays.V
    this.#bytes = arrays.B
    for (const { layout, bind } of this.#layouts) this.#stores[layout.id] = bind(arrays)
  }

  /** Absolute time of the sample at `at`; undefined if it has none. */
  sampleTime(at: number, size: number): bigint | undefined {
    const plan = this.#planAt(at, size)
    if (!plan || plan.timeAt < 0 || size < plan.variable) return undefined
    return this.#view.getBigUint64(at + plan.timeAt, this.#littleEndian)
  }

  /** CPU in the identification at the end of a record that is not a sample; -1 if it is not there. */
  trailerCpu(at: number, size: number): number {
    const plan = this.#plans[0]
    if (!plan || plan.trailerCpu < 0 || size < RECORD_HEADER + plan.trailerSize) return -1
    return this.#view.getUint32(at + size - plan.trailerCpu, this.#littleEndian) & 0xffff
  }

  get trailerSize(): number {
    return this.#plans[0]?.trailerSize ?? 0
  }

  /** Decodes the sample of `size` bytes at `at` to a row of the batch, unless it belongs to another event. */
  decode(at: number, size: number, batch: EventBatch, row: number): Outcome {
    const plan = this.#planAt(at, size)
    if (!plan || size < plan.variable || plan.timeAt < 0 || plan.cpuAt < 0) return Outcome.BROKEN
    const view = this.#view
    const le = this.#littleEndian
    const timeAt = at + plan.timeAt
    const low = view.getUint32(le ? timeAt : timeAt + 4, le)
    const high = view.getUint32(le ? timeAt + 4 : timeAt, le)
    this.time = (high - this.#baseHigh) * 4294967296 + (low - this.#baseLow)
    this.cpu = view.getUint32(at + plan.cpuAt, le) & 0xffff
    const { sampleType } = plan.attr
    const { count } = plan
    if ((sampleType & Sample.RAW) === 0 && !count) return Outcome.OTHER
    const end = at + size
    let next = at + plan.variable
    if (sampleType & Sample.READ) next = this.#afterRead(next, end, plan.attr.readFormat)
    const chain = next
    if (sampleType & Sample.CALLCHAIN) next = this.#afterChain(next, end)
    if (count) return next < 0 ? Outcome.BROKEN : this.#watched(plan, count, { at, chain, next, end }, batch, row)
    if (next < 0 || next + 4 > end) return Outcome.BROKEN
    const rawSize = view.getUint32(next, le)
    if (rawSize > end - next - 4) return Outcome.BROKEN
    const outcome = this.#store(next + 4, rawSize, batch, row)
    if (outcome !== Outcome.ROW) return outcome
    batch.time[row] = this.time
    batch.cpu[row] = this.cpu
    batch.stack[row] = sampleType & Sample.CALLCHAIN ? this.#stack(chain) : 0
    return Outcome.ROW
  }

  /** Decodes a sample of a watched count. Its callchain is at `chain`, and `next` is the end of it. */
  #watched(
    plan: SamplePlan,
    count: WatchedCount,
    { at, chain, next, end }: { at: number; chain: number; next: number; end: number },
    batch: EventBatch,
    row: number,
  ): Outcome {
    const view = this.#view
    const le = this.#littleEndian
    const { attr } = plan
    const place = registersAt(view, le, attr, next, end)
    if (plan.ipAt < 0 || plan.tidAt < 0 || place < 0) return Outcome.BROKEN
    this.#registers.set(view, le, attr.sampleType & Sample.REGS_INTR ? attr.registers : 0n, place)
    const ip = view.getBigUint64(at + plan.ipAt, le)
    clearRow(batch, row)
    if (!this.#watch!.reader.store(ip, this.#registers, count, batch, row)) return Outcome.OTHER
    batch.pid[row] = view.getInt32(at + plan.tidAt + 4, le)
    batch.time[row] = this.time
    batch.cpu[row] = this.cpu
    batch.stack[row] = attr.sampleType & Sample.CALLCHAIN ? this.#stack(chain) : 0
    return Outcome.ROW
  }

  #planAt(at: number, size: number): SamplePlan | undefined {
    if (this.#byId.size === 0 || this.#idAt < 0) return this.#plans[0]
    if (size < this.#idAt + 8) return undefined
    const le = this.#littleEndian
    const idAt = at + this.#idAt
    const low = this.#view.getUint32(le ? idAt : idAt + 4, le)
    const high = this.#view.getUint32(le ? idAt + 4 : idAt, le)
    return this.#byId.get(high * 4294967296 + low)
  }

  /** Returns the end of the counter values; -1 if they exceed the record. */
  #afterRead(at: number, end: number, format: number): number {
    const times = bitCount(format & READ_TIMES)
    const each = 1 + (format & READ_ID ? 1 : 0) + (format & READ_LOST ? 1 : 0)
    if ((format & READ_GROUP) === 0) return at + 8 * (times + each)
    if (at + 8 > end) return -1
    const count = Number(this.#view.getBigUint64(at, this.#littleEndian))
    const next = at + 8 * (1 + times + count * each)
    return next <= end ? next : -1
  }

  #afterChain(at: number, end: number): number {
    if (at < 0 || at + 8 > end) return -1
    const next = at + 8 + 8 * Number(this.#view.getBigUint64(at, this.#littleEndian))
    return next <= end ? next : -1
  }

  #store(at: number, size: number, batch: EventBatch, row: number): Outcome {
    if (size < 2) return Outcome.BROKEN
    const type = this.#view.getUint16(at, this.#littleEndian)
    const needed = this.#sizes[type]
    if (needed === undefined) return this.#probe(type, at, size, batch, row)
    if (size < needed) return Outcome.BROKEN
    const store = this.#stores[type]
    if ((at & 3) === 0 && store) store(at, row, batch)
    else {
      this.#scratch.B.set(this.#bytes.subarray(at, at + needed))
      this.#scratchStores[type]!(0, row, batch)
    }
    return Outcome.ROW
  }

  #probe(type: number, at: number, size: number, batch: EventBatch, row: number): Outcome {
    const needed = this.#probes?.size(type)
    if (!this.#probes || needed === undefined) return Outcome.OTHER
    if (size < needed) return Outcome.BROKEN
    const stored = this.#probes.store(type, this.#view, at, batch, row, this.#probeFaults.counts)
    return stored ? Outcome.ROW : Outcome.OTHER
  }

  /** Returns notes about faulty probes. */
  probeNotes(): string[] {
    return this.#probeFaults.notes()
  }

  /** Returns the stack id of the kernel part of the callchain at `at`. */
  #stack(at: number): number {
    const view = this.#view
    const le = this.#littleEndian
    const count = Math.min(Number(view.getBigUint64(at, le)), MAX_RECORD / 8)
    const chain = this.#chain
    let kernel = true
    let length = 0
    for (let i = 0, place = at + 8; i < count && length < chain.length; i++, place += 8) {
      const low = view.getUint32(le ? place : place + 4, le)
      const high = view.getUint32(le ? place + 4 : place, le)
      if (high === 0xffffffff && low >= FIRST_MARK) kernel = low === MARK_KERNEL
      else if (kernel) {
        chain[length++] = low
        chain[length++] = high
      }
    }
    const id = this.#raw.find(chain, 0, length / 2)
    return (this.#stackIds[id] ??= this.#intern(id))
  }

  #intern(id: number): number {
    const words = this.#raw.words(id)
    const frames: number[] = []
    for (let i = 0; i < words.length; i += 2)
      frames.push(this.#frame((BigInt(words[i + 1]! >>> 0) << 32n) | BigInt(words[i]! >>> 0)))
    return this.#stacks.stack(frames)
  }

  #frame(address: bigint): number {
    if (this.#modules.length > 0 && !this.#symbols.find(address)) {
      const module = this.#modules.find(({ start, end }) => address >= start && address < end)
      if (module) return this.#stacks.labelFrame(unnamed(address, module.name))
    }
    return this.#stacks.addressFrame(address)
  }
}

/** Sets the columns that samples of watched counts do not have. */
function clearRow(batch: EventBatch, row: number): void {
  batch.flagsLow[row] = batch.flagsHigh[row] = batch.mappingLow[row] = batch.mappingHigh[row] = 0
  batch.count[row] = 0
}

function unnamed(address: bigint, module: string): Frame {
  return { address, name: `0x${address.toString(16)}`, offset: undefined, module }
}

function bitCount(bits: number): number {
  return (bits & 1) + ((bits >> 1) & 1)
}
