// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What probes say of a page beside its count: when its driver had it back, when it was handed out, who used it. A probe is
 * stamped before what it announces, so between stamps of a page's probes there is no doubt but that of the CPUs' clocks; an
 * operation on the count came at some time between the stamp before it and its own.
 *
 * What looks wrong is kept as a candidate: whether the probes are where they belong is known only at the end.
 */
import { type EventBatch, isProbe, Op } from '../../trace/events.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { LedgerEvent } from '../track/lifetime-event.ts'
import { isFollowed, PageBit } from '../track/page-state.ts'
import { isSameTask } from '../track/same-task.ts'
import type { Candidate } from './candidates.ts'
import { CountWatcher } from './count-watcher.ts'
import { hasLeft, isInFreePath } from './free-path.ts'
import { PageLifetimes } from './page-lifetimes.ts'
import { PageProbes, type ProbeCounts } from './page-probes.ts'
import type { PageView, ProbedTables } from './page-view.ts'
import { ProbeState, type ProbeTable } from './probe-table.ts'
import { earliest, isBefore, type Stamp } from './stamps.ts'
import { UnmapTracker } from './unmap-tracker.ts'

const { FREE, TOUCHED, WAS_FREE, SILENT, WAS_PUT, UNANNOUNCED } = ProbeState

export class ProbeTracker {
  readonly pages: PageProbes
  readonly unmaps: UnmapTracker
  /** Lifetimes by hand-outs and returns alone, whatever is known of counts. */
  readonly lifetimes: PageLifetimes
  /** Probes by `Op`, and in all. */
  readonly byOp: number[] = []
  count = 0
  /** Time of the first hand-out that was announced: before it the absence of one says nothing. */
  firstAlloc = Infinity
  readonly #tables: ProbedTables
  readonly #view: PageView
  readonly #table: ProbeTable
  readonly #watcher: CountWatcher

  constructor(tables: ProbedTables, view: PageView) {
    this.#tables = tables
    this.#view = view
    this.pages = new PageProbes(tables, view)
    this.unmaps = new UnmapTracker(tables, view, this.pages)
    this.lifetimes = new PageLifetimes(tables.sites, tables.gaps, tables.order)
    this.#table = this.pages.table
    this.#watcher = new CountWatcher(tables, view, this.pages)
  }

  /** True if page_ref events must be shown to `seen`. */
  get areSeen(): boolean {
    return this.count > 0
  }

  /** What looks wrong, in the order in which it was met. */
  get candidates(): readonly Candidate[] {
    return this.pages.candidates.list
  }

  /** Candidates that found no room. */
  get dropped(): number {
    return this.pages.candidates.dropped
  }

  /** Returns what was seen of the probes of a pagemap. */
  countsOf(pagemap: number): Readonly<ProbeCounts> {
    return this.pages.countsOf(pagemap)
  }

  /** Takes in a probe. @param event made on demand */
  take(batch: EventBatch, i: number, eventOf: () => LedgerEvent): void {
    const op = batch.op[i]!
    this.count++
    this.byOp[op] = (this.byOp[op] ?? 0) + 1
    if (!isProbe(op) || op === Op.REPORT) return
    if (op === Op.MEMUNMAP) {
      this.unmaps.enter(eventOf(), batch.pfn[i]!)
      return
    }
    this.unmaps.act(batch.pid[i]!, batch.time[i]!, batch.stack[i]!)
    if (op === Op.MEMUNMAP_END) {
      this.unmaps.leave(eventOf())
      return
    }
    if (op !== Op.PAGE_USE) this.#takeLifetime(op, batch.pfn[i]!, eventOf())
    const row = this.#tables.pages.find(batch.pfn[i]!)
    if (row < 0 || !this.#view.isCounted(row)) return
    this.#table.reach(row)
    const event = eventOf()
    this.pages.keepCurrent(row)
    if (op === Op.PAGE_ALLOC) this.#handedOut(row, event)
    else if (op === Op.PAGE_FREE) {
      this.#freed(row, event)
      this.#freedInUse(row, event)
    } else this.#used(row, event)
    this.unmaps.probed(row, event)
  }

  #takeLifetime(op: number, pfn: number, { time, cpu, pid, stack, signature }: LedgerEvent): void {
    const probe = { pfn, time, cpu, pid, stack, signature }
    if (op === Op.PAGE_ALLOC) this.lifetimes.handedOut(probe)
    else this.lifetimes.freed(probe)
  }

