// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds a page that was handed out while it was in use, by a set that found the count that it sets. Nothing is impossible then:
 * the two owners share one reference. The first put of one of them frees the page, and the other one seems to use a free page.
 */
import { Op } from '../../trace/events.ts'
import type { Anomaly } from '../track/anomalies.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { isSameTask } from '../track/same-task.ts'

/** Returns the last set that handed the page out again in its lifetime before the impossible event; undefined if there is none. */
export function secondHandOut({ life, lastLives: [before = []], idle }: Anomaly): LifetimeEvent | undefined {
  return [...before, ...life].findLast(({ op, val, delta }) => op === Op.SET && val > idle && delta === 0)
}

/**
 * True if a set handed the page out again in this lifetime, at the count that it sets. What its task did right before is no hand-out to
 * another owner: it set the count twice.
 */
export function hasSecondHandOut(events: readonly LifetimeEvent[]): boolean {
  return events.some((event, i) => {
    const before = events[i - 1]
    if (!before || event.op !== Op.SET || event.val <= 0 || event.delta !== 0) return false
    return !(isSameTask(before, event) && event.taskSeq === before.taskSeq + 1)
  })
}
