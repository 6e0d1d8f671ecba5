// SPDX-License-Identifier: GPL-2.0-or-later
/** When a page was last found by a reference that is out: until then its holder knew of it. */
import { Op } from '../../trace/events.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'

/**
 * Returns the ordinal of the last get that came while these references were the only ones out; undefined: none.
 *
 * Whoever takes a reference by get_page() must be sure that the page is not free, so he found it by a reference that is out, in
 * a table or list that still has the page. An operation that takes one unless the count is zero needs none.
 *
 * The counts are those that the events read, since of a long lifetime not all events are kept.
 *
 * @param idle count without any reference
 */
export function lastFound(
  events: readonly LifetimeEvent[],
  { ordinal: taken, delta: units }: Pick<LifetimeEvent, 'ordinal' | 'delta'>,
  idle: number,
): number | undefined {
  const isFind = ({ ordinal, op, delta, count }: LifetimeEvent) =>
    ordinal > taken && delta > 0 && op !== Op.MOD_UNLESS && op !== Op.SET && count - delta <= idle + units
  return events.findLast(isFind)?.ordinal
}
