// SPDX-License-Identifier: GPL-2.0-or-later
/** What an event says of its page's count, apart from what the ledger knows. */
import { Op } from '../trace/events.ts'
import type { LedgerEvent } from './life.ts'

/** Whether an event tells the count before it. */
export function isExact({ op, ret }: LedgerEvent): boolean {
  if (op === Op.MOD_AND_RETURN || op === Op.SET) return true
  return (op === Op.MOD_AND_TEST || op === Op.FREEZE) && ret !== 0
}

/** Count before an event, from its result or, where it has none, from the count read a little later. */
export function countBefore(event: LedgerEvent): number {
  const { op, val, ret, count } = event
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

/** Count after an event that contradicts the ledger's count: its result where it has one. */
export function countAfter(count: number, event: LedgerEvent): number {
  const { op, val, ret } = event
  if (op === Op.SET || op === Op.UNFREEZE) return val
  if (op === Op.MOD_AND_RETURN) return ret
  if (op !== Op.MOD_AND_TEST) return count + val
  if (ret !== 0) return 0
  if (count + val !== 0) return count + val
  return event.count === 0 ? 1 : event.count
}

/** Whether an event's result says that it left the count at zero. */
export function hitsZero({ op, ret }: LedgerEvent): boolean {
  return op === Op.MOD_AND_RETURN ? ret === 0 : op === Op.MOD_AND_TEST && ret !== 0
}

/** Whether a put to zero is followed by its own task's set to one. */
export function isReset(put: LedgerEvent, set: LedgerEvent): boolean {
  return set.op === Op.SET && set.val === 1 && put.val < 0 && put.pid === set.pid && hitsZero(put)
}

/** Count that an event should have read, had nobody come between, by its result or by the count before it. */
export function countRead(before: number, { op, val }: LedgerEvent): number {
  return op === Op.SET || op === Op.UNFREEZE ? val : op === Op.FREEZE ? 0 : before + val
}
