// SPDX-License-Identifier: GPL-2.0-or-later
/** What the events of a life say about who holds the page at one of them. */
import type { EventJson } from './documents.ts'

export interface HoldersAt {
  /** Events that took references which were still out, oldest first. */
  events: { event: EventJson; i: number }[]
  /** References whose taking is not among the events: from before the recording, or unknown. */
  others: number
}

/** Who held the page after event `at`. */
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

/** A lane beside the list of events for each reference that is out, from the event that took it to the one that gave it back. */
export interface Lane {
  lane: number
  from: number
  /** undefined: to the end of the life. */
  to: number | undefined
}

/** Lanes are reused, so that there are no more than references at any one moment. */
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
