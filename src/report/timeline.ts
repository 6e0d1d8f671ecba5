// SPDX-License-Identifier: GPL-2.0-or-later
/** The data that the viewer draws of a recording, as columns: page after page, 10 bytes and one bit for each event. */

/** Number of events that share one entry of `high` and `low`. */
export const BLOCK = 32

/** The columns that are drawn. Times are as in `EventBatch.time`. */
export interface Timeline {
  /** Rising. */
  pfns: Float64Array
  /** Events of page p are start[p] .. start[p + 1] - 1 of `time` and `count`, by time. */
  start: Uint32Array
  time: Float64Array
  /** Count after each event, at most +-32767. */
  count: Int16Array
  /** Highest and lowest count of each BLOCK events, whatever their pages. */
  high: Int16Array
  low: Int16Array
  /** Count of each page while nobody holds it; NO_IDLE where that is not known. */
  idle: Int16Array
  /**
   * One bit for each event, least significant bit first: set if a lifetime begins with it, or if it is the first one known of a
   * lifetime.
   */
  begins: Uint8Array
  firstTime: number
  lastTime: number
  /**
   * Number of events in each of DENSITY parts of the time in between. All parts have the same length but the last, which is the
   * last moment.
   */
  density: Uint32Array
}

const DENSITY = 1024

export const NO_IDLE = -32768

/** Highest and lowest count of each block. */
export function extremes(count: Int16Array): { high: Int16Array; low: Int16Array } {
  const blocks = Math.ceil(count.length / BLOCK)
  const high = new Int16Array(blocks).fill(-32767)
  const low = new Int16Array(blocks).fill(32767)
  for (let i = 0; i < count.length; i++) {
    const block = (i / BLOCK) | 0
    const each = count[i]!
    if (each > high[block]!) high[block] = each
    if (each < low[block]!) low[block] = each
  }
  return { high, low }
}

/** Events in each part of the time from `first` to `last`. */
export function densityOf(time: Float64Array, first: number, last: number): Uint32Array {
  const density = new Uint32Array(DENSITY)
  const scale = last > first ? (DENSITY - 1) / (last - first) : 0
  for (let i = 0; i < time.length; i++) density[((time[i]! - first) * scale) | 0]!++
  return density
}

/** Returns the count of a page while nobody holds it, 0 where that is not known. */
export function freeCount({ idle }: Pick<Timeline, 'idle'>, p: number): number {
  return idle[p] === NO_IDLE ? 0 : idle[p]!
}

/** Returns how many lifetimes begin with the events [from, to). */
export function beginsWithin({ begins }: Pick<Timeline, 'begins'>, from: number, to: number): number {
  let many = 0
  for (let i = from; i < to; i++) {
    // Skip bytes that are zero: they occur where lifetimes are long.
    if (i % 8 === 0 && begins[i >>> 3] === 0) i += 7
    else many += (begins[i >>> 3]! >>> (i & 7)) & 1
  }
  return many
}

/** Most events of a lifetime that are listed one by one. */
const MOST_TOLD = 512

/**
 * Events of a page's life around one of them, [from, to): since it was idle last, until it is idle again.
 *
 * @param p the page's row in the timeline
 * @param at an event of that page
 */
export function lifeAround(timeline: Timeline, p: number, at: number): { from: number; to: number } {
  const { start, count } = timeline
  const free = freeCount(timeline, p)
  let from = at
  while (from > start[p]! && count[from - 1] !== free && at - from < MOST_TOLD) from--
  let to = at + 1
  while (to < start[p + 1]! && count[to - 1] !== free && to - from < MOST_TOLD) to++
  return { from, to }
}

/** Events of a lifetime that are looked at together; a page that is never idle has its events in parts of that many. */
const MOST_TOGETHER = 1 << 17

/** Returns the end of the lifetime that begins with an event of a page: the event after which the page is idle, and past it. */
export function lifeEnd(timeline: Timeline, p: number, from: number): number {
  const { start, count } = timeline
  const free = freeCount(timeline, p)
  const most = Math.min(start[p + 1]!, from + MOST_TOGETHER)
  let to = from + 1
  while (to < most && count[to - 1] !== free) to++
  return to
}
