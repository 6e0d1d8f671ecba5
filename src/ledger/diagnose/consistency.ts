// SPDX-License-Identifier: GPL-2.0-or-later
/** Whether the counts that events read are those that the recorded changes add up to. */
import { Op } from '../../trace/events.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'

/** Events looked at: of a long lifetime earlier ones may have been set aside. */
const LATEST = 24

/**
 * True if the last events read counts that the recorded changes explain, together with changes of other tasks that may have come
 * before a count was read: then nothing is missing up to the last of them.
 *
 * @param countAtEnd count after the last event
 * @param late how long after its operation an event may be stamped, in the unit of event times
 */
export function isConsistent(events: readonly LifetimeEvent[], countAtEnd: number, late: number): boolean {
  const last = events.slice(-LATEST)
  let count = countAtEnd - last.reduce((sum, { delta }) => sum + delta, 0)
  return last.every((event, i) => {
    count += event.delta
    return isExplained(last, i, count, late)
  })
}

/** An event reads the count after its stamp, so that operations stamped later, and only those, may have come before that. */
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
