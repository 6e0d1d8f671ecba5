// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Balances of a page's lifetimes, by law. A surplus put that frees a page early breaks its own law for good. The laws of
 * references that were out at that time break twice: in this lifetime more was taken than given back, and in a later one as much
 * less. So the evidence is the sum over lifetimes, which does not depend on where one ends and the next begins.
 */

import { Op } from '../../trace/events.ts'
import type { Balance, LawBook } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { LifetimeState } from '../track/lifetime-log.ts'
import { type UnitKey, unitKey } from '../track/unit-key.ts'

/** A lifetime in which some law was not balanced. */
export interface OddLifetime {
  /** Events of the lifetime, in order. */
  events: LifetimeEvent[]
  balance: Balance
  /** Units by key of the lifetime's events that were set aside and are no longer in `events`. */
  aside: Map<UnitKey, number>
  /** True if it is the one that was open when the recording ended. */
  isOpen: boolean
  /** True if an event that no order explains is in it, or came before. */
  isBroken: boolean
  /** True if later lifetimes are in it, too, because nothing tells where it ends. */
  hasLater: boolean
}

export interface PageHistory {
  row: number
  /** Lifetimes since all laws were last balanced on this page, oldest first. */
  lifetimes: OddLifetime[]
  /** Balance of these lifetimes together. */
  total: Balance
  /**
   * Lifetimes right before the first broken one which balance only together: what one gave back too many, a later one did not, as
   * where a surplus put shifts the ends of all lifetimes after it.
   */
  settled: readonly OddLifetime[]
  /** True if no event of the page is missing since its initialisation. */
  isWhole: boolean
}

/**
 * Returns the references that an event takes (positive) or gives back by its operation, whatever the count was before. If the
 * count was not the one that the earlier events leave, the difference is due to an earlier fault and not to this event. A set
 * counts as a hand-out to one owner.
 */
export function unitsOf({ op, val, delta }: LifetimeEvent, idle: number): number {
  if (op === Op.SET) return val > idle ? val - idle : delta
  return op === Op.MOD || op === Op.MOD_AND_TEST || op === Op.MOD_AND_RETURN ? val : delta
}

const NONE: ReadonlySet<number> = new Set()

/** The histories of all pages on which some law is not balanced, computed at the first query. */
export class PageHistories {
  readonly #ledger: LearningTracker
  #byRow: ReadonlyMap<number, PageHistory> | undefined
  #ways: ReadonlyMap<number, ReadonlySet<number>> | undefined

  constructor(ledger: LearningTracker) {
    this.#ledger = ledger
  }

  get byRow(): ReadonlyMap<number, PageHistory> {
    this.#byRow ??= pageHistories(this.#ledger)
    return this.#byRow
  }

  /**
   * True if in all lifetimes of the page together no more references of the law were taken than given back, though some are out by
   * its last one: then that is due to the order of stamps, or a put in a lifetime before was of this one.
   */
  isEvened(row: number, law: number): boolean {
    const history = this.byRow.get(row)
    return history !== undefined && (history.total.get(law) ?? 0) <= 0
  }

  /**
   * Returns the laws (`NO_LAW`: call sites without a law) by whose puts references of the law came back, too: on some page without an
   * anomaly, complete lifetimes are over by the one and short by the other, for good.
   */
  otherWays(law: number): ReadonlySet<number> {
    this.#ways ??= this.#allWays()
    return this.#ways.get(law) ?? NONE
  }

  #allWays(): Map<number, Set<number>> {
    const ways = new Map<number, Set<number>>()
    for (const { row, lifetimes } of this.byRow.values()) {
      if (this.#ledger.anomalies.of(row)) continue
      const closed: Balance = new Map()
      for (const { isOpen, balance } of lifetimes) if (!isOpen) add(closed, balance)
      const short = [...closed.keys()].filter(law => closed.get(law)! < 0)
      for (const [law, units] of closed) if (units > 0) ways.set(law, new Set([...(ways.get(law) ?? []), ...short]))
    }
    return ways
  }
}

function pageHistories(ledger: LearningTracker): Map<number, PageHistory> {
  const { log, nodes, pages, anomalies } = ledger
  const histories = new Map<number, PageHistory>()
  const settled = new Map<number, readonly OddLifetime[]>()
  const kinds = new Map<number, Balance>()
  const inPart = new Set<number>()
  /** Rows of pages with an anomaly that were not followed to the end: their histories end there. */
  const ended = new Set<number>()
  for (let entry = 0; entry < log.length; entry++) {
    const row = log.row[entry]!
    if (ended.has(row)) continue
    if (log.state[entry] === LifetimeState.PARTIAL || log.incomplete.has(row)) {
      inPart.add(row)
      if (hasGoneWrong(histories.get(row))) ended.add(row)
      else histories.delete(row)
      settled.delete(row)
      continue
    }
    const balance = balanceOfEntry(ledger, entry, kinds)
    const isBroken = log.state[entry] === LifetimeState.BROKEN
    if (balance.size === 0 && !isBroken) {
      settled.delete(row)
      continue
    }
    const events = nodes.chain(log.tail[entry]!)
    const lifetime = { events, balance, aside: setAside(ledger, row, events), isOpen: false, isBroken }
    const before = extend(histories, row, lifetime, settled.get(row))
    // Only where something impossible happened later does anybody ask for them.
    if (before && anomalies.of(row)) settled.set(row, before)
    else settled.delete(row)
  }
  // Of hundreds of thousands of pages, few have a history.
  const odd = new Set([...histories.keys(), ...anomalies.list.map(({ row }) => row)])
  for (const row of [...odd].sort((a, b) => a - b)) {
    if (ended.has(row)) continue
    if (ledger.mayClaim(row)) {
      if (!(histories.has(row) || anomalies.of(row))) continue
      const events = ledger.lifeEvents(row)
      if (events.length === 0) continue
      const aside = setAside(ledger, row, events)
      const balance = balanceOf(events, ledger.idleCount(row) ?? 0, ledger.book, aside)
      const isBroken = anomalies.of(row) !== undefined
      extend(histories, row, { events, balance, aside, isOpen: true, isBroken }, settled.get(row))
    } else if (!hasGoneWrong(histories.get(row))) histories.delete(row)
  }
  for (const history of histories.values()) {
    const { initialised } = ledger.pagemaps.list[pages.pagemap[history.row]!]!
    history.isWhole = initialised && !inPart.has(history.row)
  }
  return histories
}

