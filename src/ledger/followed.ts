// SPDX-License-Identifier: GPL-2.0-or-later
import type { LifeEvent } from './life.ts'
import { ORDER_WINDOW } from './order.ts'
import { PageBit, type PageTable } from './pages.ts'

/**
 * Whether the last event of a page's life read the count that the ledger has, or another task's at that time may be why it
 * did not: else a change was not recorded.
 */
export function isFollowed(pages: PageTable, row: number, events: readonly LifeEvent[]): boolean {
  const last = events.at(-1)
  if (!last || pages.bits[row]! & PageBit.UNMAPPED || last.count === pages.count[row]) return true
  const before = events.at(-2)
  return before !== undefined && before.pid !== last.pid && last.time - before.time < ORDER_WINDOW
}
