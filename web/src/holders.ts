// SPDX-License-Identifier: GPL-2.0-or-later
/** Derives from the events of a lifetime who holds the page at a given event. */
import type { EventJson } from './documents.ts'

export interface HoldersAt {
  /** Events whose references were still held, oldest first. */
  events: { event: EventJson; i: number }[]
  /** Number of references whose get is not among the events: taken before the recording, or unknown. */
  others: number
}

/** Returns the holders of the page after event `at`. */
export function holdersAt(events: readonly EventJson[], at: number): HoldersAt {
  const held: HoldersAt['events'] = []
  let known = 0
  for (let i = 0; i <= at && i < events.length; i++) {
    const event = events[i]!
    if (event.val <= 0 || (event.partner !== null && event.partner > i && event.partner <= at)) continue
    held.push({ event, i })
    known += event.val
  }
  return { events: held, others: Math.max(0, (events[at]?.count ?? 0) - known) }
}

/** A line beside the list of events for one reference, from its get to its put. */
export interface Lane {
  lane: number
  from: number
  /** undefined if the reference was held until the end of the lifetime. */
  to: number | undefined
}

/** Assigns references to lanes. Lanes are reused, so that there are only as many as references held at once. */
export function lanesOf(events: readonly EventJson[]): Lane[] {
  const busyUntil: number[] = []
  const lanes: Lane[] = []
  events.forEach((event, i) => {
    if (event.val <= 0) return
    const to = event.partner !== null && event.partner > i ? event.partner : undefined
    let lane = busyUntil.findIndex(until => until < i)
    if (lane < 0) lane = busyUntil.length
    busyUntil[lane] = to ?? Infinity
    lanes.push({ lane, from: i, to })
  })
  return lanes
}
