// SPDX-License-Identifier: GPL-2.0-or-later
import type { LifetimeEvent } from './lifetime-event.ts'
import type { OrderLimits } from './order-limits.ts'
import { PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import { isSameTask } from './same-task.ts'

/**
 * True if the last event of a page's lifetime read the count that the tracker has, or if the event before it, by another task and
 * within the window, may explain the difference. If false, a change of the count was not recorded.
 */
export function isCountConsistent(
  { window }: OrderLimits,
  pages: PageTable,
  row: number,
  events: readonly LifetimeEvent[],
): boolean {
  const last = events.at(-1)
  if (!last || pages.has(row, PageBit.basePut) || last.count === pages.count[row]) return true
  const before = events.at(-2)
  return before !== undefined && !isSameTask(before, last) && last.time - before.time < window
}
