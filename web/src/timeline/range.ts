// SPDX-License-Identifier: GPL-2.0-or-later
/** A range of time that is marked on the timeline, and figures about it. */
import { beginsWithin, freeCount, type Timeline } from '../../../src/report/timeline.ts'
import { firstAtOrAfter } from './raster.ts'
import type { Mark, Rows } from './rows.ts'

/** In the timeline's time, both ends included. */
export interface TimeRange {
  from: number
  to: number
}

/** Figures about the shown pages in a range. */
export interface RangeFigures {
  events: number
  /** Pages that had these events. */
  pages: number
  /** Number of lifetimes that overlap the range. */
  lifetimes: number
  findings: Mark[]
}

export function figuresOf(timeline: Timeline, { list, marks }: Rows, { from, to }: TimeRange): RangeFigures {
  const { start, time } = timeline
  const figures: RangeFigures = { events: 0, pages: 0, lifetimes: 0, findings: [] }
  for (const page of list) {
    if (page < 0) continue
    const end = start[page + 1]!
    const first = firstAtOrAfter(time, start[page]!, end, from)
    const behind = firstBehind(time, first, end, to)
    figures.events += behind - first
    if (behind > first) figures.pages++
    figures.lifetimes += beginsWithin(timeline, first, behind) + (isUnderWay(timeline, page, first) ? 1 : 0)
  }
  figures.findings = [...marks.values()].flat().filter(mark => isIn(mark, from, to))
  return figures
}

/** True if a lifetime of the page is open just before an event. */
function isUnderWay(timeline: Timeline, page: number, event: number): boolean {
  const { start, count } = timeline
  const free = freeCount(timeline, page)
  let at = event - 1
  if (at < start[page]! || count[at]! <= free) return false
  while (at > start[page]! && count[at - 1]! > free) at--
  // During memremap_pages() the count may be above idle for a moment, which is no lifetime.
  return beginsWithin(timeline, at, at + 1) > 0
}

function isIn({ time }: Mark, from: number, to: number): boolean {
  return time !== undefined && time >= from && time <= to
}

/** Returns the first event in [from, end) that is later than `time`. */
function firstBehind(times: Float64Array, from: number, end: number, time: number): number {
  let at = firstAtOrAfter(times, from, end, time)
  while (at < end && times[at] === time) at++
  return at
}

/** Formats a range for the address: whole numbers with two dots between them. */
export function rangeText({ from, to }: TimeRange): string {
  return `${Math.round(from)}..${Math.round(to)}`
}

export function readRange(text: string | undefined): TimeRange | undefined {
  const [, from, to] = /^(-?\d{1,16})\.\.(-?\d{1,16})$/.exec(text ?? '') ?? []
  return from !== undefined && Number(from) <= Number(to) ? { from: Number(from), to: Number(to) } : undefined
}
