// SPDX-License-Identifier: GPL-2.0-or-later
/** Checks the counts that events read against the sum of the recorded changes. */
import { Op } from '../../trace/events.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'

/** Number of last events that are checked. Earlier events of a long lifetime may have been set aside. */
const LATEST = 24

/**
 * True if the recorded changes explain the counts that the last events read, where changes of other tasks may have come before a
 * count was read. Then no event is missing up to the last one.
 *
 * @param countAtEnd count after the last event
 * @param late how long after its operation an event may be stamped, in the unit of event times
 * @param base references that earlier events still read, and that were put since without an event in the list
 */
export function isConsistent(events: readonly LifetimeEvent[], countAtEnd: number, late: number, base = 0): boolean {
  const last = events.slice(-LATEST)
  let count = countAtEnd - last.reduce((sum, { delta }) => sum + delta, 0)
  return last.every((event, i) => {
    count += event.delta
    return isExplained(last, i, count, late) || (base > 0 && isExplained(last, i, count + base, late))
  })
}

/**
 * True if a count that an event read is explained. It is read after the stamp, so it may include operations stamped later, and
 * only those.
 */
function isExplained(events: readonly LifetimeEvent[], i: number, count: number, late: number): boolean {
  const { count: read, op, time, pid } = events[i]!
  if (read === count || op === Op.FREEZE || op === Op.UNFREEZE) return true
  let [least, most] = [count, count]
  for (let j = i + 1; j < events.length && events[j]!.time - time <= late; j++) {
    if (events[j]!.pid === pid) continue
    if (events[j]!.delta < 0) least += events[j]!.delta
    else most += events[j]!.delta
    if (least <= read && read <= most) return true
  }
  return false
}
