// SPDX-License-Identifier: GPL-2.0-or-later
/** The state and results of a walk over sub-buffers of one CPU. */
import { joinGaps, type OpenGap } from '../common/loss-tracker.ts'

/** A gap in one CPU's events, by the row of the first event after it. */
export interface Gap {
  row: number
  /** NaN if the last event before the gap is in an earlier block. */
  from: number
  to: number
  count: number | undefined
}

/** Number of interrupt levels at which events are recorded: task, softirq, hardirq, NMI. */
const LEVELS = 4

/** No event of this level waits for its stack. */
export const CLOSED = -1
/** No event of this level has come in this block yet. One of an earlier block may wait for its stack. */
export const UNTOUCHED = -2

/** A kernel_stack event before the first event of its level in the block. It belongs to an event of an earlier block. */
export interface HeadStack {
  level: number
  pid: number
  stack: number
}

/** The results of a walk over a run of sub-buffers of one CPU, in addition to the columns. */
export interface WalkState {
  /** Rows written so far. */
  row: number
  /** Number of events seen, of any kind. */
  events: number
  /** Times of the first and last event of any kind; NaN if there was none. */
  firstTime: number
  lastTime: number
  /** By level, the row that waits for its stack (or CLOSED or UNTOUCHED), and its pid. */
  open: Int32Array
  openPid: Int32Array
  heads: HeadStack[]
  gaps: Gap[]
  /** The gap that no event has ended yet. */
  gap: OpenGap | undefined
  /** Offsets in the walked bytes at which a sub-buffer becomes unreadable. */
  damage: { at: number; expected: string }[]
  /** Faults of probes, as in `ProbeFaults`. */
  probeFaults: number[]
  /** Names of tasks by pid, from records of sched_switch. */
  names: Map<number, string>
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
    names: new Map(),
  }
}

const FLAG_HARDIRQ = 0x08
const FLAG_SOFTIRQ = 0x10
const FLAG_NMI = 0x40

/** Interrupt level by `common_flags`. */
export const LEVEL_OF_FLAGS = Uint8Array.from({ length: 256 }, (_, flags) =>
  flags & FLAG_NMI ? 3 : flags & FLAG_HARDIRQ ? 2 : flags & FLAG_SOFTIRQ ? 1 : 0,
)

/** Notes that events are missing before the next one. */
export function missed(state: WalkState, count: number | undefined): void {
  state.gap = joinGaps(state.gap, count)
  state.open.fill(CLOSED)
}

/** Notes damage of a sub-buffer. The rest of its events is missing. */
export function damaged(state: WalkState, at: number, expected: string): void {
  state.damage.push({ at, expected })
  missed(state, undefined)
}

/** Notes the time of the next event, which is the first of the block or the first after a gap. */
export function arrived(state: WalkState, time: number): void {
  const { row, lastTime, gap } = state
  if (Number.isNaN(lastTime)) state.firstTime = time
  if (gap !== undefined) state.gaps.push({ row, from: lastTime, to: time, count: gap.count })
  state.gap = undefined
}
