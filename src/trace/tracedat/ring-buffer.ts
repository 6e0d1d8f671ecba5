// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Walks the sub-buffers of ftrace's ring buffer. The loop is generated for one recording, so that loads are straight
 * typed accesses in the file's byte order.
 *
 * Facts of the format: include/linux/ring_buffer.h, and libtraceevent's reader where the kernel leaves a choice.
 */
import {
  type Arrays,
  COLUMN_CONSTANTS,
  type Columns,
  Loads,
  type RecordLayout,
  storeRecord,
} from '../common/columns.ts'
import type { EventFormat } from '../common/event-format.ts'
import { findField, parseFields } from '../common/event-format.ts'
import { joinGaps, type OpenGap } from '../common/loss-tracker.ts'
import { type ProbeLayout, ProbeReader } from '../common/probe-records.ts'
import type { RawStacks } from '../common/raw-stacks.ts'

/** How a recording's sub-buffers and records are laid out. Plain data: it goes to worker threads. */
export interface BufferLayout {
  littleEndian: boolean
  /** sizeof(long) of the recorded kernel. */
  longSize: number
  /** Bytes of a sub-buffer. */
  pageSize: number
  /** Place and size of `commit` in a sub-buffer, and where records start. */
  commitOffset: number
  commitSize: number
  dataOffset: number
}

/** `commit`: bytes used, and two flags. */
const COMMIT_SIZE = 0x7ffffff
export const COMMIT_MISSED = 0x80000000
export const COMMIT_MISSED_STORED = 0x40000000

export const TYPE_PADDING = 29
export const TYPE_TIME_EXTEND = 30
export const TYPE_TIME_STAMP = 31
const TIME_EXTEND_UNIT = 2 ** 27

/** Reads the layout of a sub-buffer from tracefs `events/header_page`. Undefined when it cannot be one. */
export function parseHeaderPage(
  text: string,
): Pick<BufferLayout, 'commitOffset' | 'commitSize' | 'dataOffset'> | undefined {
  const fields = parseFields(text)
  const commit = fields.find(field => field.name === 'commit')
  const data = fields.find(field => field.name === 'data')
  const time = fields.find(field => field.name === 'timestamp')
  if (!commit || !data || time?.offset !== 0 || time.size !== 8) return undefined
  if (commit.offset !== 8 || (commit.size !== 4 && commit.size !== 8)) return undefined
  if (data.offset < commit.offset + commit.size || data.offset > 64 || data.offset % 4 !== 0) return undefined
  return { commitOffset: commit.offset, commitSize: commit.size, dataOffset: data.offset }
}

/** A gap in one CPU's events, by the row of the first event after it. */
export interface Gap {
  row: number
  /** NaN: the last event before lies in an earlier block. */
  from: number
  to: number
  count: number | undefined
}

/** Depth of interrupt that an event was recorded in: task, softirq, hardirq, NMI. */
const LEVELS = 4

/** No event of this level is waiting for its stack, */
export const CLOSED = -1
/** or none has come in this block yet, and one of an earlier block may be waiting. */
export const UNTOUCHED = -2

/** A kernel_stack event that came before any event of its level in the block: it belongs to an earlier block's event. */
export interface HeadStack {
  level: number
  pid: number
  stack: number
}

/** What a walk over a run of sub-buffers of one CPU leaves behind, next to the columns. */
export interface WalkState {
  /** Rows written so far. */
  row: number
  /** Events seen, of any kind. */
  events: number
  /** Time of the first and the last event of any kind; NaN: none yet. */
  firstTime: number
  lastTime: number
  /** By level: the row that waits for its stack, CLOSED or UNTOUCHED, and the pid it has. */
  open: Int32Array
  openPid: Int32Array
  heads: HeadStack[]
  gaps: Gap[]
  /** A gap that no event has ended yet. */
  gap: OpenGap | undefined
  /** Places in the walked bytes where a sub-buffer stopped making sense. */
  damage: { at: number; expected: string }[]
  /** What is wrong with probes, as in `ProbeFaults`. */
  probeFaults: number[]
}

export function newWalkState(): WalkState {
  return {
    row: 0,
    events: 0,
    firstTime: Number.NaN,
    lastTime: Number.NaN,
    open: new Int32Array(LEVELS).fill(UNTOUCHED),
    openPid: new Int32Array(LEVELS),
    heads: [],
    gaps: [],
    gap: undefined,
    damage: [],
    probeFaults: [],
  }
}

