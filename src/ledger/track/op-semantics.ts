// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What the operations of include/linux/page_ref.h do to a count, and what an event says of the count around it: by its
 * result, which is exact, and by the count that was read a little later, which may include what others did.
 */
import { Op } from '../../trace/events.ts'
import type { LedgerEvent, OrderedEvent } from './lifetime-event.ts'
import { isSameTask } from './same-task.ts'

/** What the rule of a page allows; counts below are before a get or set, after a put. */
export interface Limits {
  /** Least count from which a get may start. */
  getFrom: number
  /** Least count that a put may leave. */
  putTo: number
  /** The one count on which a set may hand out; undefined: any. */
  setOn: number | undefined
}

/** Nothing is impossible on a page that has gone wrong already. */
export const NO_LIMITS: Limits = {
  getFrom: Number.MIN_SAFE_INTEGER + 1,
  putTo: Number.MIN_SAFE_INTEGER + 1,
  setOn: undefined,
}

/** Counts never fall below zero, whatever the protocol. */
export const UNKNOWN_LIMITS: Limits = { getFrom: 0, putTo: 0, setOn: undefined }

/** Between the put of memunmap_pages() and that of the last user. */
export const BASE_PUT_LIMITS: Limits = { getFrom: 1, putTo: 0, setOn: undefined }

/** `after` returns this when the event cannot have happened at that count. */
export const IMPOSSIBLE = Number.MIN_SAFE_INTEGER

/** Returns the count after an operation that took effect. */
export function resulting(count: number, op: number, val: number): number {
  if (op === Op.SET || op === Op.UNFREEZE) return val
  return op === Op.FREEZE ? 0 : count + val
}

/** Returns the count after an event that found the count at `count`; IMPOSSIBLE if its result or the rule contradicts. */
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

/** True if a get or put that found the count at `count` has the result that it would have. */
export function fitsResult(count: number, op: number, val: number, ret: number): boolean {
  if (op === Op.MOD_AND_TEST) return (ret !== 0) === (count + val === 0)
  return op !== Op.MOD_AND_RETURN || count + val === ret
}

/** True if a set may find that count. A driver that fails after it set the count takes its set back by another. */
function maySet(count: number, val: number, { setOn }: Limits): boolean {
  return setOn === undefined || setOn === count || val === count || (val === 0 && count === 1)
}

/** True if an event tells the count before it by its result. */
export function isExact({ op, ret }: OrderedEvent): boolean {
  if (op === Op.MOD_AND_RETURN || op === Op.SET) return true
  return (op === Op.MOD_AND_TEST || op === Op.FREEZE) && ret !== 0
}

/** Returns the count before an event, by its result or, where that does not tell, by the count read a little later. */
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

/** Returns the count after an event that is impossible at `count`: what its result says, where it says so. */
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

/** True if a put to zero is followed by a set to one of the same task: the core counts the page as its driver's again. */
export function isReset(put: OrderedEvent, set: OrderedEvent): boolean {
  return set.op === Op.SET && set.val === 1 && put.val < 0 && isSameTask(put, set) && hitsZero(put)
}
