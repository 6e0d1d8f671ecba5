// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Lifetimes of pages: from the event that takes an idle page into use to the one that makes it idle again. An open lifetime
 * keeps its events; a closed one is counted, by its shape where it is complete.
 */
import { newBatch } from '../../trace/common/batch.ts'
import { type EventBatch, Op } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import { isCheckpoint } from './checkpoints.ts'
import type { EventPool } from './event-pool.ts'
import { LONG_LIFETIME, MAPCOUNT_SAMPLE } from './hot-layout.ts'
import { type LedgerEvent, type LifetimeEvent, putRow } from './lifetime-event.ts'
import { KeyWeights, NO_KIND } from './lifetime-kinds.ts'
import { LifetimeState } from './lifetime-log.ts'
import type { PageRules } from './page-rules.ts'
import { canClaim, LIFETIME_BITS, PageBit } from './page-state.ts'
import type { PageTable } from './page-table.ts'
import { NEVER_CLOSES } from './rule-recognition.ts'
import type { Tables } from './tables.ts'
import type { TaskActivity } from './task-activity.ts'
import { addUnits, type UnitKey, unitKey } from './unit-key.ts'

/** Shortens an open lifetime: moves gets and puts that surely belong together from its events to `SetAside`. */
export type Compact = (row: number, tables: Tables) => void

/** Drops closed lifetimes that are no longer needed as evidence. */
export type MakeRoom = (tables: Tables) => void

/**
 * Most closed lifetimes that are kept with an anomaly, and most of their events. Several are needed, because a surplus put ends a
 * lifetime early, and each reference taken after that looks like a lifetime of its own.
 */
const EARLIER_LIFETIMES = 32
const EARLIER_EVENTS = 96

/** The map count of idle pages is sampled until this many different values are known. */
const MAX_IDLE_MAPCOUNTS = 8

/** An applied event and what it did to the count. */
export interface AppliedEvent {
  event: LedgerEvent
  delta: number
}

export class Lifetimes {
  readonly #tables: Tables
  readonly #pages: PageTable
  readonly #nodes: EventPool
  readonly #tasks: TaskActivity
  readonly #sites: CallSites
  readonly #rules: PageRules
  /** A batch of one row, through which `apply` passes a single event to `applyRow`. */
  readonly #single = newBatch(1)
  readonly #compact: Compact | undefined
  readonly #makeRoom: MakeRoom | undefined
  /** Weights of the keys in the hash of a lifetime. */
  readonly weights: KeyWeights

  constructor(tables: Tables, rules: PageRules, compact: Compact | undefined, makeRoom: MakeRoom | undefined) {
    this.#tables = tables
    this.#pages = tables.pages
    this.#nodes = tables.nodes
    this.#tasks = tables.tasks
    this.#sites = tables.sites
    this.#rules = rules
    this.#compact = compact
    this.#makeRoom = makeRoom
    this.weights = new KeyWeights(tables.arena)
  }

  /** Opens a lifetime at the page's present count. */
  open(row: number): void {
    const pages = this.#pages
    pages.set(row, PageBit.open)
    pages.before[row] = pages.count[row]!
    pages.head[row] = pages.tail[row] = -1
    pages.events[row] = 0
    pages.hashLow[row] = pages.hashHigh[row] = 0
  }