/** What an index of records holds: one row for each event of any kind. */
export interface RecordIndex {
  time: Float64Array
  /** Where the record's payload starts in the walked bytes, and its length. */
  at: Uint32Array
  length: Uint32Array
}

/** Walks the sub-buffers in [start, end) of the arrays. */
export type Walk<Target> = (arrays: Arrays, start: number, end: number, state: WalkState, target: Target) => void

const FLAG_HARDIRQ = 0x08
const FLAG_SOFTIRQ = 0x10
const FLAG_NMI = 0x40

/** Level by `common_flags`. */
const LEVEL_OF_FLAGS = Uint8Array.from({ length: 256 }, (_, flags) =>
  flags & FLAG_NMI ? 3 : flags & FLAG_HARDIRQ ? 2 : flags & FLAG_SOFTIRQ ? 1 : 0,
)

/** Splits a time as the generated code needs it: halves of 32 bits, and for absolute time stamps of 27. */
function timeConstants(base: bigint): string {
  return `const baseHigh = ${base >> 32n}, baseLow = ${base & 0xffffffffn}
const stampHigh = ${(base >> 27n) & 0xffffffffn}, stampLow = ${base & 0x7ffffffn}`
}

/** Notes where a sub-buffer stops making sense. Returns that the next event must be told of it. */
function damaged(state: WalkState, at: number, expected: string): boolean {
  state.damage.push({ at, expected })
  return missed(state, undefined)
}

/** Notes that events are missing before the next one. */
function missed(state: WalkState, count: number | undefined): boolean {
  state.gap = joinGaps(state.gap, count)
  state.open.fill(CLOSED)
  return true
}

/** Notes the block's first event, or the first after a gap. */
function arrived(state: WalkState, row: number, lastTime: number, time: number): boolean {
  if (Number.isNaN(lastTime)) state.firstTime = time
  if (state.gap !== undefined) state.gaps.push({ row, from: lastTime, to: time, count: state.gap.count })
  state.gap = undefined
  return false
}

/** Notes a stack that came before any event of its level. */
function early(state: WalkState, level: number, pid: number, stack: number): void {
  state.heads.push({ level, pid, stack })
}

const HELPERS = { damaged, missed, arrived, early, LEVEL_OF_FLAGS }

/** Compiles a walk's source; further names that it uses come in `more`. */
function compile<Target>(source: string, more: { [name: string]: unknown } = {}): Walk<Target> {
  const names = { ...HELPERS, ...more }
  return new Function(...Object.keys(names), source)(...Object.values(names)) as Walk<Target>
}

/**
 * The loop over sub-buffers and records. `record` is code that handles one event with `p` (start of payload), `length`
 * and `time` at hand; it may `break page` after `ahead = damaged(state, at, expected)`. Variables of the loop must not be
 * captured by functions: each store to one would allocate.
 */
