// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What probes say of a page beside its count: when its driver had it back, when it was handed out, who used it. A probe is
 * stamped before what it announces, so between stamps of a page's probes there is no doubt but that of the CPUs' clocks; an
 * operation on the count came at some time between the stamp before it and its own.
 *
 * What looks wrong is kept as a suspicion: whether the probes are where they belong is known only at the end.
 */
import { type EventBatch, isProbe, Op } from '../trace/events.ts'
import { StackTrait } from './frames.ts'
import type { LedgerEvent } from './life.ts'
import { CLOCK_SLACK } from './order.ts'
import type { PageView } from './page-view.ts'
import { PageBit } from './pages.ts'
import { ProbeState, ProbeTable } from './probe-table.ts'
import { earliest, isBefore, isSameTask, type Stamp } from './stamps.ts'
import type { ProbeCounts, Suspicion } from './suspicions.ts'
import { Teardowns } from './teardowns.ts'

const { FREE, BUSY, TOUCHED, WAS_ZERO, WAS_FREE } = ProbeState

/** Functions of mm/memremap.c and include/linux/mm.h that call a driver's page_free() or folio_free(). */
const FREE_PATH = new Set([
  'free_zone_device_folio',
  'free_zone_device_page',
  'free_devmap_managed_page',
  '__put_devmap_managed_page',
  'page_free',
])

/** Suspicions kept, and kept of one page. */
const MAX_SUSPICIONS = 10_000
const MAX_PER_PAGE = 4

const NONE: ProbeCounts = { allocs: 0, unannounced: 0, frees: 0, uses: 0 }

export class Probes {
  readonly teardowns: Teardowns
  readonly suspicions: Suspicion[] = []
  /** Suspicions that found no room. */
  dropped = 0
  /** Probes by `Op`, and in all. */
  readonly byOp: number[] = []
  count = 0
  readonly #ledger: PageView
  readonly #table = new ProbeTable()
  readonly #counts: ProbeCounts[] = []
  /** Suspicions of pages that were not handed out since. */
  readonly #open = new Map<number, Suspicion[]>()
  readonly #perPage = new Map<number, number>()
  /** Sites of the sets that came with an announced hand-out. */
  readonly #announcing = new Set<number>()
  #firstAlloc = Infinity

  constructor(ledger: PageView) {
    this.#ledger = ledger
    this.teardowns = new Teardowns(ledger, this)
  }

  /** Whether events of counts must be shown to `seen`. */
  get areSeen(): boolean {
    return this.count > 0
  }

  /** Whether the page is handed out, by its probes. */
  isBusy(row: number): boolean {
    return row < this.#table.state.length && (this.#table.state[row]! & BUSY) !== 0
  }

  /** Whether the page was handed to that task before. */
  isOwner(row: number, event: Stamp): boolean {
    const handed = this.handedOut(row)
    return handed !== undefined && isSameTask(handed, event) && handed.time <= event.time
  }

  /** When the page was handed out last; undefined if it is not known to be. */
  handedOut(row: number): Stamp | undefined {
    return this.isBusy(row) ? this.#table.handedOf(row) : undefined
  }

  countsOf(pagemap: number): ProbeCounts {
    return this.#counts[pagemap] ?? NONE
  }

