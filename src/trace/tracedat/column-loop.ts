// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads columns by the loop in WebAssembly (assembly/column-walk.ts), which runs at full speed from its first sub-buffer on. Does
 * what is left to its caller: all that is rare. The results are those of the generated walk (column-walk.ts), which reads the
 * recordings whose layout the loop does not know.
 */
import { wasmModule } from '../../util/wasm.ts'
import {
  type Arrays,
  type Columns,
  copyRows,
  hostReads,
  layArrays,
  layColumns,
  type RecordLayout,
} from '../common/columns.ts'
import type { Heap } from '../common/compression.ts'
import { ProbeReader } from '../common/probe-records.ts'
import type { RawStacks } from '../common/raw-stacks.ts'
import { SwitchReader } from '../common/switch-records.ts'
import { type ColumnPlan, type ColumnTarget, early, tooShort } from './column-walk.ts'
import { WASM } from './column-walk.wasm.ts'
import { misfit } from './record-walk.ts'
import { SubBuffer } from './sub-buffer.ts'
import * as Region from './walk-region.ts'
import { arrived, CLOSED, LEVEL_OF_FLAGS, UNTOUCHED, type WalkState } from './walk-state.ts'

/** Largest sub-buffer in bytes that the loop reads. Bytes that are not in its memory are copied there in runs of this size. */
const INPUT_BYTES = 1 << 16

/** Event ids below this have an entry in the region. */
const SMALL_IDS = 1 << 16

/** Offsets and sizes above this are nonsense of a damaged file. */
const MAX_OFFSET = 1 << 27

/** The fields of a layout in the region, in order. Those that are true have two entries, for the halves of 64 bits. */
const FIELDS: readonly [name: string, isLong: boolean][] = [
  ['common_pid', false],
  ['pfn', true],
  ['flags', true],
  ['count', false],
  ['mapcount', false],
  ['mapping', true],
  ['mt', false],
  ['val', false],
  ['ret', false],
]

let compiled: WebAssembly.Module | undefined

/** True if the loop can read all records of a recording. */
function isUsual({ layout, common, records, stack, probes, switches }: ColumnPlan): boolean {
  const { pageSize, dataOffset } = layout
  const ids = [...records, ...probes, ...[stack, switches].flatMap(other => other ?? [])].map(({ id }) => id)
  const isKnown = ({ size, fields }: RecordLayout) =>
    size <= MAX_OFFSET && [...fields.values()].every(field => field.size === 4 || field.size === 8)
  return (
    hostReads(layout.littleEndian) &&
    pageSize % 4 === 0 &&
    pageSize > dataOffset &&
    pageSize <= INPUT_BYTES &&
    common.type.size === 2 &&
    records.length <= Region.MAX_LAYOUTS &&
    records.every(isKnown) &&
    (stack?.callerOffset ?? 0) <= MAX_OFFSET &&
    new Set(ids).size === ids.length &&
    ids.every(id => id < SMALL_IDS)
  )
}

/** Returns a heap of its own for the loop, where the bytes to be read are in no memory of WebAssembly. */
function newHeap(): Heap {
  const page = 1 << 16
  const memory = new WebAssembly.Memory({ initial: 0 })
  return { memory, malloc: size => memory.grow(Math.ceil(size / page)) * page, free: () => {} }
}

/** Reads sub-buffers of one recording. Rows are kept in its memory until `flush`. */
export class ColumnLoop {
  readonly #plan: ColumnPlan
  readonly #heap: Heap
  readonly #region: number
  readonly #walk: (region: number, end: number) => number
  readonly #subBuffer: SubBuffer
  readonly #probes: ProbeReader
  readonly #switches: SwitchReader | undefined
  /** Views over the region, made anew when the memory has grown. */
  #bytes!: Uint8Array
  #numbers!: Int32Array
  #times!: Float64Array
  #columns!: Columns
  /** All of the memory, in words. */
  #words!: Int32Array
  /** What the loop is reading, and the address of the first byte of that. */
  #input!: Uint8Array
  #origin = 0
  /** Views over the input, made where they are needed. */
  #inputArrays: Arrays | undefined
  #state!: WalkState
  #target!: ColumnTarget