function walkerSource(layout: BufferLayout, base: bigint, minimum: number, prologue: string, record: string): string {
  const loads = new Loads(layout.littleEndian)
  const word = (place: string, offset = 0) => loads.load(place, offset, 4, false)
  const [low, high] = layout.littleEndian ? [0, 4] : [4, 0]
  const { pageSize, dataOffset } = layout
  return `'use strict'
${timeConstants(base)}
return (arrays, start, end, state, target) => {
const { B, H, W, I, V } = arrays
let { row, events, lastTime } = state
// Something to be told with the next event: that it is the block's first, or that events before it are missing.
let ahead = state.gap !== undefined || Number.isNaN(lastTime)
${prologue}
for (let page = start; page < end; page += ${pageSize}) {
  const commit = ${loads.load('page', layout.commitOffset, layout.commitSize, false)}
  const size = commit & ${COMMIT_SIZE}
  // In this order all of it is floating point from the first sub-buffer on, whatever the base.
  let time = (${word('page', high)} - baseHigh) * 4294967296 - baseLow + ${word('page', low)}
  if (size > ${pageSize - dataOffset}) {
    ahead = damaged(state, page + ${layout.commitOffset}, 'expected a sub-buffer with at most ${pageSize - dataOffset} bytes used, found ' + size)
    continue
  }
  const limit = page + ${dataOffset} + size
  if ((commit & ${COMMIT_MISSED}) !== 0) {
    const stored = (commit & ${COMMIT_MISSED_STORED}) !== 0 && limit + ${layout.commitSize} <= page + ${pageSize} && (size & 3) === 0
    const count = stored ? ${loads.load('limit', 0, layout.commitSize, false)} : undefined
    ahead = missed(state, count)
  }
  let p = page + ${dataOffset}
  page: while (p < limit) {
    const head = ${word('p')}
    const type = ${layout.littleEndian ? 'head & 31' : 'head >>> 27'}
    const delta = ${layout.littleEndian ? 'head >>> 5' : 'head & 0x7ffffff'}
    p += 4
    let length = type << 2
    if (type > 28 || type === 0) {
      if (type === ${TYPE_PADDING} && delta === 0) break
      if (p + 4 > limit) {
        ahead = damaged(state, p, 'expected the second word of a ring-buffer record, but the sub-buffer ends')
        break
      }
      const word = ${word('p')}
      if (type === ${TYPE_PADDING}) {
        time += delta
        if ((word & 3) !== 0) {
          ahead = damaged(state, p, 'expected the length of a discarded event as a multiple of 4, found ' + word)
          break
        }
        p += word
        continue
      }
      p += 4
      if (type === ${TYPE_TIME_EXTEND}) {
        time += word * ${TIME_EXTEND_UNIT} + delta
        continue
      }
      if (type !== 0) {
        time = (word - stampHigh) * ${TIME_EXTEND_UNIT} + (delta - stampLow)
        if (time < ${-(2 ** 58)}) time += ${2 ** 59}
        continue
      }
      length = (word - 1) & ~3
    }
    time += delta
    if (length < ${minimum} || length > limit - p) {
      ahead = damaged(state, p - 4, 'expected a record of ${minimum} to ' + (limit - p) + ' bytes, found ' + length)
      break
    }
    if (ahead) ahead = arrived(state, row, lastTime, time)
    events++
    lastTime = time
    ${record}
    p += length
  }
}
state.row = row
state.events = events
state.lastTime = lastTime
}`
}

/** Where the fields stand that every event begins with. */
export interface CommonFields {
  /** Place and size of common_type, common_flags and common_pid. */
  type: { offset: number; size: number }
  flags: { offset: number; size: number }
  pid: { offset: number; size: number }
  /** Bytes that hold all of them. */
  size: number
}

/** Finds the common fields in any event's format. */
export function commonFields(format: EventFormat): CommonFields | undefined {
  const [type, flags, pid] = ['common_type', 'common_flags', 'common_pid'].map(name => findField(format, name))
  if (!type || !flags || !pid || type.size > 4 || flags.size !== 1 || pid.size !== 4) return undefined
  if (type.size === 3 || type.size === 0) return undefined
  const size = Math.max(...[type, flags, pid].map(field => field.offset + field.size))
  return size <= 64 ? { type, flags, pid, size } : undefined
}

/** Place of the return addresses in kernel_stack events. */
export interface StackLayout {
  id: number
  /** The field that says how many there are; undefined: up to the end of the record. */
  count: { offset: number; size: number } | undefined
  callerOffset: number
}

export function stackLayout(format: EventFormat): StackLayout | undefined {
  const caller = findField(format, 'caller')
  const size = findField(format, 'size')
  if (!caller || caller.offset % 4 !== 0) return undefined
  const usable = size && (size.size === 4 || size.size === 8) && size.offset + size.size <= caller.offset
  return { id: format.id, count: usable ? size : undefined, callerOffset: caller.offset }
}

/** Where the column walk puts what it reads. */
export interface ColumnTarget {
  columns: Columns
  stacks: RawStacks
}

/** What the column walk must know of a recording. */
export interface ColumnPlan {
  layout: BufferLayout
  timeBase: bigint
  common: CommonFields
  records: RecordLayout[]
  stack: StackLayout | undefined
  probes: ProbeLayout[]
  /** log2 of the recorded kernel's page size. */
  pageShift: number
}

