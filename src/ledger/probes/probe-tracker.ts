// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Tracks what probes tell of a page besides its count: when it was given back to its driver, when it was handed out, and who used
 * it. A probe is stamped before the action that it announces, so the order of two probes of a page is uncertain only by as much
 * as the clocks of their CPUs differ. An operation on the count, in contrast, took effect at some time between the previous stamp
 * and its own.
 *
 * A suspicious event is kept as a candidate, because only the whole recording shows whether the probes sit at the right places.
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
  /** Lifetimes by hand-outs and returns alone, also of pages whose counts are recorded. */
  readonly lifetimes: PageLifetimes
  /** Number of probes by `Op` (`byOp`), and in all. */
  readonly byOp: number[] = []
  count = 0
  /** Time of the first announced hand-out. Before it, that none was announced proves nothing. */
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

  /** Suspected faults, in the order in which they were met. */
  get candidates(): readonly Candidate[] {
    return this.pages.candidates.list
  }

  /** Number of candidates that were not kept, because there was no room. */
  get dropped(): number {
    return this.pages.candidates.dropped
  }

  /** Returns the number of probes of a pagemap, by what they said. */
  countsOf(pagemap: number): Readonly<ProbeCounts> {
    return this.pages.countsOf(pagemap)
  }

  /** Takes in a probe. @param eventOf makes the event object, which not every probe needs */
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

  /** Notes that the page was initialised again, so that its earlier probes no longer apply. */
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
    // The bit takes the page off the fast path, so that the next event of it reaches `seen`.
    this.#tables.pages.set(row, PageBit.freed)
  }

  #freed(row: number, event: LedgerEvent): void {
    const table = this.#table
    const counts = this.pages.countsFor(row)
    counts.frees++
    const isCandidate = this.pages.candidates.open(row).length > 0
    // The page was in use in between: a hand-out without a probe is more likely than a fault.
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

  /**
   * Looks for a page that is given back while somebody still has a reference to it: a page table that maps it, its new owner, or
   * a holder for whom memunmap_pages() did not wait.
   */
  #freedInUse(row: number, event: LedgerEvent): void {
    const { pages, sites } = this.#tables
    const { count, lastPid } = pages
    const idle = this.#view.idleCount(row)
    if (!isFollowed(pages.bits[row]!)) return
    const isMapped = !pages.has(row, PageBit.waiting) && this.#view.isMapped(row)
    // memunmap_pages() puts its own reference even while others still have theirs.
    const isTeardown = (sites.traits(event.stack) & StackTrait.TEARDOWN) !== 0 && pages.has(row, PageBit.basePut)
    const isLeft = isTeardown && pages.has(row, PageBit.open) && count[row]! > 0
    const isIdle = idle !== undefined && count[row]! <= idle && lastPid[row] === event.pid
    if (!(isMapped && (isLeft || isIdle)) && !(isIdle && this.#isTaken(row, event))) return
    this.pages.raise('freed-in-use', row, event, { since: event.time, isOrdered: isMapped })
  }

  /** True if the task that the page was handed to took a reference after the last put and before the page_free(). */
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
   * True if a hand-out or return surely came after all earlier ones of the page. If not, the state of the page is forgotten, and
   * candidates raised by stamps that close are withdrawn. The row may have been added to the page table only just now.
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
    // If the order is unknown, so is whether the previous return had a hand-out before it.
    if (table.state[row]! & UNANNOUNCED) this.pages.countsFor(row).unannounced--
    for (const candidate of recent)
      if (candidate.restsOnAllocs && candidate.freed.time === table.freedTime[row]) candidate.isWithdrawn = true
    this.pages.forget(row)
    return false
  }

  /** Looks at a page that is given back twice with no announced hand-out in between. */
  #freedAgain(row: number, event: LedgerEvent): void {
    const { pages } = this.#tables
    const state = this.#table.state[row]!
    // If the page never had a lifetime, its counts may not be recorded at all.
    if (pages.lastClosed[row] === 0 && !pages.has(row, PageBit.open)) return
    // Any of these is a sign of a lifetime in between: each ends with a put, and most begin with an event that changes the count.
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

  /** Looks at a use of the page after it was given back; uses by page_free() itself are rightful. */
  #usedWhileFree(row: number, event: LedgerEvent, state: number): void {
    const freed = this.#table.freedOf(row)
    if (state & SILENT || !isBefore(freed, event, this.#tables.order)) return
    if (isSameTask(freed, event) && !hasLeft(this.#tables.sites, freed.stack, event.stack)) return
    this.pages.raise('touch-after-free', row, event, {
      restsOnAllocs: this.pages.isAnnounced(row) || this.pages.isHandOutSilent(row) || (state & TOUCHED) !== 0,
      isOrdered: true,
    })
  }

  /** Looks at a use by the task that gave the page back, after the page was handed to another task. */
  #usedByFormer(row: number, event: LedgerEvent): void {
    const { freed, handed } = this.pages.holders(row)
    if (!isSameTask(freed, event) || isSameTask(handed, event)) return
    if (!isBefore(freed, handed, this.#tables.order) || !isBefore(handed, event, this.#tables.order)) return
    // Outside of the free path the task may act for the new owner, or by a reference of its own.
    if (!isInFreePath(this.#tables.sites, freed.stack, event.stack)) return
    if (this.#view.lifeEvents(row).some(each => each.pid === event.pid && each.time > freed.time)) return
    this.pages.raise('touch-after-free', row, event, { handedOut: handed, isOrdered: true })
  }
}
