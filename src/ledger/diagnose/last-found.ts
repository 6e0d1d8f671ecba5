// SPDX-License-Identifier: GPL-2.0-or-later
/** When a page was last found by a reference that is out: until then its holder knew of it. */
import { Op } from '../../trace/events.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'

/**
 * Returns the ordinal of the last get that came while these references were the only ones out; undefined: none.
 *
 * Whoever takes a reference by get_page() must be sure that the page is not free, so he found it by a reference that is out, in
 * a table or list that still has the page. An operation that takes one unless the count is zero needs none.
 */
export function lastFound(events: readonly LifetimeEvent[], get: LifetimeEvent, units: number): number | undefined {
  let out = 0
  let found: number | undefined
  for (const { ordinal, op, delta } of events) {
    if (ordinal > get.ordinal && delta > 0 && op !== Op.MOD_UNLESS && op !== Op.SET && out <= units) found = ordinal
    out += delta
  }
  return found
}