  /** Takes in a page_ref event in the order of stamps, before it is applied. */
  seen(row: number, event: LedgerEvent): void {
    this.unmaps.seen(row, event)
    if (!this.pages.has(row)) return
    this.pages.keepCurrent(row)
    this.#watcher.seen(row, event)
  }

  /** Notes that the page was set up anew: what was before says nothing. */
  initialised(row: number, time: number): void {
    this.unmaps.remapped(row, time)
    if (this.pages.has(row)) this.pages.forget(row)
  }

  #handedOut(row: number, event: LedgerEvent): void {
    this.pages.countsFor(row).allocs++
    this.firstAlloc = Math.min(this.firstAlloc, event.time)
    this.pages.candidates.close(row)
    const isPlaced = this.#isPlaced(row, event)
    this.#table.handOut(row, event)
    if (!isPlaced) {
      this.pages.forget(row)
      return
    }
    // The first event after it is to be seen.
    this.#tables.pages.set(row, PageBit.freed)
  }

  #freed(row: number, event: LedgerEvent): void {
    const table = this.#table
    const counts = this.pages.countsFor(row)
    counts.frees++
    const isCandidate = this.pages.candidates.open(row).length > 0
    // It was in use meanwhile: rather a hand-out that nobody announced than a fault.
    this.pages.candidates.withdraw(row)
    if (!this.#isPlaced(row, event)) {
      table.free(row, event)
      this.pages.forget(row)
      return
    }
    const isKnown = table.freedTime[row]! > this.firstAlloc || this.firstAlloc === Infinity
    const isAgain = (table.state[row]! & FREE) !== 0 && isKnown
    if (isAgain) {
      counts.unannounced++
      if (!isCandidate) this.#freedAgain(row, event)
    }
    table.free(row, event)
    if (isAgain) table.state[row]! |= UNANNOUNCED
    this.#tables.pages.set(row, PageBit.freed)
  }

  /** Looks for a page that is given back though the page table that maps it, its new owner, or whom memunmap_pages() passes over has a reference. */
  #freedInUse(row: number, event: LedgerEvent): void {
    const { pages, sites } = this.#tables
    const { count, lastPid } = pages
    const idle = this.#view.idleCount(row)
    if (!isFollowed(pages.bits[row]!)) return
    const isMapped = !pages.has(row, PageBit.waiting) && this.#view.isMapped(row)
    // memunmap_pages() puts its own reference, whoever has others.
    const isTeardown = (sites.traits(event.stack) & StackTrait.TEARDOWN) !== 0 && pages.has(row, PageBit.basePut)
    const isLeft = isTeardown && pages.has(row, PageBit.open) && count[row]! > 0
    const isIdle = idle !== undefined && count[row]! <= idle && lastPid[row] === event.pid
    if (!(isMapped && (isLeft || isIdle)) && !(isIdle && this.#isTaken(row, event))) return
    this.pages.raise('freed-in-use', row, event, { since: event.time, isOrdered: isMapped })
  }

  /** True if somebody to whom the page was handed took a reference after the last put and before its page_free(). */
  #isTaken(row: number, event: LedgerEvent): boolean {
    const put = this.#view.lastLives(row)[0]?.at(-1)
    if (put?.pid !== event.pid) return false
    return this.#view.waiting(row).some(get => {
      const isBetween =
        put.time + this.#tables.order.slack < earliest(get, this.#tables.order) &&
        get.time + this.#tables.order.slack < event.time
      return get.val > 0 && isBetween && !isSameTask(get, event) && this.pages.isOwner(row, get)
    })
  }

  /**
   * True if a hand-out or return surely came after all that are known of the page. If not, nothing is known of the page any
   * more, and what was found by stamps as near says nothing. The page itself may be known only since a moment ago.
   */
  #isPlaced(row: number, event: LedgerEvent): boolean {
    const table = this.#table
    const recent = this.pages.candidates.recent(row)
    const isNear = (stamp: Stamp | undefined) =>
      stamp !== undefined && stamp.time > 0 && !isBefore(stamp, event, this.#tables.order)
    for (const candidate of recent)
      if (isNear(candidate.event) || isNear(candidate.freed) || isNear(candidate.handedOut))
        candidate.isWithdrawn = true
    const isNew =
      table.state[row] === 0 && this.#tables.pages.resyncedAt[row]! + 2 * this.#tables.order.slack >= event.time
    if (table.note(row, event.cpu, event.time, this.#tables.order.slack) && !isNew) return true
    // Neither is it known how the time before it ended.
    if (table.state[row]! & UNANNOUNCED) this.pages.countsFor(row).unannounced--
    for (const candidate of recent)
      if (candidate.restsOnAllocs && candidate.freed.time === table.freedTime[row]) candidate.isWithdrawn = true
    this.pages.forget(row)
    return false
  }

  /** Looks at a page that is given back twice without a hand-out that was announced. */
  #freedAgain(row: number, event: LedgerEvent): void {
    const { pages } = this.#tables
    const state = this.#table.state[row]!
    // Without any lifetime of the page before, its counts may be no part of the recording.
    if (pages.lastClosed[row] === 0 && !pages.has(row, PageBit.open)) return
    // Every lifetime ends with a put, and most begin with what changes the count.
    if (state & (TOUCHED | SILENT | WAS_PUT)) return
    const isSilent = this.pages.isHandOutSilent(row)
    if (!this.pages.isAnnounced(row)) {
      const isLong = event.time - this.#table.freedTime[row]! > 2 * this.#tables.order.slack
      if (isSilent || !isLong) return
    }
    this.pages.raise('free-twice', row, event, { restsOnAllocs: isSilent })
  }

  #used(row: number, event: LedgerEvent): void {
    this.pages.countsFor(row).uses++
    const state = this.#table.state[row]!
    if (state & FREE) this.#usedWhileFree(row, event, state)
    else if (state & WAS_FREE) this.#usedByFormer(row, event)
  }

  /** Looks at a use after the page was given back, but not by page_free() itself. */
  #usedWhileFree(row: number, event: LedgerEvent, state: number): void {
    const freed = this.#table.freedOf(row)
    if (state & SILENT || !isBefore(freed, event, this.#tables.order)) return
    if (isSameTask(freed, event) && !hasLeft(this.#tables.sites, freed.stack, event.stack)) return
    this.pages.raise('touch-after-free', row, event, {
      restsOnAllocs: this.pages.isAnnounced(row) || this.pages.isHandOutSilent(row) || (state & TOUCHED) !== 0,
      isOrdered: true,
    })
  }

  /** Looks at a use by the task that gave the page back, which has been handed to another since. */
  #usedByFormer(row: number, event: LedgerEvent): void {
    const { freed, handed } = this.pages.holders(row)
    if (!isSameTask(freed, event) || isSameTask(handed, event)) return
    if (!isBefore(freed, handed, this.#tables.order) || !isBefore(handed, event, this.#tables.order)) return
    // It may use the page for its new owner, or by a reference of its own.
    if (!isInFreePath(this.#tables.sites, freed.stack, event.stack)) return
    if (this.#view.lifeEvents(row).some(each => each.pid === event.pid && each.time > freed.time)) return
    this.pages.raise('touch-after-free', row, event, { handedOut: handed, isOrdered: true })
  }
}