  /** Opens a lifetime unless one is open. */
  reach(row: number): void {
    if (!this.#pages.has(row, PageBit.open)) this.open(row)
  }

  /** Applies an event: changes the count by `delta`, and closes the lifetime if the page is idle again. */
  apply(row: number, delta: number, event: LedgerEvent): void {
    putRow(this.#single, 0, event)
    this.applyRow(row, delta, this.#single, 0, event.signature, event.since, event.ordinal)
  }

  /** Applies an event of a batch. This is the hot path: one function, so that each column is looked up once. */
  applyRow(
    row: number,
    delta: number,
    batch: EventBatch,
    i: number,
    signature: number,
    since: number,
    ordinal: number,
  ): void {
    const pages = this.#pages
    const nodes = this.#nodes
    const time = batch.time[i]!
    const pid = batch.pid[i]!
    const stack = batch.stack[i]!
    const mapcount = batch.mapcount[i]!
    if (mapcount < 0) this.#tables.rawMapcount = true
    if ((pages.bits[row]! & PageBit.open) === 0) this.open(row)
    const traits = this.#sites.traits(stack)
    const last = pages.tail[row]!
    const node = nodes.add(
      last,
      pages.tailMapcount[row]!,
      delta,
      batch,
      i,
      signature,
      since,
      ordinal,
      this.#tasks.tick(pid, time, stack, row, (traits & StackTrait.INTERRUPT) !== 0),
    )
    this.#tasks.tickSignature(signature)
    if (last < 0) pages.head[row] = node
    pages.tail[row] = node
    const events = pages.events[row]! + 1
    pages.events[row] = events
    pages.lastSignature[row] = signature
    pages.lastPid[row] = pid
    pages.lastMapcount[row] = pages.tailMapcount[row] = mapcount
    if (delta > 0 && traits & StackTrait.FAULT)
      this.#tables.retries.add(row, pid, batch.cpu[i]!, signature, stack, time)
    const key = unitKey(signature, delta)
    const weights = this.weights
    if (key >= weights.low.length) weights.grow(key)
    pages.hashLow[row]! += Math.imul(weights.low[key]!, delta)
    pages.hashHigh[row]! += Math.imul(weights.high[key]!, delta)
    const count = pages.count[row]! + delta
    pages.count[row] = count
    if (count === this.#rules.closesAt(row)) this.close(row)
    else if (events % LONG_LIFETIME === 0 && isCheckpoint(events)) this.#compact?.(row, this.#tables)
  }

  /** Adds units of references to the hash of a page's open lifetime. */
  addToHash(row: number, signature: number, units: number): void {
    const key = unitKey(signature, units)
    const weights = this.weights
    if (key >= weights.low.length) weights.grow(key)
    this.#pages.hashLow[row]! += Math.imul(weights.low[key]!, units)
    this.#pages.hashHigh[row]! += Math.imul(weights.high[key]!, units)
  }

  /** Tells those that keep lists of some pages in use that a lifetime has ended. */
  noteEnd(row: number): void {
    this.#tables.retries.end(row)
    this.#tables.anomalies.lifetimeEnded(row)
  }

  /** Closes the open lifetime: its page is idle. */
  close(row: number): void {
    const pages = this.#pages
    const { lives, retries, anomalies, log } = this.#tables
    if (retries.size > 0 || anomalies.provisionals > 0) this.noteEnd(row)
    const bits = pages.bits[row]!
    const head = pages.head[row]!
    let state: LifetimeState = LifetimeState.PARTIAL
    let kind = NO_KIND
    if (bits & PageBit.anomalous) {
      this.#closeBroken(row)
      state = LifetimeState.BROKEN
    } else if (!canClaim(bits)) lives.partial++
    else {
      lives.complete++
      this.#rules.pagemap(row).lives++
      state = LifetimeState.COMPLETE
      kind = this.#count(row)
    }
    if (head >= 0) {
      if (log.isFull) this.#makeRoom?.(this.#tables)
      const before = pages.lastClosed[row]!
      pages.lastClosed[row] = log.add(row, kind, state, pages.tail[row]!, pages.events[row]!, before)
    }
    pages.head[row] = pages.tail[row] = -1
    pages.bits[row] = bits & ~LIFETIME_BITS
  }

  /**
   * Closes the lifetime of a page whose count the core resets to 1. The put before gave back the reference of the previous reset,
   * so that one is added to the front of the lifetime to make it balanced.
   */
  closeByReset(row: number): void {
    const pages = this.#pages
    pages.count[row] = 1
    const head = pages.head[row]!
    if (!pages.has(row, PageBit.open) || head < 0) return
    pages.head[row] = this.#nodes.addBase(head)
    pages.events[row]!++
    this.addToHash(row, Op.SET, 1)
    this.close(row)
  }

  /**
   * Closes a lifetime after an anomaly. If the page was got while free and never handed out since, it is now freed a second time.
   */
  #closeBroken(row: number): void {
    const { lives, anomalies } = this.#tables
    lives.broken++
    const cause = anomalies.of(row)
    if (cause?.kind !== 'get-on-free-page' || this.#pages.has(row, PageBit.handedOutAgain)) return
    anomalies.markFreedTwice(cause, this.#pages.pagemap[row]!)
  }

  /** Counts a complete lifetime by its kind, and returns the kind. */
  #count(row: number): number {
    const pages = this.#pages
    const nodes = this.#nodes
    const { aside, kinds } = this.#tables
    if (this.#tables.lives.complete % MAPCOUNT_SAMPLE === 0) this.sampleMapcount(row)
    const low = pages.hashLow[row]!
    const high = pages.hashHigh[row]!
    const known = kinds.count(low, high)
    if (known !== NO_KIND) return known
    const units = new Map<UnitKey, number>()
    const head = pages.head[row]!
    for (let node = pages.tail[row]!; node >= 0; node = nodes.before(node))
      addUnits(units, nodes.signature(node), nodes.delta(node))
    if (head >= 0) aside.addUnits(units, pages.aside[row]!, nodes.ordinal(head), Infinity)
    return kinds.add(low, high, units)
  }

  /** Notes the map count of a page that is idle now. */
  sampleMapcount(row: number): void {
    const { idleMapcounts } = this.#rules.pagemap(row)
    if (idleMapcounts.size >= MAX_IDLE_MAPCOUNTS) return
    const mapcount = this.#pages.lastMapcount[row]!
    idleMapcounts.set(mapcount, (idleMapcounts.get(mapcount) ?? 0) + 1)
  }

  /** Drops the open lifetime of a page that is initialised again. */
  drop(row: number): void {
    const pages = this.#pages
    if (!pages.has(row, PageBit.open)) return
    this.#tables.lives.partial++
    this.#tables.retries.end(row)
    if (pages.head[row]! >= 0) this.#nodes.giveChain(pages.head[row]!, pages.tail[row]!)
    pages.head[row] = pages.tail[row] = -1
  }

  /** Adds `off` to the number of references that were held before the first event of the open lifetime. */
  correct(row: number, off: number): void {
    this.#pages.before[row]! += off
    this.#pages.count[row]! += off
  }

  /**
   * Returns the last events of the open lifetime that may be reordered, oldest first: at most `most`, none older than `since`.
   */
  recent(row: number, since: number, most: number): AppliedEvent[] {
    const pages = this.#pages
    const nodes = this.#nodes
    const recent: AppliedEvent[] = []
    if (!pages.has(row, PageBit.open)) return recent
    for (let node = pages.tail[row]!; node >= 0 && recent.length < most; node = nodes.before(node)) {
      if (nodes.op(node) >= Op.FREEZE || nodes.op(node) === Op.SET) break
      if (nodes.time(node) >= since) recent.push({ event: nodes.event(node), delta: nodes.delta(node) })
    }
    recent.reverse()
    return recent
  }

  /** Undoes the last events of the open lifetime. @param events how many */
  undo(row: number, events: number): void {
    const pages = this.#pages
    const nodes = this.#nodes
    for (let left = events; left > 0; left--) {
      const last = pages.tail[row]!
      pages.count[row]! -= nodes.delta(last)
      this.addToHash(row, nodes.signature(last), -nodes.delta(last))
      const before = nodes.before(last)
      if (before < 0) pages.head[row] = -1
      else pages.tailMapcount[row] = nodes.mapcount(before)
      pages.tail[row] = before
      pages.events[row]!--
      nodes.give(last)
    }
  }

  /** Returns the last event of the open lifetime. */
  last(row: number): LifetimeEvent | undefined {
    const tail = this.#pages.tail[row]!
    return this.#pages.has(row, PageBit.open) && tail >= 0 ? this.#nodes.event(tail) : undefined
  }

  /**
   * Returns the events of the open lifetime, oldest first. Where the core resets counts to 1, the reference of the reset comes
   * first.
   */
  events(row: number): LifetimeEvent[] {
    const pages = this.#pages
    const head = pages.head[row]!
    if (!pages.has(row, PageBit.open) || head < 0) return []
    const events = this.#nodes.chain(pages.tail[row]!)
    if (this.#rules.closesAt(row) !== NEVER_CLOSES || pages.has(row, PageBit.begunEarlier)) return events
    return [this.#nodes.baseEvent(head), ...events]
  }

  /** Returns the events of the page's last closed lifetimes, the latest lifetime first. */
  lastClosed(row: number): LifetimeEvent[][] {
    const { log } = this.#tables
    const lifetimes: LifetimeEvent[][] = []
    let events = 0
    for (let entry = this.#pages.lastClosed[row]!; entry >= 0; entry = log.before[entry]!) {
      if (lifetimes.length >= EARLIER_LIFETIMES || events >= EARLIER_EVENTS) break
      const lifetime = this.#nodes.chain(log.tail[entry]!)
      lifetimes.push(lifetime)
      events += lifetime.length
    }
    return lifetimes
  }
}
