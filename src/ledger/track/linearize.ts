// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the order in which neighbouring operations on one page took effect. A tracepoint fires after its atomic operation, so two
 * CPUs may stamp their operations in the opposite order; the results of the operations tell which order was the real one. The
 * events of a page are a concurrent history of an atomic counter, and the search for a linearization is that of Wing and Gong,
 * with memoization of states that have none.
 */
import { Op } from '../../trace/events.ts'
import type { OrderedEvent } from './lifetime-event.ts'
import { after, IMPOSSIBLE, type Limits } from './op-semantics.ts'
import { MAX_RECENT, type OrderLimits } from './order-limits.ts'
import { taskOf } from './same-task.ts'

/** Base of the step limit of one search; some steps are added for each event. */
const MIN_STEPS = 20_000
const STEPS_PER_EVENT = 4

/** Least step limit of each of several searches: enough to reach the end without backtracking. */
const LEAST_STEPS = 4 * MAX_RECENT

/** Most events of one page that one interrupt is assumed to make. */
const MAX_INTERRUPT = 4

/**
 * Returns an order of the events in which none contradicts; undefined if there is none. Events of one task keep their order, and
 * no operation is moved before a stamp that it surely followed. Of several orders, it is the one nearest to the stamps.
 *
 * @param events sorted by time
 * @param young time from which on a set may not find the count that it sets: the put before such a set may still be to come
 * @param most limit on the steps of the search
 */
export function linearize<E extends OrderedEvent>(
  count: number,
  events: readonly E[],
  limits: Limits,
  order: OrderLimits,
  young = Infinity,
  most = MIN_STEPS + STEPS_PER_EVENT * events.length,
): E[] | undefined {
  const queues = queuesOf(events, order.isImmediate ? ({ cpu }) => cpu : taskOf)
  return new Search(queues, limits, order, young, order.isImmediate ? taskOrder(events) : undefined).from(count, most)
}

/**
 * As `linearize`, but for events that have no order otherwise: some of them may belong to an interrupt, and be stamped before the
 * operation that it interrupted.
 */
export function linearizeInterrupted<E extends OrderedEvent>(
  count: number,
  events: readonly E[],
  limits: Limits,
  order: OrderLimits,
): E[] | undefined {
  if (events.length > 2 * MAX_RECENT) return undefined
  const moves = events.flatMap((_, to) => interruptedBy(events, to, order).map(from => ({ from, to })))
  // All searches share the steps of one: the right one seldom has to backtrack.
  const most = Math.max(LEAST_STEPS, Math.floor(MIN_STEPS / Math.max(1, moves.length)))
  for (const { from, to } of moves) {
    const { time, since } = events[to]!
    const moved = [...events]
    moved.splice(from, 1)
    moved.splice(to, 0, { ...events[from]!, time, since })
    const found = linearize(count, moved, limits, order, Infinity, most)
    if (found) return found
  }
  return undefined
}

/**
 * Returns the places of events whose operation may have been interrupted before its stamp, by an interrupt whose first event is
 * at `i`.
 */
function interruptedBy(events: readonly OrderedEvent[], i: number, order: OrderLimits): number[] {
  const first = events[i]!
  const late: number[] = []
  for (let j = i + 1; j < events.length && late.length < MAX_INTERRUPT; j++) {
    if (events[j]!.time - first.time > order.interrupt) break
    if (events[j]!.pid === first.pid && events[j]!.cpu === first.cpu) late.push(j)
  }
  return late
}

/** Splits events into queues of known order: those of one task, or of one CPU where no operation is delayed before its stamp. */
function queuesOf<E extends OrderedEvent>(events: readonly E[], keyOf: (event: E) => number): E[][] {
  const queues = new Map<number, E[]>()
  for (const event of events) {
    const key = keyOf(event)
    const queue = queues.get(key)
    if (queue) queue.push(event)
    else queues.set(key, [event])
  }
  return [...queues.values()]
}