function hasGoneWrong(history: PageHistory | undefined): boolean {
  return history?.lifetimes.some(({ isBroken }) => isBroken) ?? false
}

function balanceOfEntry(ledger: LearningTracker, entry: number, kinds: Map<number, Balance>): Balance {
  const { log, book, nodes, anomalies } = ledger
  const kind = log.kind[entry]!
  // Kinds include only events that changed the count. On a page with an anomaly, a hand-out may have set the count that it had.
  if (kind < 0 || anomalies.of(log.row[entry]!)) {
    const events = nodes.chain(log.tail[entry]!)
    const row = log.row[entry]!
    return balanceOf(events, ledger.idleCount(row) ?? 0, book, setAside(ledger, row, events))
  }
  let balance = kinds.get(kind)
  if (!balance) {
    balance = book.balanceOf(ledger.kinds.unitsOf(kind))
    kinds.set(kind, balance)
  }
  return balance
}

/** Returns the units that were set aside of the lifetime of these events, by key. */
function setAside(
  { aside, pages }: LearningTracker,
  row: number,
  events: readonly LifetimeEvent[],
): Map<UnitKey, number> {
  const units = new Map<UnitKey, number>()
  if (events.length > 0) aside.addUnits(units, pages.aside[row]!, events[0]!.ordinal, events.at(-1)!.ordinal)
  return units
}

/** Most lifetimes that are searched for the one that ended before an event. */
const MOST_BEFORE = 64

/**
 * Returns the events of the latest of the page's lifetimes that ended before an event and has one of the kind in question; none where
 * it is not remembered.
 */
export function lifetimeBefore(
  { log, nodes, pages }: LearningTracker,
  row: number,
  event: LifetimeEvent,
  isSought: (event: LifetimeEvent) => boolean,
): readonly LifetimeEvent[] {
  let entry = pages.lastClosed[row]!
  for (let i = 0; i < MOST_BEFORE && entry >= 0; i++) {
    const events = nodes.chain(log.tail[entry]!)
    if (events.length > 0 && events.at(-1)!.ordinal < event.ordinal && events.some(isSought)) return events
    entry = log.before[entry]!
  }
  return []
}

/** @param aside units of events that were set aside */
export function balanceOf(
  events: readonly LifetimeEvent[],
  idle: number,
  book: LawBook,
  aside: ReadonlyMap<UnitKey, number> = new Map(),
): Balance {
  const balance: Balance = book.balanceOf(aside)
  for (const event of events) {
    const units = unitsOf(event, idle)
    if (units !== 0) book.addTo(balance, unitKey(event.signature, units), units)
  }
  return balance
}

/**
 * Adds a lifetime to a page's history, and drops the history once all laws are balanced again. After an event that no order
 * explains, the tracked count is wrong, and so are the ends of lifetimes: all that follows is taken as one lifetime.
 *
 * @param before lifetimes right before this one that balance only together
 * @returns the lifetimes of a history that was dropped
 */
function extend(
  histories: Map<number, PageHistory>,
  row: number,
  lifetime: Omit<OddLifetime, 'hasLater'>,
  before: readonly OddLifetime[] = [],
): readonly OddLifetime[] | undefined {
  const settled = lifetime.isBroken ? before : []
  const history: PageHistory = histories.get(row) ?? { row, lifetimes: [], total: new Map(), settled, isWhole: false }
  const last = history.lifetimes.at(-1)
  if (last?.isBroken) {
    last.events.push(...lifetime.events)
    for (const [key, units] of lifetime.aside) last.aside.set(key, (last.aside.get(key) ?? 0) + units)
    add(last.balance, lifetime.balance)
    last.hasLater = true
  } else history.lifetimes.push({ ...lifetime, balance: new Map(lifetime.balance), hasLater: false })
  add(history.total, lifetime.balance)
  histories.set(row, history)
  if (history.total.size > 0 || hasGoneWrong(history)) return undefined
  histories.delete(row)
  return history.lifetimes
}

/**
 * Returns the history of a page from the last time that all laws were balanced to the end of the first lifetime that gave back
 * more of some law than was out: before the page's impossible event. No put of an earlier free is outstanding then, so that what
 * is short is what freed the page early. Undefined if there is none.
 */
export function firstShort({ row, lifetimes, settled, isWhole }: PageHistory): PageHistory | undefined {
  const total: Balance = new Map()
  const until: OddLifetime[] = []
  for (const lifetime of [...settled, ...lifetimes]) {
    if (lifetime.isBroken || lifetime.isOpen) return undefined
    until.push(lifetime)
    add(total, lifetime.balance)
    if ([...total.values()].some(units => units < 0)) return { row, lifetimes: until, total, settled: [], isWhole }
  }
  return undefined
}

function add(total: Balance, balance: Balance): void {
  for (const [law, units] of balance) {
    const sum = (total.get(law) ?? 0) + units
    if (sum === 0) total.delete(law)
    else total.set(law, sum)
  }
}
