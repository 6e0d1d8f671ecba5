// SPDX-License-Identifier: GPL-2.0-or-later
/** Computes the pixels of a page's row, at a cost that depends on the number of pixels and not on that of the events. */
import { BLOCK, freeCount, type Timeline } from '../../../src/report/timeline.ts'

/** What a pixel shows: the most important state of the page during the pixel's time. */
export const Shade = {
  /** Before the page's first event. */
  UNKNOWN: 0,
  IDLE: 1,
  /** One reference above idle. Each further shade stands for twice as many. */
  HELD: 2,
  MOST_HELD: 7,
  /** Below the idle count, as after memunmap_pages(). */
  BELOW: 8,
  NEGATIVE: 9,
} as const

/** Returns the first event in [from, end) at `time` or later. Galloping search, since the event of the next pixel is near. */
export function firstAtOrAfter(times: Float64Array, from: number, end: number, time: number): number {
  let step = 1
  let low = from
  while (low < end && times[low]! < time) {
    from = low + 1
    low += step
    step *= 2
  }
  let high = Math.min(low, end)
  while (from < high) {
    const middle = (from + high) >>> 1
    if (times[middle]! < time) from = middle + 1
    else high = middle
  }
  return from
}

/** Returns the highest count after the events [from, to). */
export function highest({ count, high }: Timeline, from: number, to: number): number {
  let most = -32768
  let i = from
  while (i < to) {
    if (i % BLOCK === 0 && i + BLOCK <= to) {
      most = Math.max(most, high[i / BLOCK]!)
      i += BLOCK
    } else most = Math.max(most, count[i++]!)
  }
  return most
}

/** Returns the lowest count after the events [from, to). */
export function lowest({ count, low }: Timeline, from: number, to: number): number {
  let least = 32767
  let i = from
  while (i < to) {
    if (i % BLOCK === 0 && i + BLOCK <= to) {
      least = Math.min(least, low[i / BLOCK]!)
      i += BLOCK
    } else least = Math.min(least, count[i++]!)
  }
  return least
}

/** Returns the shade for a pixel's lowest and highest count. A page that was held at any time of the pixel is shown as held. */
export function shadeOf(low: number, high: number, idle: number): number {
  if (low < 0) return Shade.NEGATIVE
  if (high > idle) return Math.min(Shade.MOST_HELD, Shade.HELD + Math.ceil(Math.log2(high - idle)))
  return high < idle ? Shade.BELOW : Shade.IDLE
}

/**
 * Fills `out` with the shades of page `p`, one for each pixel.
 *
 * @param from time at the left edge of the first pixel
 * @param step time that a pixel covers
 */
export function rasterRow(timeline: Timeline, p: number, from: number, step: number, out: Uint8Array): void {
  const { start, time, count } = timeline
  const idle = freeCount(timeline, p)
  const [begin, end] = [start[p]!, start[p + 1]!]
  let next = firstAtOrAfter(time, begin, end, from)
  let x = 0
  while (x < out.length) {
    const standing = next === begin ? Shade.UNKNOWN : shadeOf(count[next - 1]!, count[next - 1]!, idle)
    const until = next === end ? out.length : Math.min(out.length, Math.floor((time[next]! - from) / step))
    if (until > x) {
      out.fill(standing, x, until)
      x = until
      continue
    }
    const after = firstAtOrAfter(time, next + 1, end, from + (x + 1) * step)
    // The count at the left edge belongs to the pixel, too.
    const first = next === begin ? next : next - 1
    out[x++] = shadeOf(lowest(timeline, first, after), highest(timeline, first, after), idle)
    next = after
  }
}