/** Maps each event to the previous one of the same task, which may have been on another CPU. */
function taskOrder<E extends OrderedEvent>(events: readonly E[]): Map<E, E> {
  const before = new Map<E, E>()
  for (const queue of queuesOf(events, taskOf))
    for (let i = 1; i < queue.length; i++) before.set(queue[i]!, queue[i - 1]!)
  return before
}

/** Searches depth first over the merges of the tasks' queues, earliest stamp first. */
class Search<E extends OrderedEvent> {
  readonly #tasks: readonly E[][]
  readonly #limits: Limits
  readonly #slack: number
  readonly #young: number
  readonly #position: number[]
  readonly #order: E[] = []
  /** The queues that the events in `order` were taken from. */
  readonly #path: number[] = []
  readonly #total: number
  /** By event: the one that has to come before it, where queues are not those of tasks (`#before`); and the events in `order`. */
  readonly #before: ReadonlyMap<E, E> | undefined
  readonly #taken = new Set<E>()
  /**
   * Search states from which no merge of the rest exists. The positions in the queues determine the count, except after a set.
   */
  readonly #failed = new Set<string>()

  constructor(
    tasks: readonly E[][],
    limits: Limits,
    { slack }: OrderLimits,
    young: number,
    before: ReadonlyMap<E, E> | undefined,
  ) {
    this.#before = before
    this.#tasks = tasks
    this.#limits = limits
    this.#slack = slack
    this.#young = young
    this.#position = tasks.map(() => 0)
    this.#total = tasks.reduce((sum, queue) => sum + queue.length, 0)
  }

  from(count: number, most: number): E[] | undefined {
    // For each event in `order`: the count before it, and the queues still to be tried in its place.
    const counts = [count]
    const untried = [this.#heads()]
    for (let steps = 0; this.#order.length < this.#total; steps++) {
      if (steps > most) return undefined
      const depth = this.#order.length
      const task = untried[depth]!.shift()
      if (task === undefined) {
        if (depth === 0) return undefined
        this.#failed.add(this.#state(counts[depth]!))
        this.#takeBack()
        counts.length = untried.length = depth
        continue
      }
      const event = this.#tasks[task]![this.#position[task]!]!
      const next = after(counts[depth]!, event.op, event.val, event.ret, this.#limits)
      if (next === IMPOSSIBLE || this.#isEarly(event, counts[depth]!)) continue
      this.#advance(task, event)
      if (this.#failed.size > 0 && this.#failed.has(this.#state(next))) {
        this.#takeBack()
        continue
      }
      counts.push(next)
      untried.push(this.#heads())
    }
    return this.#order
  }

  /** True if a set finds the count that it sets, while the put before it may not have been stamped yet. */
  #isEarly({ op, val, time }: E, count: number): boolean {
    const { setOn } = this.#limits
    return op === Op.SET && val === count && time >= this.#young && setOn !== undefined && setOn !== count
  }

  #advance(task: number, event: E): void {
    this.#position[task]!++
    this.#order.push(event)
    if (this.#before) this.#taken.add(event)
    this.#path.push(task)
  }

  #takeBack(): void {
    const event = this.#order.pop()!
    this.#taken.delete(event)
    this.#position[this.#path.pop()!]!--
  }

  #state(count: number): string {
    return `${this.#position} ${count}`
  }

  /** Returns the queues whose next event may be the next of all, by the time of that event. */
  #heads(): number[] {
    const heads: number[] = []
    let earliest = Infinity
    for (let t = 0; t < this.#tasks.length; t++) {
      const event = this.#tasks[t]![this.#position[t]!]
      if (!event) continue
      heads.push(t)
      earliest = Math.min(earliest, event.time)
    }
    const head = (t: number) => this.#tasks[t]![this.#position[t]!]!
    const isNext = (t: number) => {
      const before = this.#before?.get(head(t))
      return head(t).since - this.#slack < earliest && (!before || this.#taken.has(before))
    }
    return heads.filter(isNext).sort((a, b) => head(a).time - head(b).time)
  }
}
