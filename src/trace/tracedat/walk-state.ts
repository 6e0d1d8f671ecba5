// SPDX-License-Identifier: GPL-2.0-or-later
/** What a walk over the sub-buffers of one CPU leaves behind, and what may happen on its way. */
import { joinGaps, type OpenGap } from '../common/loss-tracker.ts'

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
  /** Tasks that records of sched_switch name, by pid. */
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

/** Levels of interrupt by `common_flags`. */
export const LEVEL_OF_FLAGS = Uint8Array.from({ length: 256 }, (_, flags) =>
  flags & FLAG_NMI ? 3 : flags & FLAG_HARDIRQ ? 2 : flags & FLAG_SOFTIRQ ? 1 : 0,
)

/** Notes that events are missing before the next one. */
export function missed(state: WalkState, count: number | undefined): void {
  state.gap = joinGaps(state.gap, count)
  state.open.fill(CLOSED)
}

/** Notes where a sub-buffer stops making sense, and that its other events are missing. */
export function damaged(state: WalkState, at: number, expected: string): void {
  state.damage.push({ at, expected })
  missed(state, undefined)
}

/** Notes the time of an event that is about to be read, if it is the block's first or the first after a gap. */
export function arrived(state: WalkState, time: number): void {
  const { row, lastTime, gap } = state
  if (Number.isNaN(lastTime)) state.firstTime = time
  if (gap !== undefined) state.gaps.push({ row, from: lastTime, to: time, count: gap.count })
  state.gap = undefined
}
