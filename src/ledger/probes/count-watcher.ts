// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Compares the page_ref events of a page with the state that its probes tell. Finds gets of a free page, and tasks that set the
 * count of a page that already has another owner.
 */
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
  /** Call sites at which the new owner of a page raised its count after an announced hand-out. */
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
    // The page was initialised again, or split from a folio that was in use.
    if (isNew || event.op === Op.UNFREEZE) {
      this.#probes.forget(row)
      return
    }
    // The core resets the count of an idle page to 1. On a free page this changes nothing, even if it is stamped late.
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
    // A set is a hand-out without a probe, unless its function has a probe for its hand-outs. Where idle pages have 1, a get is
    // one if
    // it stands at a call site that new owners begin with; where they have 0, the counts tell.
    const isSet = event.op === Op.SET
    const isHandOut = isSet ? !isAnnouncing || !sites.isTelling(event.stack) : this.#ruleIdle(row) !== 1 || isAnnouncing
    if (isHandOut && (isSet || (isAnnouncing && isAfter))) this.#table.state[row]! |= SILENT
    else if (isAfter && !isHandOut)
      this.#probes.raise('get-on-free-page', row, event, { restsOnAllocs: true, isOrdered: true })
  }

  /**
   * Takes in the core's reset of a free page, by the task that gave the page back. If another task took a reference in between,
   * the page was already handed out again, and the reset overwrites the new owner's count.
   */
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
   * Takes in the core's reset of a page whose new owner found the count at 0. The owner's get is impossible at that count and
   * waits in the reorder buffer; so the reset came after it, however close the stamps are. Returns true if the event is such a
   * late reset.
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

  /** Takes in an event of a page that is handed out. Raises a candidate if the former owner sets the count. */
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
    // The same task put a reference since the hand-out, so this set is the reset that belongs to that put.
    if (this.#hasPut(row, event, handed)) return
    const isOrdered = handed.time + this.#tables.order.slack < earliest(event, this.#tables.order)
    if (!isOrdered && !(table.state[row]! & WAS_ZERO)) return
    this.#probes.raise('touch-after-free', row, event, { handedOut: handed, isOrdered })
  }

  /** True if the task of `task` put a reference of the page after `time`. */
  #hasPut(row: number, task: Stamp, { time }: Stamp): boolean {
    const events = [...(this.#view.lastLives(row)[0] ?? []), ...this.#view.lifeEvents(row)]
    return events.some(each => each.delta < 0 && each.time > time && isSameTask(each, task))
  }

  /** Returns the count of idle pages by the rule of the pagemap, as it was before memunmap_pages() put the base reference. */
  #ruleIdle(row: number): number | undefined {
    const { pages, pagemaps } = this.#tables
    return pagemaps.list[pages.pagemap[row]!]!.rule?.idle
  }
}
