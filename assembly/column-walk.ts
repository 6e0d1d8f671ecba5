// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The loop over the records of sub-buffers that fills columns, for recordings in the byte order of WebAssembly. It does what the
 * generated walk does (src/trace/tracedat/column-walk.ts) for all that occurs often, and returns to its caller
 * (src/trace/tracedat/column-loop.ts) for everything else: damage, missing events, records that only advance the time, probes.
 * The caller handles what it returned for, and calls again. All numbers are in one region of memory, at the offsets below.
 */
import {
  AHEAD,
  BASE_HIGH,
  BASE_LOW,
  CALLER_OFFSET,
  CLOSED,
  COLUMNS,
  COMMIT,
  COMMIT_OFFSET,
  COUNT,
  COUNT_OFFSET,
  DATA_OFFSET,
  DONE,
  EVENT_TIME,
  EVENTS,
  FIELDS,
  FIRST_LAYOUT,
  FIRST_ROW,
  FLAGS_HIGH,
  FLAGS_LOW,
  FLAGS_OFFSET,
  FULL,
  HANDED,
  HAS_STACKS,
  IS_AHEAD,
  KIND_HANDED,
  KIND_STACK,
  KINDS,
  LAST_STACK,
  LAST_TIME,
  LAYOUT_BYTES,
  LAYOUTS,
  LENGTH,
  LIMIT,
  LONG_SHIFT,
  MAPCOUNT,
  MAPPING_HIGH,
  MAPPING_LOW,
  MAX_DEPTH,
  MINIMUM,
  MISFIT,
  MT,
  OP,
  OPEN,
  OPEN_PID,
  P,
  PAGE,
  PAGE_SIZE,
  PID,
  PID_OFFSET,
  RET,
  ROW,
  ROWS,
  SHORT,
  SKIP,
  STACK,
  STACK_COUNT,
  STACK_ID,
  STACK_WORDS,
  STACKS,
  STARTS,
  SUCCESSORS,
  TIME,
  TYPE_OFFSET,
  VAL,
} from '../src/trace/tracedat/walk-region'

const COMMIT_SIZE: u32 = 0x7ffffff
const COMMIT_MISSED: u32 = 0x80000000
const TYPE_PADDING = 29
const LAST_SHORT_TYPE = 28

/** Loads the field that entry `index` of a layout describes. Both halves of a missing field are 0. */
function field(layout: usize, index: i32, p: usize): i32 {
  const entry = layout + FIELDS + ((<usize>index) << 3)
  return load<i32>(p + load<u32>(entry)) & load<i32>(entry, 4)
}

/** Writes the page_ref event at `p` to a row. */
function storeRow(region: usize, layout: usize, p: usize, row: usize, time: f64): void {
  const long = region + (row << 3)
  const word = region + (row << 2)
  const pfn = ((<u64>(<u32>field(layout, 2, p))) << 32) | <u64>(<u32>field(layout, 1, p))
  store<f64>(long, time, COLUMNS)
  store<f64>(long, <f64>pfn, COLUMNS + 8 * ROWS)
  store<i32>(word, field(layout, 0, p), PID)
  store<i32>(word, field(layout, 3, p), FLAGS_LOW)
  store<i32>(word, field(layout, 4, p), FLAGS_HIGH)
  store<i32>(word, field(layout, 5, p), COUNT)
  store<i32>(word, field(layout, 6, p), MAPCOUNT)
  store<i32>(word, field(layout, 7, p), MAPPING_LOW)
  store<i32>(word, field(layout, 8, p), MAPPING_HIGH)
  store<i32>(word, field(layout, 9, p), MT)
  store<i32>(word, field(layout, 10, p), VAL)
  store<i32>(word, field(layout, 11, p), RET)
  store<i32>(word, 0, STACK_ID)
  store<u8>(region + row, load<u8>(layout), OP)
}

/** Returns the interrupt level of the event at `p`: task, softirq, hardirq, NMI. */
function levelOf(region: usize, p: usize): usize {
  const flags = load<u8>(p + load<u32>(region, FLAGS_OFFSET))
  if ((flags & 0x58) === 0) return 0
  return flags & 0x40 ? 3 : flags & 0x08 ? 2 : 1
}

/** True if the bytes at two addresses are the same. Their number is a multiple of 4. */
function isSame(a: usize, b: usize, bytes: u32): bool {
  let at: usize = 0
  for (; at + 8 <= bytes; at += 8) if (load<u64>(a + at) !== load<u64>(b + at)) return false
  return at === bytes || load<u32>(a + at) === load<u32>(b + at)
}

/** True if an address of all ones is at `at`, which ends a stack. */
function isEnd(at: usize, longShift: i32): bool {
  return longShift === 3 ? load<i64>(at) === -1 : load<i32>(at) === -1
}

/** True if the stack that is expected next begins at `at` and ends before `room` addresses, or there. */
function isStack(region: usize, stack: i32, at: usize, room: i32): bool {
  const longShift = load<i32>(region, LONG_SHIFT)
  const start = region + ((<usize>stack) << 2)
  const from = load<u32>(start, STARTS)
  const bytes = load<u32>(start, STARTS + 4) - from
  const most = (<u32>max(0, min(room, MAX_DEPTH))) << longShift
  if (bytes > most || (bytes < most && !isEnd(at + bytes, longShift))) return false
  return isSame(region + STACK_WORDS + from, at, bytes)
}

/**
 * Gives the stack at `p` to the event that waits for it, if there is one. Returns `DONE`, or `STACK` without having done anything if
 * it is not the stack that followed the last one the time before, or if the event is one of an earlier block or not in memory.
 */
