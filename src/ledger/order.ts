// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The true order of neighbouring events of one page. A tracepoint fires after its atomic operation, so two CPUs can stamp
 * the other way round; what the operations returned settles it.
 */
import { Op } from '../trace/events.ts'

/** Time for which events that contradict the count are held back, in ns: longer than a CPU is taken from its task. */
export const ORDER_WINDOW = 50_000_000

/** Events of one page that are held back at most: what another CPU does meanwhile on a page that two fight over. */
export const MAX_PENDING = 1 << 15

/** Applied events that are put into question again when others contradict. */
export const MAX_RECENT = 24

/** An interrupt can come between an operation and its stamp, and be stamped first; this much apart, in ns. */
export const INTERRUPT_WINDOW = 200_000

/** Clocks of two CPUs differ by up to this and tick as coarsely, in ns. */
export const CLOCK_SLACK = 20_000

/** Steps of one search: these, and some for each event. */
const MIN_STEPS = 20_000
const STEPS_PER_EVENT = 4

/** One event as the search sees it. */
export interface OrderedEvent {
  time: number
  /** The operation came after this: the stamp before on the same CPU, or of the same task where the CPU had another. */
  since: number
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
      return count !== 0 && count >= limits.getFrom ? count + val : IMPOSSIBLE
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
 * An order of the events in which none contradicts; undefined if there is none. Events of one task keep their order, and
 * no operation is moved before a stamp that it surely followed. Of several orders, the one nearest to the stamps.
 *
 * @param events sorted by time
 * @param young sets from this time on must hand out: none of them may find the count that it sets
 */
export function settle<E extends OrderedEvent>(
  count: number,
  events: readonly E[],
  limits: Limits,
  young = Infinity,
): E[] | undefined {
  return new Search(tasksOf(events), limits, young).from(count)
}

/** As `settle`, for events that nothing else explains: one of them may be an interrupt's, stamped before its victim's. */
export function settleInterrupted<E extends OrderedEvent>(
  count: number,
  events: readonly E[],
  limits: Limits,
): E[] | undefined {
  if (events.length > 2 * MAX_RECENT) return undefined
  for (let i = 0; i + 1 < events.length; i++) {
    const [first, second] = [events[i]!, events[i + 1]!]
    if (first.pid !== second.pid || first.cpu !== second.cpu) continue
    if (second.time - first.time > INTERRUPT_WINDOW) continue
    const swapped = [...events]
    swapped[i] = { ...second, time: first.time, since: first.since }
    swapped[i + 1] = { ...first, time: second.time }
    const order = settle(count, swapped, limits)
    if (order) return order
  }
  return undefined
}

function tasksOf<E extends OrderedEvent>(events: readonly E[]): E[][] {
  const tasks = new Map<number, E[]>()
  for (const event of events) {
    const queue = tasks.get(event.pid)
    if (queue) queue.push(event)
    else tasks.set(event.pid, [event])
  }
  return [...tasks.values()]
}

/** Depth first over the merges of the tasks' queues, earliest stamp first. */
class Search<E extends OrderedEvent> {
  readonly #tasks: readonly E[][]
  readonly #limits: Limits
  readonly #young: number
  readonly #position: number[]
  readonly #order: E[] = []
  /** The tasks that the events in `order` are of. */
  readonly #path: number[] = []
  readonly #total: number
  /** Positions from which no merge of the rest was found; the count follows from them, but for sets. */
  readonly #failed = new Set<string>()

  constructor(tasks: readonly E[][], limits: Limits, young: number) {
    this.#tasks = tasks
    this.#limits = limits
    this.#young = young
    this.#position = tasks.map(() => 0)
    this.#total = tasks.reduce((sum, queue) => sum + queue.length, 0)
  }

  from(count: number): E[] | undefined {
    const most = MIN_STEPS + STEPS_PER_EVENT * this.#total
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

  /** Whether a set finds what it sets while the put that it followed may still be to come. */
  #isEarly({ op, val, time }: E, count: number): boolean {
    const { setOn } = this.#limits
    return op === Op.SET && val === count && time >= this.#young && setOn !== undefined && setOn !== count
  }

  #advance(task: number, event: E): void {
    this.#position[task]!++
    this.#order.push(event)
    this.#path.push(task)
  }

  #takeBack(): void {
    this.#order.pop()
    this.#position[this.#path.pop()!]!--
  }

  #state(count: number): string {
    return `${this.#position} ${count}`
  }

  /** Tasks whose next event may be the next of all, by time. */
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
    return heads.filter(t => head(t).since - CLOCK_SLACK < earliest).sort((a, b) => head(a).time - head(b).time)
  }
}