  /** Takes in a probe. @param event made on demand */
  take(batch: EventBatch, i: number, eventOf: () => LedgerEvent): void {
    const op = batch.op[i]!
    this.count++
    this.byOp[op] = (this.byOp[op] ?? 0) + 1
    if (!isProbe(op) || op === Op.REPORT) return
    if (op === Op.MEMUNMAP) {
      this.teardowns.enter(eventOf(), batch.pfn[i]!)
      return
    }
    this.teardowns.act(batch.pid[i]!, batch.time[i]!, batch.stack[i]!)
    if (op === Op.MEMUNMAP_END) {
      this.teardowns.leave(eventOf())
      return
    }
    const { pages } = this.#ledger
    const row = pages.find(batch.pfn[i]!)
    if (row < 0 || !this.#ledger.isCounted(row)) return
    this.#table.reach(row)
    const event = eventOf()
    this.#keepCurrent(row)
    if (op === Op.PAGE_ALLOC) this.#handedOut(row, event)
    else if (op === Op.PAGE_FREE) this.#freed(row, event)
    else this.#used(row, event)
    this.teardowns.probed(row, event)
  }

  /** Shows a page_ref event in the order of stamps, before it is applied. */
  seen(row: number, event: LedgerEvent): void {
    this.teardowns.seen(row, event)
    if (row >= this.#table.state.length || this.#table.state[row] === 0) return
    this.#keepCurrent(row)
    const state = this.#table.state[row]!
    if (state & FREE) this.#seenFree(row, event)
    else if (state & BUSY) this.#seenBusy(row, event)
  }

  /** The page was set up anew: what was before says nothing. */
  initialised(row: number, time: number): void {
    this.teardowns.remapped(row, time)
    if (row < this.#table.state.length) this.#forget(row)
  }

  // --- probes ---------------------------------------------------------------------------------------------------------

  #handedOut(row: number, event: LedgerEvent): void {
    const table = this.#table
    const counts = this.#countsFor(row)
    counts.allocs++
    this.#firstAlloc = Math.min(this.#firstAlloc, event.time)
    this.#setFreed(row, false)
    const open = this.#open.get(row) ?? []
    this.#open.delete(row)
    const explained = open.filter(suspicion => !isBefore(suspicion.event, event))
    for (const suspicion of explained) suspicion.isWithdrawn = true
    // It may have come between two times that the page was given back, or after both.
    if (explained.some(({ kind }) => kind === 'free-twice')) this.#forget(row)
    else table.handOut(row, event)
  }

  #freed(row: number, event: LedgerEvent): void {
    const table = this.#table
    const counts = this.#countsFor(row)
    counts.frees++
    const state = table.state[row]!
    if (state & FREE) {
      if (table.freedTime[row]! > this.#firstAlloc || !Number.isFinite(this.#firstAlloc)) {
        counts.unannounced++
        this.#freedAgain(row, event)
      }
    } else if (!this.#isFree(row, event)) {
      this.#forget(row)
      return
    }
    table.free(row, event)
    this.#setFreed(row, true)
  }

  /**
   * Whether the page is surely free now: a hand-out that another CPU stamped just before may have come after, unless it
   * found the page free. So may one before the page was known.
   */
  #isFree(row: number, event: LedgerEvent): boolean {
    if (this.#table.state[row]! & WAS_FREE) return true
    const isNew = this.#table.state[row] === 0 && this.#ledger.pages.takenUp[row]! + 2 * CLOCK_SLACK >= event.time
    return !isNew && isBefore(this.#table.handedOf(row), event)
  }

  /** Given back twice without a hand-out that was announced. */
  #freedAgain(row: number, event: LedgerEvent): void {
    const open = this.#open.get(row)
    this.#open.delete(row)
    // A get on the free page comes first, and this from it.
    if (open?.some(({ kind }) => kind === 'get-on-free-page')) return
    const { pages, pagemaps } = this.#ledger
    const { rule } = pagemaps.list[pages.pagemap[row]!]!
    const isSilent = rule === undefined || rule.handOut === 'none'
    const isUsed = (this.#table.state[row]! & TOUCHED) !== 0
    if (isUsed && !isSilent) return
    // Without any life of the page before, its counts may be no part of the recording.
    if (pages.lastLife[row] === 0 && (pages.bits[row]! & PageBit.OPEN) === 0) return
    this.#suspect('free-twice', row, event, { restsOnAllocs: isSilent || isUsed, isOrdered: true })
  }

  #used(row: number, event: LedgerEvent): void {
    const table = this.#table
    this.#countsFor(row).uses++
    const state = table.state[row]!
    if (state & FREE) {
      const freed = table.freedOf(row)
      if (!isBefore(freed, event) || (isSameTask(freed, event) && !this.#hasLeft(freed.stack, event.stack))) return
      this.#suspect('touch-after-free', row, event, {
        restsOnAllocs: this.#isHandOutSilent(row) || (state & TOUCHED) !== 0,
        isOrdered: true,
      })
    } else if (state & WAS_FREE) this.#usedByFormer(row, event)
  }

  /** Used by the task that gave the page back, which has been handed to another since. */
  #usedByFormer(row: number, event: LedgerEvent): void {
    const { freed, handed } = this.#holders(row)
    if (!isSameTask(freed, event) || isSameTask(handed, event)) return
    if (!isBefore(freed, handed) || !isBefore(handed, event)) return
    // It may use the page for its new owner, or by a reference of its own.
    if (!this.#isInFreePath(freed.stack, event.stack)) return
    if (this.#ledger.lifeEvents(row).some(each => each.pid === event.pid && each.time > freed.time)) return
    this.#suspect('touch-after-free', row, event, { handedOut: handed, isOrdered: true })
  }

  // --- page_ref events ------------------------------------------------------------------------------------------------

  /** Of a page that is free. */
  #seenFree(row: number, event: LedgerEvent): void {
    if (event.val <= 0 || event.op === Op.FREEZE) return
    const { sites, pages, pagemaps } = this.#ledger
    const isNew = event.op === Op.SET && (event.flags === 0 || (sites.traits(event.stack) & StackTrait.INIT) !== 0)
    // Set up anew, or split from a folio that was in use.
    if (isNew || event.op === Op.UNFREEZE) {
      this.#forget(row)
      return
    }
    const table = this.#table
    const { rule } = pagemaps.list[pages.pagemap[row]!]!
    const freed = table.freedOf(row)
    // The core's, late or not: the count of a page that is free is set to what it is.
    if (event.op === Op.SET && rule?.idle === 1 && event.val === 1) {
      if (isSameTask(freed, event)) this.#seenReset(row, event)
      return
    }
    for (const open of this.#open.get(row) ?? []) if (earliest(event) < open.event.time) open.restsOnAllocs = true
    table.state[row]! |= TOUCHED
    const isAfter = isSameTask(freed, event) || freed.time + CLOCK_SLACK < earliest(event)
    const isHandOut = rule?.idle !== 1 && !this.#announces(event)
    // What hands out idle pages at 0 the counts tell, and judge the rest.
    if (isHandOut && event.op === Op.SET) {
      if (this.countsOf(pages.pagemap[row]!).allocs > 0) this.#countsFor(row).unannounced++
      this.#forget(row)
    } else if (isAfter && !isHandOut)
      this.#suspect('get-on-free-page', row, event, { restsOnAllocs: true, isOrdered: true })
  }

  /** Whether that set is by a function which otherwise announces its hand-outs. */
  #announces({ op, signature }: LedgerEvent): boolean {
    return op === Op.SET && this.#announcing.has(this.#ledger.sites.site(signature))
  }

  /** The core sets the count of the page that its own task gave back; without probes of hand-outs only gets tell of one. */
  #seenReset(row: number, event: LedgerEvent): void {
    for (const { kind, event: get } of this.#open.get(row) ?? []) {
      if (kind !== 'get-on-free-page' || isSameTask(get, event)) continue
      const isOrdered = get.time + CLOCK_SLACK < earliest(event)
      if (!isOrdered && get.count !== get.val) continue
      this.#suspect('touch-after-free', row, event, { handedOut: get, isOrdered, restsOnAllocs: false })
      return
    }
  }