function readStack(region: usize, level: usize, p: usize, length: i32, firstRow: i32): i32 {
  const open = region + (level << 2)
  const waiting = load<i32>(open, OPEN)
  const offset = load<i32>(region, CALLER_OFFSET)
  if (waiting === CLOSED || length < offset) return DONE
  const last = load<i32>(region, LAST_STACK)
  if (last >= STACKS || waiting < firstRow) return STACK
  const expected = load<i32>(region + ((<usize>last) << 2), SUCCESSORS)
  if (expected === 0 || expected >= load<i32>(region, STACK_COUNT)) return STACK
  const room = (length - offset) >> load<i32>(region, LONG_SHIFT)
  const countOffset = load<i32>(region, COUNT_OFFSET)
  const count = countOffset < 0 ? room : min(room, load<i32>(p + countOffset))
  if (!isStack(region, expected, p + offset, count)) return STACK
  store<i32>(region, expected, LAST_STACK)
  if (load<i32>(p + load<u32>(region, PID_OFFSET)) === load<i32>(open, OPEN_PID)) {
    store<i32>(region + ((<usize>(waiting - firstRow)) << 2), expected, STACK_ID)
    store<i32>(region, 1, HAS_STACKS)
  }
  store<i32>(open, CLOSED, OPEN)
  return DONE
}

/** Begins the sub-buffer at `page`. Returns `DONE`, or `COMMIT`. */
function begin(region: usize, page: usize): i32 {
  const pageSize = load<u32>(region, PAGE_SIZE)
  const offset = load<u32>(region, DATA_OFFSET)
  const commit = load<u32>(page + load<u32>(region, COMMIT_OFFSET))
  const used = commit & COMMIT_SIZE
  const high = <f64>load<u32>(page, 4) - <f64>load<u32>(region, BASE_HIGH)
  // In this order, every step is exact, as in the generated walk.
  store<f64>(region, high * 4294967296.0 - <f64>load<u32>(region, BASE_LOW) + <f64>load<u32>(page), TIME)
  store<u32>(region, <u32>page, PAGE)
  store<u32>(region, <u32>page + offset, P)
  const isUsual = (commit & COMMIT_MISSED) === 0 && used <= pageSize - offset
  store<u32>(region, <u32>page + offset + (isUsual ? used : 0), LIMIT)
  return isUsual ? DONE : COMMIT
}

/** Reads records of one sub-buffer up to `LIMIT`. */
function readRecords(region: usize): i32 {
  let p = <usize>load<u32>(region, P)
  let row = load<i32>(region, ROW)
  let time = load<f64>(region, TIME)
  let lastTime = load<f64>(region, LAST_TIME)
  let events = load<i32>(region, EVENTS)
  const isAhead = load<i32>(region, IS_AHEAD)
  let reason = DONE
  const limit = <usize>load<u32>(region, LIMIT)
  const minimum = load<i32>(region, MINIMUM)
  const firstRow = load<i32>(region, FIRST_ROW)
  const pidOffset = load<u32>(region, PID_OFFSET)
  const typeOffset = load<u32>(region, TYPE_OFFSET)
  while (p < limit) {
    const head = load<u32>(p)
    const type = <i32>(head & 31)
    const delta = head >> 5
    let length = type << 2
    let at = p + 4
    if (type === 0 || type > LAST_SHORT_TYPE) {
      if (type === TYPE_PADDING && delta === 0) {
        p = limit
        break
      }
      if (type !== 0 || at + 4 > limit) {
        reason = SKIP
        break
      }
      length = (load<i32>(at) - 1) & ~3
      at += 4
    }
    if (length < minimum || length > <i32>(limit - at)) {
      store<i32>(region, length, LENGTH)
      p = at
      reason = MISFIT
      break
    }
    if (isAhead) {
      store<f64>(region, time + <f64>delta, EVENT_TIME)
      reason = AHEAD
      break
    }
    if (row === ROWS) {
      reason = FULL
      break
    }
    time += <f64>delta
    lastTime = time
    events++
    p = at
    const level = levelOf(region, p)
    const kind = <i32>load<u8>(region + <usize>load<u16>(p + typeOffset), KINDS)
    if (kind >= FIRST_LAYOUT) {
      const layout = region + LAYOUTS + <usize>(kind - FIRST_LAYOUT) * LAYOUT_BYTES
      if (length < load<i32>(layout, 4)) {
        store<i32>(region, length, LENGTH)
        reason = SHORT
        break
      }
      storeRow(region, layout, p, <usize>row, time)
      const open = region + (level << 2)
      store<i32>(open, firstRow + row, OPEN)
      store<i32>(open, load<i32>(p + pidOffset), OPEN_PID)
      row++
    } else if (kind === KIND_STACK) {
      reason = readStack(region, level, p, length, firstRow)
      if (reason !== DONE) {
        store<i32>(region, length, LENGTH)
        break
      }
    } else if (kind === KIND_HANDED) {
      store<i32>(region, length, LENGTH)
      reason = HANDED
      break
    } else {
      store<i32>(region + (level << 2), CLOSED, OPEN)
    }
    p += length
  }
  store<u32>(region, <u32>p, P)
  store<i32>(region, row, ROW)
  store<f64>(region, time, TIME)
  store<f64>(region, lastTime, LAST_TIME)
  store<i32>(region, events, EVENTS)
  return reason
}

/** Reads the sub-buffers up to the address `end`, from where the last call returned. Returns why it returns. */
export function walk(region: usize, end: usize): i32 {
  while (true) {
    const reason = readRecords(region)
    if (reason !== DONE) return reason
    const page = <usize>load<u32>(region, PAGE) + load<u32>(region, PAGE_SIZE)
    if (page >= end) return DONE
    if (begin(region, page) === COMMIT) return COMMIT
  }
}
