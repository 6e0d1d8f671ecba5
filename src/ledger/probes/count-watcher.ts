// SPDX-License-Identifier: GPL-2.0-or-later
/** Holds the page_ref events of a page against what probes said of it: who takes a free page, who sets another's count. */
import { Op } from '../../trace/events.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { LedgerEvent } from '../track/lifetime-event.ts'
import { PageBit } from '../track/page-state.ts'
import { isSameTask } from '../track/same-task.ts'
import type { PageProbes } from './page-probes.ts'
import type { PageView, ProbedTables } from './page-view.ts'
import { ProbeState, type ProbeTable } from './probe-table.ts'
import { earliest, isBefore, type Stamp } from './stamps.ts'

const { FREE, BUSY, TOUCHED, WAS_ZERO, WAS_FREE, SILENT, WAS_PUT } = ProbeState

export class CountWatcher {
  readonly #tables: ProbedTables
  readonly #view: PageView
  readonly #probes: PageProbes
  readonly #table: ProbeTable
  /** Call sites of what new owners first did to the count after an announced hand-out. */
  readonly #announcing = new Set<number>()

  constructor(tables: ProbedTables, view: PageView, probes: PageProbes) {
    this.#tables = tables
    this.#view = view
    this.#probes = probes
    this.#table = probes.table
  }

  /** Takes in a page_ref event of a page that has probes, in the order of stamps, before it is applied. */
  seen(row: number, event: LedgerEvent): void {
    if (event.op === Op.SET && this.#seenLateSet(row, event)) return
    const state = this.#table.state[row]!
    if (state & FREE) this.#seenFree(row, event)
    else if (state & BUSY) this.#seenBusy(row, event)
  }

  /** Takes in an event of a page that is free. */
  #seenFree(row: number, event: LedgerEvent): void {
    const { sites } = this.#tables
    const table = this.#table
    const isTeardown = (sites.traits(event.stack) & StackTrait.TEARDOWN) !== 0
    if (event.val < 0 && !isTeardown) table.state[row]! |= WAS_PUT
    if (event.val <= 0 || event.op === Op.FREEZE || table.state[row]! & SILENT) return
    const isNew = event.op === Op.SET && (event.flags === 0 || (sites.traits(event.stack) & StackTrait.INIT) !== 0)
    // Set up anew, or split from a folio that was in use.
    if (isNew || event.op === Op.UNFREEZE) {
      this.#probes.forget(row)
      return
    }
    // The core's, late or not: the count of a page that is free is set to what it is.
    if (event.op === Op.SET && event.val === 1 && this.#ruleIdle(row) === 1) {
      if (isSameTask(table.freedOf(row), event)) this.#seenReset(row, event)
      return
    }
    this.#seenTaken(row, event)
  }

  /** Takes in an event that takes a reference of a page that is free. */
  #seenTaken(row: number, event: LedgerEvent): void {
    const { sites } = this.#tables
    const freed = this.#table.freedOf(row)
    for (const open of this.#probes.candidates.open(row))
      if (earliest(event, this.#tables.order) < open.event.time) open.restsOnAllocs = true
    this.#table.state[row]! |= TOUCHED
    const isAfter =
      isSameTask(freed, event) || freed.time + this.#tables.order.slack < earliest(event, this.#tables.order)
    const isAnnouncing = this.#announcing.has(sites.site(event.signature))
    // A set hands out, unless its function announces that; so does a get at 1 that new owners begin with. At 0 the counts tell.
    const isSet = event.op === Op.SET
    const isHandOut = isSet ? !isAnnouncing || !sites.isTelling(event.stack) : this.#ruleIdle(row) !== 1 || isAnnouncing
    if (isHandOut && (isSet || (isAnnouncing && isAfter))) this.#table.state[row]! |= SILENT
    else if (isAfter && !isHandOut)
      this.#probes.raise('get-on-free-page', row, event, { restsOnAllocs: true, isOrdered: true })
  }

  /** Takes in the core's set on the page that its own task gave back; without probes of hand-outs only gets tell of one. */
  #seenReset(row: number, event: LedgerEvent): void {
    for (const { kind, event: get } of this.#probes.candidates.open(row)) {
      if (kind !== 'get-on-free-page' || isSameTask(get, event)) continue
      const isOrdered = get.time + this.#tables.order.slack < earliest(event, this.#tables.order)
      if (!isOrdered && get.count !== get.val) continue
      this.#probes.raise('touch-after-free', row, event, { handedOut: get, isOrdered, restsOnAllocs: false })
      return
    }
  }

  /**
   * Takes in the core's set on a page whose new owner is known to have found the count at 0: the owner's get waits for an
   * explanation, and the set came after it, however near the stamps are. Returns true if it was that.
   */
  #seenLateSet(row: number, event: LedgerEvent): boolean {
    const { pages } = this.#tables
    const { freed, handed } = this.#probes.holders(row)
    if (event.val !== 1 || this.#view.idleCount(row) !== 1 || pages.count[row] !== 0) return false
    if (!isSameTask(freed, event) || pages.lastPid[row] !== event.pid || isSameTask(handed, event)) return false
    const isZero = this.#view
      .waiting(row)
      .some(get => get.val > 0 && get.count === get.val && isSameTask(get, handed) && get.time >= handed.time)
    if (!isZero || handed.time + 2 * this.#tables.order.slack < freed.time) return false
    const isOrdered = handed.time + this.#tables.order.slack < earliest(event, this.#tables.order)
    this.#probes.raise('touch-after-free', row, event, { handedOut: handed, isOrdered })
    return true
  }

  /** Takes in an event of a page that is handed out: the task that had given it back may set its count. */
  #seenBusy(row: number, event: LedgerEvent): void {
    const table = this.#table
    const { freed, handed } = this.#probes.holders(row)
    if (event.val > 0) this.#tables.pages.clear(row, PageBit.freed)
    if (event.val > 0 && isSameTask(handed, event)) this.#announcing.add(this.#tables.sites.site(event.signature))
    if (event.op !== Op.SET) {
      const isFirst = isSameTask(event, handed) && event.val > 0 && event.count === event.val
      if (isFirst && this.#view.idleCount(row) === 1) table.state[row]! |= WAS_ZERO
      return
    }
    if (!(table.state[row]! & WAS_FREE)) return
    if (!isSameTask(freed, event) || isSameTask(handed, event) || !isBefore(freed, handed, this.#tables.order)) return
    // A set before page_free(), that of a put which the same task made since.
    if (this.#hasPut(row, event, handed)) return
    const isOrdered = handed.time + this.#tables.order.slack < earliest(event, this.#tables.order)
    if (!isOrdered && !(table.state[row]! & WAS_ZERO)) return
    this.#probes.raise('touch-after-free', row, event, { handedOut: handed, isOrdered })
  }

  /** True if the task put a reference of the page after that time. */
  #hasPut(row: number, task: Stamp, { time }: Stamp): boolean {
    const events = [...(this.#view.lastLives(row)[0] ?? []), ...this.#view.lifeEvents(row)]
    return events.some(each => each.delta < 0 && each.time > time && isSameTask(each, task))
  }

  /** Returns the count of idle pages by the rule of the pagemap, whatever memunmap_pages() has put. */
  #ruleIdle(row: number): number | undefined {
    const { pages, pagemaps } = this.#tables
    return pagemaps.list[pages.pagemap[row]!]!.rule?.idle
  }
}