  private constructor(plan: ColumnPlan, heap: Heap, region: number, module: WebAssembly.Module) {
    this.#plan = plan
    this.#heap = heap
    this.#region = region
    const { exports } = new WebAssembly.Instance(module, { env: { memory: heap.memory } })
    this.#walk = exports.walk as (region: number, end: number) => number
    this.#subBuffer = new SubBuffer(plan.layout, plan.timeBase)
    this.#probes = new ProbeReader(plan.probes, plan.layout.littleEndian, plan.pageShift)
    this.#switches = plan.switches && new SwitchReader(plan.switches, plan.layout.littleEndian)
    this.#view()
    this.#describe()
  }

  /**
   * Returns a loop for a recording; undefined if it cannot read it, or without WebAssembly.
   *
   * @param heap the memory in which most of the bytes to be read are
   */
  static of(plan: ColumnPlan, heap: Heap | undefined): ColumnLoop | undefined {
    if (!isUsual(plan)) return undefined
    compiled ??= wasmModule(WASM)
    if (!compiled) return undefined
    const memory = heap ?? newHeap()
    const region = memory.malloc(Region.BYTES + INPUT_BYTES)
    return region === 0 && heap ? undefined : new ColumnLoop(plan, memory, region, compiled)
  }

  /** Gives the memory back. Nothing may be read after that. */
  free(): void {
    this.#heap.free(this.#region)
  }

  #view(): void {
    const { buffer } = this.#heap.memory
    if (this.#bytes?.buffer === buffer) return
    this.#bytes = new Uint8Array(buffer, this.#region, Region.BYTES + INPUT_BYTES)
    this.#numbers = new Int32Array(buffer, this.#region, Region.KINDS >> 2)
    this.#times = new Float64Array(buffer, this.#region, Region.OPEN >> 3)
    this.#words = new Int32Array(buffer, 0, buffer.byteLength >> 2)
    this.#columns = layColumns(buffer, this.#region + Region.COLUMNS, Region.ROWS)
  }

