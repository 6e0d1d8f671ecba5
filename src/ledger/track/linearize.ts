// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the order in which neighbouring operations on one page took effect. A tracepoint fires after its atomic operation, so
 * two CPUs can stamp the other way round; what the operations returned tells. The events of a page are a concurrent history
 * of an atomic counter, and the search is the one of Wing and Gong for a linearization of it, which remembers the states from
 * which there is none.
 */
import { Op } from '../../trace/events.ts'
import type { OrderedEvent } from './lifetime-event.ts'
import { after, IMPOSSIBLE, type Limits } from './op-semantics.ts'
import { MAX_RECENT, type OrderLimits } from './order-limits.ts'
import { taskOf } from './same-task.ts'

/** Steps of one search: these, and some for each event. */
const MIN_STEPS = 20_000
const STEPS_PER_EVENT = 4

/** Steps of one of many searches, at least: enough to come to the end without going back. */
const LEAST_STEPS = 4 * MAX_RECENT

/** Events of one page in one interrupt, at most. */
const MAX_INTERRUPT = 4

/**
 * Returns an order of the events in which none contradicts; undefined if there is none. Events of one task keep their order,
 * and no operation is moved before a stamp that it surely followed. Of several orders, the one nearest to the stamps.
 *
 * @param events sorted by time
 * @param young sets from this time on must hand out: none of them may find the count that it sets
 * @param most steps of the search
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
 * As `linearize`, for events that nothing else explains: some of them may be an interrupt's, stamped before that of the
 * operation it interrupted.
 */
export function linearizeInterrupted<E extends OrderedEvent>(
  count: number,
  events: readonly E[],
  limits: Limits,
  order: OrderLimits,
): E[] | undefined {
  if (events.length > 2 * MAX_RECENT) return undefined
  const moves = events.flatMap((_, to) => interruptedBy(events, to, order).map(from => ({ from, to })))
  // All of them together take as long as one search: the right one seldom has to go back.
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

/** Places of the events that may stand for operations which an interrupt came after, whose first event is the one at `i`. */
function interruptedBy(events: readonly OrderedEvent[], i: number, order: OrderLimits): number[] {
  const first = events[i]!
  const late: number[] = []
  for (let j = i + 1; j < events.length && late.length < MAX_INTERRUPT; j++) {
    if (events[j]!.time - first.time > order.interrupt) break
    if (events[j]!.pid === first.pid && events[j]!.cpu === first.cpu) late.push(j)
  }
  return late
}

/** Events whose order is known: those of one task, or where stamps follow operations at once, those of one CPU. */
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

/** Of each event, the one of the same task before it, which may have come on another CPU. */
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
  /** The tasks that the events in `order` are of. */
  readonly #path: number[] = []
  readonly #total: number
  /** Events that have to come before others, where queues are not those of tasks; and the events in `order`. */
  readonly #before: ReadonlyMap<E, E> | undefined
  readonly #taken = new Set<E>()
  /** Positions from which no merge of the rest was found; the count follows from them, but for sets. */
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
    /** Of each event in `order`: the count before it, and the tasks still to be tried in its place. */
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

  /** True if a set finds what it sets while the put that it followed may still be to come. */
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

  /** Returns the tasks whose next event may be the next of all, by time. */
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
