// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The true order of neighbouring events of one page. A tracepoint fires after its atomic operation, so two CPUs can stamp
 * the other way round; what the operations returned settles it.
 */
import { Op } from '../trace/events.ts'

/** How far apart in time two tasks' events may be stamped the wrong way round, in ns. */
export const ORDER_WINDOW = 2_000_000

/** The same for an interrupt that came between the operation and the stamp of what it interrupted. */
const INTERRUPT_WINDOW = 200_000

/** Events that are held back at most (a set of them is a bit mask), and steps of one search. */
export const MAX_PENDING = 24
const MAX_STEPS = 20_000

/** One event as the search sees it. */
export interface OrderedEvent {
  time: number
  pid: number
  cpu: number
  op: number
  val: number
  ret: number
}

/** What the page's rule allows; counts below are before a get or set, after a put. */
export interface Limits {
  /** Least count from which a get may start. */
  getFrom: number
  /** Least count that a put may leave. */
  putTo: number
  /** The one count on which a set may hand out; undefined: any. */
  setOn: number | undefined
}

/** `after` returns this when the event cannot have happened at that count. */
export const IMPOSSIBLE = Number.MIN_SAFE_INTEGER

/** Count after an event that found the count at `count`; IMPOSSIBLE if its result or the rule contradicts. */
export function after(count: number, op: number, val: number, ret: number, limits: Limits): number {
  switch (op) {
    case Op.SET:
      // A driver that fails after it set the count takes its set back by another.
      if (limits.setOn === undefined || limits.setOn === count || val === count) return val
      return val === 0 && count === 1 ? val : IMPOSSIBLE
    case Op.MOD_UNLESS:
      if (ret === 0) return count
      return count >= Math.max(limits.getFrom, val > 0 ? 1 : 0) ? count + val : IMPOSSIBLE
    case Op.MOD_AND_TEST:
      if ((ret !== 0) !== (count + val === 0)) return IMPOSSIBLE
      break
    case Op.MOD_AND_RETURN:
      if (count + val !== ret) return IMPOSSIBLE
      break
    case Op.FREEZE:
      if (ret === 0) return count
      return count === val ? 0 : IMPOSSIBLE
    case Op.UNFREEZE:
      return count === 0 ? val : IMPOSSIBLE
  }
  if (val > 0) return count >= limits.getFrom ? count + val : IMPOSSIBLE
  return count + val >= limits.putTo ? count + val : IMPOSSIBLE
}

/**
 * An order of the events, as indices, in which none contradicts; undefined if there is none. Events of one task keep
 * their order. The order found first is the one nearest to that of the stamps.
 */
export function settle(count: number, events: readonly OrderedEvent[], limits: Limits): number[] | undefined {
  const strict = events.map((_, i) => predecessors(events, i, false))
  const found = new Search(events, limits, strict).from(count)
  if (found) return found
  const loose = events.map((_, i) => predecessors(events, i, true))
  return loose.some((mask, i) => mask !== strict[i]) ? new Search(events, limits, loose).from(count) : undefined
}

/** Set of the events that surely came before event i. */
function predecessors(events: readonly OrderedEvent[], i: number, interrupts: boolean): number {
  const event = events[i]!
  let mask = 0
  for (let j = 0; j < i; j++) {
    const earlier = events[j]!
    const gap = event.time - earlier.time
    const sameTask = earlier.pid === event.pid
    const nested = interrupts && earlier.cpu === event.cpu && gap <= INTERRUPT_WINDOW
    if (gap > ORDER_WINDOW || (sameTask && !nested)) mask |= 1 << j
  }
  return mask
}

/** Sets of events and low bits of a count together make one exact number. */
const MASKS = 2 ** MAX_PENDING
const COUNT_MASK = (1 << 24) - 1

class Search {
  readonly #events: readonly OrderedEvent[]
  readonly #limits: Limits
  readonly #predecessors: readonly number[]
  readonly #order: number[] = []
  #steps = 0
  /** Sets of events from which, at that count, no order of the rest was found. */
  readonly #failed = new Set<number>()

  constructor(events: readonly OrderedEvent[], limits: Limits, predecessors: readonly number[]) {
    this.#events = events
    this.#limits = limits
    this.#predecessors = predecessors
  }

  from(count: number): number[] | undefined {
    return this.#extend(count, 0) ? this.#order : undefined
  }

  #extend(count: number, done: number): boolean {
    if (this.#order.length === this.#events.length) return true
    const state = done + (count & COUNT_MASK) * MASKS
    if (this.#failed.has(state)) return false
    for (let i = 0; i < this.#events.length; i++) {
      if (done & (1 << i) || (this.#predecessors[i]! & ~done) !== 0) continue
      if (++this.#steps > MAX_STEPS) return false
      const event = this.#events[i]!
      const next = after(count, event.op, event.val, event.ret, this.#limits)
      if (next === IMPOSSIBLE) continue
      this.#order.push(i)
      if (this.#extend(next, done | (1 << i))) return true
      this.#order.pop()
    }
    this.#failed.add(state)
    return false
  }
}