function stackCase(stack: StackLayout, layout: BufferLayout, loads: Loads): string {
  const room = `((length - ${stack.callerOffset}) / ${layout.longSize} | 0)`
  const count = stack.count ? loads.load('p', stack.count.offset, stack.count.size, true) : room
  return `case ${stack.id}: {
      const waiting = open[level]
      if (waiting === ${CLOSED} || length < ${stack.callerOffset}) break
      const id = stacks.find(I, p + ${stack.callerOffset} >> 2, Math.max(0, Math.min(${count}, ${room})))
      if (waiting === ${UNTOUCHED}) early(state, level, pid, id)
      else if (openPid[level] === pid) C_stack[waiting] = id
      open[level] = ${CLOSED}
      break
    }`
}

/** Probes of whatever kind. Few records are any, so there is one case for all. */
function probeCase(probes: ProbeLayout[]): string {
  return `${probes.map(({ id }) => `case ${id}:`).join(' ')} {
      const least = probes.size(id)
      if (length < least) {
        ahead = damaged(state, p, 'expected ' + least + ' bytes of a probe, found ' + length)
        break page
      }
      if (probes.store(id, V, p, columns, row, state.probeFaults)) {
        C_time[row] = time
        open[level] = row++
        openPid[level] = pid
      } else open[level] = ${CLOSED}
      break
    }`
}

/** Event ids below this are looked up in a table. The kernel's have 16 bits. */
const SMALL_IDS = 1 << 16

/** Events whose records are read by the same code. The less code there is, the sooner it is compiled well. */
function sameLayouts(records: RecordLayout[]): RecordLayout[][] {
  const groups = new Map<string, RecordLayout[]>()
  for (const record of records) {
    const layout = JSON.stringify([record.id < SMALL_IDS ? 0 : record.id, [...record.fields.values()]])
    groups.set(layout, [...(groups.get(layout) ?? []), record])
  }
  return [...groups.values()]
}

/**
 * Generates the walk that decodes page_ref events and probes into columns and joins kernel stacks to them. It leaves `cpu` as it
 * is, and `stack` where there is none.
 *
 * A stack belongs to the last event of the same task at the same level of interrupt on its CPU: an interrupt between an
 * event and its stack brings both of its own records in between.
 */
export function compileColumnWalk(plan: ColumnPlan): Walk<ColumnTarget> {
  const { layout, common } = plan
  const loads = new Loads(layout.littleEndian)
  const cases = sameLayouts(plan.records).map(
    records => `${records.map(({ id }) => `case ${id}:`).join(' ')}
      if (length < ${records[0]!.size}) {
        ahead = damaged(state, p, 'expected ${records[0]!.size} bytes of an event of page_ref, found ' + length)
        break page
      }
      ${storeRecord(records[0]!, loads, 'p')}
      ${records.length > 1 ? 'C_op[row] = OP_OF_ID[id]' : ''}
      C_time[row] = time
      open[level] = row++
      openPid[level] = pid
      break`,
  )
  if (plan.stack) cases.push(stackCase(plan.stack, layout, loads))
  if (plan.probes.length > 0) cases.push(probeCase(plan.probes))
  const record = `const level = LEVEL_OF_FLAGS[${loads.load('p', common.flags.offset, 1, false)}]
    const pid = ${loads.load('p', common.pid.offset, 4, true)}
    const id = ${loads.load('p', common.type.offset, common.type.size, false)}
    switch (id) {
    ${cases.join('\n    ')}
    default:
      open[level] = ${CLOSED}
    }`
  const prologue = `const { columns, stacks } = target\n${COLUMN_CONSTANTS}\nconst { open, openPid } = state`
  const source = walkerSource(layout, plan.timeBase, common.size, prologue, record)
  const opOfId = new Uint8Array(SMALL_IDS)
  for (const { id, op } of plan.records) if (id < SMALL_IDS) opOfId[id] = op
  const probes = new ProbeReader(plan.probes, layout.littleEndian, plan.pageShift)
  return compile(source, { OP_OF_ID: opOfId, probes })
}

/** Generates the walk that notes where every record stands, of whatever event. */
export function compileIndexWalk(layout: BufferLayout, timeBase: bigint, common: CommonFields): Walk<RecordIndex> {
  const prologue = 'const { time: times, at, length: lengths } = target'
  const record = 'times[row] = time; at[row] = p; lengths[row++] = length'
  const source = walkerSource(layout, timeBase, common.size, prologue, record)
  return compile(source)
}