  #get(offset: number): number {
    return this.#numbers[offset >> 2]!
  }

  #set(offset: number, value: number): void {
    this.#numbers[offset >> 2] = value
  }

  /** Returns a position in what the loop is reading. */
  #position(offset: number): number {
    return (this.#get(offset) >>> 0) - this.#origin
  }

  #setPosition(offset: number, position: number): void {
    this.#set(offset, position + this.#origin)
  }

  /** Writes what the loop has to know of the recording to the region. */
  #describe(): void {
    const { layout, timeBase, common, records, stack, probes, switches } = this.#plan
    // What malloc() returns was used before. Stacks are written before they are read.
    this.#bytes.fill(0, 0, Region.STARTS + 4)
    this.#bytes.fill(0, Region.KINDS, Region.COLUMNS)
    this.#set(Region.PAGE_SIZE, layout.pageSize)
    this.#set(Region.COMMIT_OFFSET, layout.commitOffset)
    this.#set(Region.DATA_OFFSET, layout.dataOffset)
    this.#set(Region.BASE_LOW, Number(timeBase & 0xffffffffn))
    this.#set(Region.BASE_HIGH, Number(timeBase >> 32n))
    this.#set(Region.MINIMUM, common.size)
    this.#set(Region.FLAGS_OFFSET, common.flags.offset)
    this.#set(Region.PID_OFFSET, common.pid.offset)
    this.#set(Region.TYPE_OFFSET, common.type.offset)
    this.#set(Region.CALLER_OFFSET, stack?.callerOffset ?? 0)
    this.#set(Region.COUNT_OFFSET, stack?.count?.offset ?? -1)
    this.#set(Region.LONG_SHIFT, layout.longSize === 8 ? 3 : 2)
    records.forEach((record, i) => {
      this.#bytes[Region.KINDS + record.id] = Region.FIRST_LAYOUT + i
      this.#describeRecord(record, Region.LAYOUTS + i * Region.LAYOUT_BYTES)
    })
    for (const { id } of probes) this.#bytes[Region.KINDS + id] = Region.KIND_HANDED
    if (switches) this.#bytes[Region.KINDS + switches.id] = Region.KIND_HANDED
    if (stack) this.#bytes[Region.KINDS + stack.id] = Region.KIND_STACK
  }

  #describeRecord({ op, size, fields }: RecordLayout, at: number): void {
    this.#set(at, op)
    this.#set(at + 4, size)
    let entry = at + Region.FIELDS
    const add = (offset: number | undefined) => {
      this.#set(entry, offset ?? 0)
      this.#set(entry + 4, offset === undefined ? 0 : -1)
      entry += 8
    }
    for (const [name, isLong] of FIELDS) {
      const field = fields.get(name)
      add(field?.offset)
      if (isLong) add(field?.size === 8 ? field.offset + 4 : undefined)
    }
  }

  get #arrays(): Arrays {
    return (this.#inputArrays ??= layArrays(this.#input))
  }

  /** Walks the first `end` bytes, which are whole sub-buffers, as the generated walk does. The rows are complete after `flush`. */
  walk(bytes: Uint8Array, end: number, state: WalkState, target: ColumnTarget): void {
    this.#view()
    this.#input = bytes
    this.#inputArrays = undefined
    this.#state = state
    this.#target = target
    if (bytes.buffer === this.#heap.memory.buffer) {
      this.#origin = bytes.byteOffset
      this.#run(0, end)
      return
    }
    const { pageSize } = this.#plan.layout
    const most = INPUT_BYTES - (INPUT_BYTES % pageSize)
    for (let from = 0; from < end; from += most) {
      const to = Math.min(end, from + most)
      this.#bytes.set(bytes.subarray(from, to), Region.BYTES)
      this.#origin = this.#region + Region.BYTES - from
      this.#run(from, to)
    }
  }

  #run(start: number, end: number): void {
    this.#setPosition(Region.PAGE, start - this.#plan.layout.pageSize)
    this.#set(Region.P, 0)
    this.#set(Region.LIMIT, 0)
    this.#enter()
    for (;;) {
      const reason = this.#walk(this.#region, end + this.#origin)
      this.#leave()
      if (reason === Region.DONE) break
      this.#handle(reason)
    }
  }

  /** Passes the state to the loop. */
  #enter(): void {
    const { row, events, lastTime, gap, open, openPid } = this.#state
    this.#set(Region.FIRST_ROW, row - this.#get(Region.ROW))
    this.#set(Region.EVENTS, events)
    this.#set(Region.IS_AHEAD, gap !== undefined || Number.isNaN(lastTime) ? 1 : 0)
    this.#times[Region.LAST_TIME >> 3] = lastTime
    this.#numbers.set(open, Region.OPEN >> 2)
    this.#numbers.set(openPid, Region.OPEN_PID >> 2)
  }

  /** Takes the state from the loop. */
  #leave(): void {
    const state = this.#state
    state.row = this.#get(Region.FIRST_ROW) + this.#get(Region.ROW)
    state.events = this.#get(Region.EVENTS)
    state.lastTime = this.#times[Region.LAST_TIME >> 3]!
    for (let level = 0; level < state.open.length; level++) {
      state.open[level] = this.#numbers[(Region.OPEN >> 2) + level]!
      state.openPid[level] = this.#numbers[(Region.OPEN_PID >> 2) + level]!
    }
  }

  /** Does what the loop has returned for. */
  #handle(reason: number): void {
    let isReadable = true
    if (reason === Region.FULL) this.flush(this.#target.columns, this.#state.row)
    else if (reason === Region.STACK) this.#stack()
    else if (reason === Region.AHEAD) arrived(this.#state, this.#times[Region.EVENT_TIME >> 3]!)
    else if (reason === Region.COMMIT) this.#commit()
    else if (reason === Region.SKIP) isReadable = this.#skip()
    else if (reason === Region.HANDED) isReadable = this.#handed()
    else {
      isReadable = false
      if (reason === Region.MISFIT) this.#misfit()
      else this.#short()
    }
    if (!isReadable) this.#set(Region.P, this.#get(Region.LIMIT))
    this.#enter()
    // The event that has arrived is the next one that the loop reads.
    if (reason === Region.AHEAD) this.#set(Region.IS_AHEAD, 0)
  }

  #commit(): void {
    const page = this.#position(Region.PAGE)
    const commit = this.#arrays.W[(page + this.#plan.layout.commitOffset) >> 2]!
    this.#setPosition(Region.LIMIT, this.#subBuffer.unusual(this.#arrays, page, commit, this.#state))
  }

  /** Returns false if nothing can be read after the record. */
  #skip(): boolean {
    const subBuffer = this.#subBuffer
    const [p, limit] = [this.#position(Region.P), this.#position(Region.LIMIT)]
    const head = this.#arrays.W[p >> 2]!
    subBuffer.time = this.#times[Region.TIME >> 3]!
    if (!subBuffer.skip(this.#arrays, p + 4, limit, head & 31, head >>> 5, this.#state)) return false
    this.#times[Region.TIME >> 3] = subBuffer.time
    this.#setPosition(Region.P, Math.min(subBuffer.at, limit))
    return true
  }

  #misfit(): void {
    const [p, limit] = [this.#position(Region.P), this.#position(Region.LIMIT)]
    misfit(this.#state, p, this.#plan.common.size, limit - p, this.#get(Region.LENGTH))
  }

  #idAt(p: number): number {
    return this.#arrays.V.getUint16(p + this.#plan.common.type.offset, true)
  }

  #short(): void {
    const p = this.#position(Region.P)
    const id = this.#idAt(p)
    const { size } = this.#plan.records.find(record => record.id === id)!
    tooShort(this.#state, p, size, 'an event of page_ref', this.#get(Region.LENGTH))
  }

  /** Reads a probe or a switch of tasks. Returns false after damage. */
  #handed(): boolean {
    const state = this.#state
    const { V, B } = this.#arrays
    const [p, length] = [this.#position(Region.P), this.#get(Region.LENGTH)]
    const { flags, pid } = this.#plan.common
    const id = this.#idAt(p)
    const level = LEVEL_OF_FLAGS[B[p + flags.offset]!]!
    const least = this.#probes.size(id)
    this.#setPosition(Region.P, p + length)
    state.open[level] = CLOSED
    if (least === undefined) this.#switches!.take(V, p, length, state.names)
    else if (length < least) {
      tooShort(state, p, least, 'a probe', length)
      return false
    } else {
      const row = this.#get(Region.ROW)
      if (!this.#probes.store(id, V, p, this.#columns, row, state.probeFaults)) return true
      this.#columns.time[row] = state.lastTime
      this.#columns.stack[row] = 0
      state.open[level] = state.row++
      state.openPid[level] = V.getInt32(p + pid.offset, true)
      this.#set(Region.ROW, row + 1)
    }
    return true
  }

  /** Looks up a stack, and tells the loop of it. */
  #stack(): void {
    const state = this.#state
    const { columns, stacks } = this.#target
    const { V, B } = this.#arrays
    const { common, stack, layout } = this.#plan
    const { callerOffset, count } = stack!
    const [p, length] = [this.#position(Region.P), this.#get(Region.LENGTH)]
    const level = LEVEL_OF_FLAGS[B[p + common.flags.offset]!]!
    const pid = V.getInt32(p + common.pid.offset, true)
    const room = Math.trunc((length - callerOffset) / layout.longSize)
    const found = count ? Math.min(V.getInt32(p + count.offset, true), room) : room
    const last = (stacks.last = this.#get(Region.LAST_STACK))
    const id = stacks.find(this.#words, (p + this.#origin + callerOffset) >>> 2, Math.max(0, found))
    this.#set(Region.LAST_STACK, id)
    if (last < Region.STACKS) this.#set(Region.SUCCESSORS + 4 * last, id)
    this.#keepStacks(stacks)
    const waiting = state.open[level]!
    const row = waiting - this.#get(Region.FIRST_ROW)
    if (waiting === UNTOUCHED) early(state, level, pid, id)
    else if (state.openPid[level] === pid) {
      if (row < 0) columns.stack[waiting] = id
      else {
        this.#columns.stack[row] = id
        this.#set(Region.HAS_STACKS, 1)
      }
    }
    state.open[level] = CLOSED
    this.#setPosition(Region.P, p + length)
  }

  /** Copies stacks that are new to the region, so that the loop knows them when they come again. */
  #keepStacks(stacks: RawStacks): void {
    let known = this.#get(Region.STACK_COUNT)
    for (; known < Math.min(stacks.size, Region.STACKS); known++) {
      const words = stacks.words(known)
      const start = this.#get(Region.STARTS + 4 * known)
      if (start + words.byteLength > Region.STACK_BYTES) break
      this.#numbers.set(words, (Region.STACK_WORDS + start) >> 2)
      this.#set(Region.STARTS + 4 * (known + 1), start + words.byteLength)
    }
    this.#set(Region.STACK_COUNT, known)
  }

  /**
   * Moves the rows in the loop's memory to a block, except the column `cpu`.
   *
   * @param row number of rows of the block, these included
   */
  flush(columns: Columns, row: number): void {
    const rows = this.#get(Region.ROW)
    const { stack, cpu: _, ...filled } = this.#columns
    copyRows(columns, row - rows, filled, 0, rows)
    if (this.#get(Region.HAS_STACKS)) copyRows(columns, row - rows, { stack }, 0, rows)
    this.#set(Region.HAS_STACKS, 0)
    this.#set(Region.ROW, 0)
  }
}