  /** Of a page that is handed out: the task that had given it back sets its count. */
  #seenBusy(row: number, event: LedgerEvent): void {
    const { freed, handed } = this.#holders(row)
    if (event.op !== Op.SET) {
      const isFirst = isSameTask(event, handed) && event.val > 0 && event.count === event.val
      if (isFirst && this.#idle(row) === 1) this.#table.state[row]! |= WAS_ZERO
      return
    }
    if (isSameTask(handed, event)) this.#announcing.add(this.#ledger.sites.site(event.signature))
    if (!(this.#table.state[row]! & WAS_FREE)) return
    if (!isSameTask(freed, event) || isSameTask(handed, event) || !isBefore(freed, handed)) return
    const isOrdered = handed.time + CLOCK_SLACK < earliest(event)
    if (!isOrdered && !(this.#table.state[row]! & WAS_ZERO)) return
    this.#suspect('touch-after-free', row, event, { handedOut: handed, isOrdered })
  }

  // --- what both need -------------------------------------------------------------------------------------------------

  suspicion(kind: Suspicion['kind'], row: number, event: LedgerEvent, more: Partial<Suspicion> = {}): Suspicion {
    const { pages } = this.#ledger
    this.#table.reach(row)
    return {
      kind,
      row,
      event,
      since: this.#table.freedTime[row]!,
      freed: this.#table.freedOf(row),
      handedOut: undefined,
      count: pages.count[row]!,
      life: this.#ledger.lifeEvents(row),
      lastLife: this.#ledger.lastLives(row)[0] ?? [],
      restsOnAllocs: false,
      isOrdered: true,
      isWithdrawn: false,
      ...more,
    }
  }

  /** Keeps a suspicion, if there is room. */
  keep(suspicion: Suspicion): void {
    const before = this.#perPage.get(suspicion.row) ?? 0
    if (before >= MAX_PER_PAGE) return
    if (this.suspicions.length >= MAX_SUSPICIONS) {
      this.dropped++
      return
    }
    this.#perPage.set(suspicion.row, before + 1)
    this.suspicions.push(suspicion)
  }

  #suspect(kind: Suspicion['kind'], row: number, event: LedgerEvent, more: Partial<Suspicion>): void {
    const suspicion = this.suspicion(kind, row, event, more)
    this.keep(suspicion)
    if (this.#table.state[row]! & FREE)
      this.#open.set(row, [...(this.#open.get(row) ?? []), suspicion].slice(-MAX_PER_PAGE))
  }

  /** Forgets the state of a page that may have missed something. */
  #keepCurrent(row: number): void {
    const { gaps } = this.#ledger
    if (this.#table.epoch[row] === gaps.epoch && gaps.open === 0) return
    this.#forget(row)
    this.#table.epoch[row] = gaps.epoch
  }

  #forget(row: number): void {
    this.#table.state[row] = 0
    this.#open.delete(row)
    this.#setFreed(row, false)
  }

  #setFreed(row: number, isFreed: boolean): void {
    const { bits } = this.#ledger.pages
    bits[row] = isFreed ? bits[row]! | PageBit.FREED : bits[row]! & ~PageBit.FREED
  }

  #countsFor(row: number): ProbeCounts {
    return (this.#counts[this.#ledger.pages.pagemap[row]!] ??= { ...NONE })
  }

  #holders(row: number): { freed: Stamp; handed: Stamp } {
    return { freed: this.#table.freedOf(row), handed: this.#table.handedOf(row) }
  }

  #idle(row: number): number | undefined {
    return this.#ledger.idleCount(row)
  }

  /** Whether a page of that kind is handed out by nothing that shows in its count. */
  #isHandOutSilent(row: number): boolean {
    const { pages, pagemaps } = this.#ledger
    return (pagemaps.list[pages.pagemap[row]!]!.rule?.handOut ?? 'none') === 'none'
  }

  /** Whether the function that was entered at the first stack is not on the second any more. */
  #hasLeft(first: number, second: number): boolean {
    const { sites } = this.#ledger
    if (!sites.isTelling(first) || !sites.isTelling(second)) return false
    const [entered] = this.#ledger.functions(first)
    return entered !== undefined && !this.#ledger.functions(second).some(name => name === entered)
  }

  /**
   * Whether the task is still in the call that gave the page back: in the function that the first stack entered, or in the
   * core's that called it. A function further out may be in a loop, and have come by the page anew.
   */
  #isInFreePath(first: number, second: number): boolean {
    const { sites } = this.#ledger
    if (!sites.isTelling(first) || !sites.isTelling(second)) return false
    const [freed, used] = [this.#ledger.functions(first), this.#ledger.functions(second)]
    return [0, 1].some(depth => {
      const [name, outer] = [freed[depth], freed.slice(depth + 1)]
      if (name === undefined || outer.length === 0 || (depth > 0 && !FREE_PATH.has(name))) return false
      return used.at(-outer.length - 1) === name && outer.every((each, i) => used.at(i - outer.length) === each)
    })
  }
}
