// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Semantics of the operations of include/linux/page_ref.h: what each does to a count, and what an event tells of the counts
 * before and after it. An event tells that by its result, which is exact, or by the count that it read a little later, which may
 * include operations of others.
 */
import { Op } from '../../trace/events.ts'
import type { LedgerEvent, OrderedEvent } from './lifetime-event.ts'
import { isSameTask } from './same-task.ts'

/** Limits that the rule of a page sets: on the count before a get or set, and after a put. */
export interface Limits {
  /** Least count from which a get may start. */
  getFrom: number
  /** Least count that a put may leave. */
  putTo: number
  /** The one count on which a set may hand out; undefined: any. */
  setOn: number | undefined
}

/** For a page on which an anomaly was found: nothing is ruled out any more. */
export const NO_LIMITS: Limits = {
  getFrom: Number.MIN_SAFE_INTEGER + 1,
  putTo: Number.MIN_SAFE_INTEGER + 1,
  setOn: undefined,
}

/** For a page whose rule is not known: a count never falls below zero under any protocol. */
export const UNKNOWN_LIMITS: Limits = { getFrom: 0, putTo: 0, setOn: undefined }

/** For a page between the put of memunmap_pages() and the put of its last user. */
export const BASE_PUT_LIMITS: Limits = { getFrom: 1, putTo: 0, setOn: undefined }

/** `after` returns this when the event cannot have happened at that count. */
export const IMPOSSIBLE = Number.MIN_SAFE_INTEGER

/** Returns the count after an operation that succeeded. */
export function resulting(count: number, op: number, val: number): number {
  if (op === Op.SET || op === Op.UNFREEZE) return val
  return op === Op.FREEZE ? 0 : count + val
}

/** Returns the count after an event that found the count at `count`; IMPOSSIBLE if its result or the limits rule that out. */
export function after(count: number, op: number, val: number, ret: number, limits: Limits): number {
  switch (op) {
    case Op.SET:
      return maySet(count, val, limits) ? val : IMPOSSIBLE
    case Op.MOD_UNLESS:
      if (ret === 0) return count
      return count !== 0 && count >= limits.getFrom ? count + val : IMPOSSIBLE
    case Op.FREEZE:
      if (ret === 0) return count
      return count === val ? 0 : IMPOSSIBLE
    case Op.UNFREEZE:
      return count === 0 ? val : IMPOSSIBLE
  }
  if (!fitsResult(count, op, val, ret)) return IMPOSSIBLE
  if (val > 0) return count >= limits.getFrom ? count + val : IMPOSSIBLE
  return count + val >= limits.putTo ? count + val : IMPOSSIBLE
}

/** True if the result of a get or put is the one that it has if it found the count at `count`. */
export function fitsResult(count: number, op: number, val: number, ret: number): boolean {
  if (op === Op.MOD_AND_TEST) return (ret !== 0) === (count + val === 0)
  return op !== Op.MOD_AND_RETURN || count + val === ret
}

/** True if a set may find that count. A driver that fails after its set undoes it with a second set. */
function maySet(count: number, val: number, { setOn }: Limits): boolean {
  return setOn === undefined || setOn === count || val === count || (val === 0 && count === 1)
}

/** True if the result of an event tells the exact count before it. */
export function isExact({ op, ret }: OrderedEvent): boolean {
  if (op === Op.MOD_AND_RETURN || op === Op.SET) return true
  return (op === Op.MOD_AND_TEST || op === Op.FREEZE) && ret !== 0
}

/** Returns the count before an event, by its result or, if that does not tell it, by the count that it read a little later. */
export function countBefore({ op, val, ret, count }: LedgerEvent): number {
  switch (op) {
    case Op.SET:
    case Op.UNFREEZE:
      return 0
    case Op.MOD_AND_RETURN:
      return ret - val
    case Op.MOD_AND_TEST:
      return ret !== 0 ? -val : Math.max(count, 1) - val
    case Op.FREEZE:
      return ret !== 0 ? val : count
    case Op.MOD_UNLESS:
      return ret !== 0 ? count - val : count
    default:
      return count - val
  }
}

/** Returns the count to assume after an event that is impossible at `count`: the one that its result tells, if it tells any. */
export function countAfter(count: number, { op, val, ret, count: read }: LedgerEvent): number {
  if (op === Op.MOD_AND_RETURN) return ret
  if (op !== Op.MOD_AND_TEST) return resulting(count, op, val)
  if (ret !== 0) return 0
  if (count + val !== 0) return count + val
  return read === 0 ? 1 : read
}

/** True if the result of an event says that it left the count at zero. */
export function hitsZero({ op, ret }: OrderedEvent): boolean {
  return op === Op.MOD_AND_RETURN ? ret === 0 : op === Op.MOD_AND_TEST && ret !== 0
}

/** True if a put to zero is followed by a set to one by the same task: the core's reset of a page that was freed. */
export function isReset(put: OrderedEvent, set: OrderedEvent): boolean {
  return set.op === Op.SET && set.val === 1 && put.val < 0 && isSameTask(put, set) && hitsZero(put)
}
