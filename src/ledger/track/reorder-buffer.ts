// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Holds back events that are impossible at the present count of their page, until later ones explain them by another order.
 * The buffer only reads the state of a page, but for the bit that says that events of it wait: it returns what is to be
 * done, and its caller does it.
 */
import { Op } from '../../trace/events.ts'
import { isCheckpoint } from './checkpoints.ts'
import type { LedgerEvent } from './lifetime-event.ts'
import type { Lifetimes } from './lifetimes.ts'
import { linearize, linearizeInterrupted } from './linearize.ts'
import { after, IMPOSSIBLE, isReset, NO_LIMITS } from './op-semantics.ts'
import { MAX_RECENT, MAX_WAITING, MAX_WAITING_UNSURE, type OrderLimits } from './order-limits.ts'
import type { PageRules } from './page-rules.ts'
import { canAwaitPut, canClaim, PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import type { PagemapTable } from './pagemap-table.ts'
import { isSameTask } from './same-task.ts'
import type { Tables } from './tables.ts'

/** Says what is to be done next with the events of a page. */
export type Outcome =
  /** Nothing yet. `isFirst` tells that an event begins to wait because it is impossible now. */
  | { kind: 'waiting'; isFirst: boolean }
  /** The last `undone` applied events are undone, and `order` is applied, which has no contradiction. */
  | { kind: 'settled'; undone: number; order: readonly LedgerEvent[] }
  /** A set that waited for the put before it is applied without that put; the later events are to be pushed again. */
  | { kind: 'released'; set: LedgerEvent; later: readonly LedgerEvent[] }
  /** No order explains all of these events; this order is the best one. */
  | { kind: 'contradiction'; order: readonly LedgerEvent[] }
  /** The events have waited long enough: the caller should call `giveUp`. */
  | { kind: 'overdue' }

const WAITING: Outcome = { kind: 'waiting', isFirst: false }
const IMPOSSIBLE_NOW: Outcome = { kind: 'waiting', isFirst: true }
const OVERDUE: Outcome = { kind: 'overdue' }

const NONE: readonly LedgerEvent[] = []

export class ReorderBuffer {
  readonly #pages: PageTable
  readonly #order: OrderLimits
  readonly #pagemaps: PagemapTable
  readonly #rules: PageRules
  readonly #lifetimes: Lifetimes
  readonly #waiting = new Map<number, LedgerEvent[]>()

  constructor({ pages, pagemaps, order }: Tables, rules: PageRules, lifetimes: Lifetimes) {
    this.#pages = pages
    this.#order = order
    this.#pagemaps = pagemaps
    this.#rules = rules
    this.#lifetimes = lifetimes
  }

  /** Returns the waiting events of a page, oldest first. */
  waiting(row: number): readonly LedgerEvent[] {
    return this.#waiting.get(row) ?? NONE
  }

  /** True if events of the page wait. */
  holds(row: number): boolean {
    return this.#waiting.has(row)
  }

  /** Returns the pages whose oldest waiting event is older than that. */
  overdue(time: number): number[] {
    if (this.#waiting.size === 0) return []
    return [...this.#waiting].filter(([, events]) => events[0]!.time < time).map(([row]) => row)
  }

  /** True if an event can have happened at the present count of its page. */
  isPossible(row: number, event: LedgerEvent): boolean {
    if (this.#pages.has(row, PageBit.frozen) && event.op !== Op.SET && event.op !== Op.UNFREEZE) return false
    return after(this.#pages.count[row]!, event.op, event.val, event.ret, this.#rules.limits(row)) !== IMPOSSIBLE
  }

  /** Takes in the next event of a page. */
  push(row: number, event: LedgerEvent): Outcome {
    const waiting = this.#waiting.get(row)
    if (waiting)
      return this.#isSetAgain(row, waiting[0]!) ? this.#awaitPut(row, waiting, event) : this.#defer(row, waiting, event)
    if (this.#isSetAgain(row, event)) {
      this.#hold(row, [event])
      return WAITING
    }
    if (this.isPossible(row, event)) return { kind: 'settled', undone: 0, order: [event] }
    if (this.#pages.has(row, PageBit.anomalous)) return { kind: 'contradiction', order: [event] }
    this.#hold(row, [event])
    return IMPOSSIBLE_NOW
  }

  /** Removes the page's events from the buffer, and returns the best outcome that is possible without further events. */
  giveUp(row: number): Outcome {
    const waiting = this.#waiting.get(row)!
    if (this.#isSetAgain(row, waiting[0]!)) return this.#release(row, waiting)
    this.drop(row)
    const order = this.#orderWithPast(row, waiting, false) ?? this.#orderWithPast(row, waiting, true)
    if (order) return order
    // If an operation broke the rule, the results of the operations still tell their order.
    return {
      kind: 'contradiction',
      order: linearize(this.#pages.count[row]!, waiting, NO_LIMITS, this.#order) ?? waiting,
    }
  }

  /** Returns an order of some events that has no contradiction; undefined if there is none. No other events of the page wait. */
  order(row: number, events: readonly LedgerEvent[]): Outcome | undefined {
    if (this.#pages.has(row, PageBit.frozen) || events.some(event => this.#isBelowZero(row, event))) return undefined
    const young = this.#rules.isHandedOutBySet(row) ? events.at(-1)!.time - this.#order.slack : Infinity
    const order = linearize(this.#pages.count[row]!, events, this.#rules.limits(row), this.#order, young)
    return order && this.#settled(row, order, 0)
  }

  /** Removes and returns the waiting event of a page, if exactly one waits. */
  takeOnly(row: number): LedgerEvent | undefined {
    const waiting = this.#waiting.get(row)
    if (waiting?.length !== 1) return undefined
    this.drop(row)
    return waiting[0]
  }

  /** Forgets the events of a page. */
  drop(row: number): void {
    this.#waiting.delete(row)
    this.#pages.clear(row, PageBit.waiting)
  }

  #hold(row: number, events: LedgerEvent[]): void {
    this.#waiting.set(row, events)
    this.#pages.set(row, PageBit.waiting)
  }

  /** True if a hand-out finds the count that it sets: another CPU may stamp the put before it only later. */
  #isSetAgain(row: number, { op, val }: LedgerEvent): boolean {
    if (op !== Op.SET || val <= 0 || val !== this.#pages.count[row]) return false
    return canAwaitPut(this.#pages.bits[row]!) && this.#rules.isHandedOutBySet(row)
  }

  /**
   * Lets such a set wait for the put as long as clocks of CPUs may differ. After that it is taken for a second hand-out, which
   * changed nothing.
   */
  #awaitPut(row: number, waiting: LedgerEvent[], event: LedgerEvent): Outcome {
    const set = waiting[0]!
    waiting.push(event)
    if (event.time > set.time + this.#order.slack || waiting.length > MAX_WAITING_UNSURE)
      return this.#release(row, waiting)
    return (event.cpu !== set.cpu && this.order(row, waiting)) || WAITING
  }

  #release(row: number, [set, ...later]: LedgerEvent[]): Outcome {
    this.drop(row)
    return { kind: 'released', set: set!, later }
  }

  /**
   * True if an event read a count that no order of events explains, although one may well agree with the results alone: by the rules no
   * count falls below zero. After an anomaly of the page that is a consequence.
   */
  #isBelowZero(row: number, { count }: LedgerEvent): boolean {
    return count < 0 && !this.#pages.has(row, PageBit.rested) && !this.#pages.has(row, PageBit.anomalous)
  }

  /** Adds an event to the waiting ones, and looks for an order of them if the event may have made one possible. */
  #defer(row: number, waiting: LedgerEvent[], event: LedgerEvent): Outcome {
    waiting.push(event)
    this.#hold(row, waiting)
    const first = waiting[0]!
    const late = event.time - first.time
    const resets = isReset(first, event)
    if (resets) this.#pagemaps.learnReset(this.#pages.pagemap[row]!)
    // A later event of the same task cannot explain the first one, because events of one task keep their order.
    if (resets || (!isSameTask(event, first) && this.#isDue(waiting.length))) {
      const order = this.order(row, waiting) ?? this.#reconsider(row, waiting, late)
      if (order) return order
    }
    const most = canClaim(this.#pages.bits[row]!) ? MAX_WAITING : MAX_WAITING_UNSURE
    return waiting.length >= most || late > this.#order.window ? OVERDUE : WAITING
  }

  /** True if it is time to look for an order again: the more events wait, as with a coarse clock, the less often. */
  #isDue(waiting: number): boolean {
    return this.#order.isCoarse ? (waiting & (waiting - 1)) === 0 : isCheckpoint(waiting)
  }

  /**
   * Looks for an order that includes applied events, once neighbouring operations have surely been stamped. Once an interrupt has
   * surely ended, also looks for one in which an interrupt's events were stamped too early.
   */
  #reconsider(row: number, waiting: readonly LedgerEvent[], late: number): Outcome | undefined {
    if (late <= this.#order.near) return undefined
    return (
      this.#orderWithPast(row, waiting, false) ??
      (late > this.#order.interrupt && !this.#order.isCoarse ? this.#orderWithPast(row, waiting, true) : undefined)
    )
  }

  /**
   * Looks for an order of the page's waiting events together with the last applied ones.
   *
   * @param interrupted true if an interrupt's event may be stamped before the operation that it interrupted
   */
  #orderWithPast(row: number, waiting: readonly LedgerEvent[], interrupted: boolean): Outcome | undefined {
    if (this.#pages.has(row, PageBit.frozen) || waiting.some(event => this.#isBelowZero(row, event))) return undefined
    const recent = this.#lifetimes.recent(row, waiting[0]!.time - this.#order.window, MAX_RECENT)
    if (recent.length === 0 && !interrupted) return undefined
    const events = [...recent.map(step => step.event), ...waiting].sort((a, b) => a.time - b.time)
    const before = recent.reduce((sum, step) => sum - step.delta, this.#pages.count[row]!)
    const search = interrupted ? linearizeInterrupted : linearize
    const order = search(before, events, this.#rules.limits(row), this.#order)
    return order && this.#settled(row, order, recent.length)
  }

  #settled(row: number, order: readonly LedgerEvent[], undone: number): Outcome {
    this.drop(row)
    return { kind: 'settled', undone, order }
  }
}
