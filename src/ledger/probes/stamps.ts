// SPDX-License-Identifier: GPL-2.0-or-later
/** What two stamps say of the order of what they stand for. */
import type { LedgerEvent } from '../track/lifetime-event.ts'
import type { OrderLimits } from '../track/order-limits.ts'
import { isSameTask } from '../track/same-task.ts'

/** Where and when something was stamped. */
export interface Stamp {
  time: number
  cpu: number
  pid: number
  stack: number
}

/** True if the first stamp is surely the earlier one: those of one CPU or one task are in order. */
export function isBefore(first: Stamp, second: Stamp, order: OrderLimits): boolean {
  const slack = first.cpu === second.cpu || isSameTask(first, second) ? 0 : order.slack
  return first.time + slack < second.time || (slack === 0 && first.time === second.time)
}

/** Returns a time that the operation of a page_ref event surely came after. */
export function earliest({ time, since }: LedgerEvent, { window }: OrderLimits): number {
  return Math.max(since, time - window)
}
