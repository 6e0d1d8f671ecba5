// SPDX-License-Identifier: GPL-2.0-or-later
/** Which order of two operations follows from their stamps. */
import type { LedgerEvent } from '../track/lifetime-event.ts'
import type { OrderLimits } from '../track/order-limits.ts'
import { isSameTask } from '../track/same-task.ts'

/** The time, CPU, task and stack with which an event or probe was recorded. */
export interface Stamp {
  time: number
  cpu: number
  pid: number
  stack: number
}

/** True if the first stamp is surely the earlier one. Stamps of one CPU, or of one task, are in order. */
export function isBefore(first: Stamp, second: Stamp, order: OrderLimits): boolean {
  const slack = first.cpu === second.cpu || isSameTask(first, second) ? 0 : order.slack
  return first.time + slack < second.time || (slack === 0 && first.time === second.time)
}

/** Returns the latest time that the operation of a page_ref event is known to have come after. */
export function earliest({ time, since }: LedgerEvent, { window }: OrderLimits): number {
  return Math.max(since, time - window)
}
