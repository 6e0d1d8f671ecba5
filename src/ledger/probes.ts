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

const { FREE, BUSY, TOUCHED, WAS_ZERO, WAS_FREE, SILENT, WAS_PUT, UNANNOUNCED } = ProbeState

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

/** State bits of a page whose last event is not known. */
const UNFOLLOWED = PageBit.LOSSY | PageBit.DOUBT | PageBit.FROZEN | PageBit.SETTLING | PageBit.ACCUSED

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
  /** The last suspicions of each page: stamps of other CPUs may still explain them. */
  readonly #recent = new Map<number, Suspicion[]>()
  readonly #perPage = new Map<number, number>()
  /** Sites of what new owners first did to the count after an announced hand-out. */
  readonly #announcing = new Set<number>()
  /** Time of the first hand-out that was announced: before it the absence of one says nothing. */
  firstAlloc = Infinity

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

  /** Whether the page was handed to that task before, and not given back in between. */
  isOwner(row: number, event: Stamp): boolean {
    if (row >= this.#table.state.length) return false
    const { freed, handed } = this.#holders(row)
    if (handed.time === 0 || !isSameTask(handed, event) || handed.time > event.time) return false
    return freed.time > event.time || !isBefore(handed, freed)
  }

  /** When the page was handed out last; undefined if it is not known to be. */
  handedOut(row: number): Stamp | undefined {
    return this.isBusy(row) ? this.#table.handedOf(row) : undefined
  }

  /** Whether a return undoes the hand-out before it: one call took the page and gave it back. */
  isUndone(row: number, returned: Stamp): boolean {
    const { handed } = this.#holders(row)
    const [[, ...taking], [, ...returning]] = [
      this.#ledger.functions(handed.stack),
      this.#ledger.functions(returned.stack),
    ]
    const isSameCall = taking.length > 0 && taking.join() === returning.join()
    return handed.time > 0 && isSameTask(handed, returned) && isSameCall
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
    else if (op === Op.PAGE_FREE) {
      this.#freed(row, event)
      this.#freedInUse(row, event)
    } else this.#used(row, event)
    this.teardowns.probed(row, event)
  }

  /** Shows a page_ref event in the order of stamps, before it is applied. */
  seen(row: number, event: LedgerEvent): void {
    this.teardowns.seen(row, event)
    if (row >= this.#table.state.length) return
    this.#keepCurrent(row)
    if (event.op === Op.SET && this.#seenLateSet(row, event)) return
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
    this.#countsFor(row).allocs++
    this.firstAlloc = Math.min(this.firstAlloc, event.time)
    this.#open.delete(row)
    const isPlaced = this.#isPlaced(row, event)
    this.#table.handOut(row, event)
    if (!isPlaced) {
      this.#forget(row)
      return
    }
    // The first event after it is to be seen.
    this.#setFreed(row, true)
  }

  #freed(row: number, event: LedgerEvent): void {
    const table = this.#table
    const counts = this.#countsFor(row)
    counts.frees++
    const isSuspect = this.#open.has(row)
    // It was in use meanwhile: rather a hand-out that nobody announced than a fault.
    this.#withdraw(row)
    if (!this.#isPlaced(row, event)) {
      table.free(row, event)
      this.#forget(row)
      return
    }
    const isKnown = table.freedTime[row]! > this.firstAlloc || this.firstAlloc === Infinity
    const isAgain = (table.state[row]! & FREE) !== 0 && isKnown
    if (isAgain) {
      counts.unannounced++
      if (!isSuspect) this.#freedAgain(row, event)
    }
    table.free(row, event)
    if (isAgain) table.state[row]! |= UNANNOUNCED
    this.#setFreed(row, true)
  }

  /** Given back though the page table that maps it, its new owner, or whom memunmap_pages() passes over has a reference. */
  #freedInUse(row: number, event: LedgerEvent): void {
    const { pages, sites } = this.#ledger
    const { bits, count, lastPid } = pages
    const idle = this.#ledger.idleCount(row)
    if (bits[row]! & UNFOLLOWED) return
    const isMapped = (bits[row]! & PageBit.PENDING) === 0 && this.#ledger.isMapped(row)
    // memunmap_pages() puts its own reference, whoever has others.
    const isTeardown = (sites.traits(event.stack) & StackTrait.TEARDOWN) !== 0 && (bits[row]! & PageBit.UNMAPPED) !== 0
    const isLeft = isTeardown && (bits[row]! & PageBit.OPEN) !== 0 && count[row]! > 0
    const isIdle = idle !== undefined && count[row]! <= idle && lastPid[row] === event.pid
    if (!(isMapped && (isLeft || isIdle)) && !(isIdle && this.#isTaken(row, event))) return
    this.#suspect('freed-in-use', row, event, { since: event.time, isOrdered: isMapped })
  }

  /** Whether somebody to whom the page was handed took a reference after the last put and before its page_free(). */
  #isTaken(row: number, event: LedgerEvent): boolean {
    const put = this.#ledger.lastLives(row)[0]?.at(-1)
    if (put?.pid !== event.pid) return false
    return this.#ledger.waiting(row).some(get => {
      const isBetween = put.time + CLOCK_SLACK < earliest(get) && get.time + CLOCK_SLACK < event.time
      return get.val > 0 && isBetween && !isSameTask(get, event) && this.isOwner(row, get)
    })
  }

  /**
   * Whether a hand-out or return surely came after all that are known of the page. If not, nothing is known of the page any
   * more, and what was suspected by stamps as near says nothing. The page itself may be known only since a moment ago.
   */
  #isPlaced(row: number, event: LedgerEvent): boolean {
    const isNear = (stamp: Stamp | undefined) => stamp !== undefined && stamp.time > 0 && !isBefore(stamp, event)
    for (const suspicion of this.#recent.get(row) ?? [])
      if (isNear(suspicion.event) || isNear(suspicion.freed) || isNear(suspicion.handedOut))
        suspicion.isWithdrawn = true
    const isNew = this.#table.state[row] === 0 && this.#ledger.pages.takenUp[row]! + 2 * CLOCK_SLACK >= event.time
    if (this.#table.note(row, event.cpu, event.time) && !isNew) return true
    // Neither is it known how the time before it ended.
    if (this.#table.state[row]! & UNANNOUNCED) this.#countsFor(row).unannounced--
    for (const suspicion of this.#recent.get(row) ?? [])
      if (suspicion.restsOnAllocs && suspicion.freed.time === this.#table.freedTime[row]) suspicion.isWithdrawn = true
    this.#forget(row)
    return false
  }

  /** Given back twice without a hand-out that was announced. */
  #freedAgain(row: number, event: LedgerEvent): void {
    const { pages } = this.#ledger
    const state = this.#table.state[row]!
    // Without any life of the page before, its counts may be no part of the recording.
    if (pages.lastLife[row] === 0 && (pages.bits[row]! & PageBit.OPEN) === 0) return
    // Every life ends with a put, and most begin with what changes the count.
    if (state & (TOUCHED | SILENT | WAS_PUT)) return
    const isSilent = this.#isHandOutSilent(row)
    if (!this.#isAnnounced(row)) {
      const isLong = event.time - this.#table.freedTime[row]! > 2 * CLOCK_SLACK
      if (isSilent || !isLong) return
    }
    this.#suspect('free-twice', row, event, { restsOnAllocs: isSilent })
  }

  #used(row: number, event: LedgerEvent): void {
    const table = this.#table
    this.#countsFor(row).uses++
    const state = table.state[row]!
    if (state & FREE) {
      const freed = table.freedOf(row)
      if (
        state & SILENT ||
        !isBefore(freed, event) ||
        (isSameTask(freed, event) && !this.#hasLeft(freed.stack, event.stack))
      )
        return
      this.#suspect('touch-after-free', row, event, {
        restsOnAllocs: this.#isAnnounced(row) || this.#isHandOutSilent(row) || (state & TOUCHED) !== 0,
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
    const isTeardown = (this.#ledger.sites.traits(event.stack) & StackTrait.TEARDOWN) !== 0
    if (event.val < 0 && !isTeardown) this.#table.state[row]! |= WAS_PUT
    if (event.val <= 0 || event.op === Op.FREEZE || this.#table.state[row]! & SILENT) return
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
    const isAnnouncing = this.#announcing.has(this.#ledger.sites.site(event.signature))
    // A set hands out, unless its function announces that; so does a get at 1 that new owners begin with. At 0 the counts tell.
    const isSet = event.op === Op.SET
    const isHandOut = isSet ? !isAnnouncing || !sites.isTelling(event.stack) : rule?.idle !== 1 || isAnnouncing
    if (isHandOut && (isSet || (isAnnouncing && isAfter))) {
      table.state[row]! |= SILENT
    } else if (isAfter && !isHandOut)
      this.#suspect('get-on-free-page', row, event, { restsOnAllocs: true, isOrdered: true })
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

  /**
   * The core's set on a page whose new owner is known to have found the count at 0: it waits for an explanation, and the set
   * came after it, however near the stamps are.
   */
  #seenLateSet(row: number, event: LedgerEvent): boolean {
    const { pages } = this.#ledger
    const { freed, handed } = this.#holders(row)
    if (event.val !== 1 || this.#idle(row) !== 1 || pages.count[row] !== 0) return false
    if (!isSameTask(freed, event) || pages.lastPid[row] !== event.pid || isSameTask(handed, event)) return false
    const isZero = this.#ledger
      .waiting(row)
      .some(get => get.val > 0 && get.count === get.val && isSameTask(get, handed) && get.time >= handed.time)
    if (!isZero || handed.time + 2 * CLOCK_SLACK < freed.time) return false
    const isOrdered = handed.time + CLOCK_SLACK < earliest(event)
    this.#suspect('touch-after-free', row, event, { handedOut: handed, isOrdered })
    return true
  }

  /** Of a page that is handed out: the task that had given it back sets its count. */
  #seenBusy(row: number, event: LedgerEvent): void {
    const { freed, handed } = this.#holders(row)
    if (event.val > 0) this.#setFreed(row, false)
    if (event.val > 0 && isSameTask(handed, event)) this.#announcing.add(this.#ledger.sites.site(event.signature))
    if (event.op !== Op.SET) {
      const isFirst = isSameTask(event, handed) && event.val > 0 && event.count === event.val
      if (isFirst && this.#idle(row) === 1) this.#table.state[row]! |= WAS_ZERO
      return
    }
    if (!(this.#table.state[row]! & WAS_FREE)) return
    if (!isSameTask(freed, event) || isSameTask(handed, event) || !isBefore(freed, handed)) return
    // A set before page_free(), that of a put which the same task made since.
    if (this.#hasPut(row, event, handed)) return
    const isOrdered = handed.time + CLOCK_SLACK < earliest(event)
    if (!isOrdered && !(this.#table.state[row]! & WAS_ZERO)) return
    this.#suspect('touch-after-free', row, event, { handedOut: handed, isOrdered })
  }

  /** Whether the task put a reference of the page after that time. */
  #hasPut(row: number, task: Stamp, { time }: Stamp): boolean {
    const events = [...(this.#ledger.lastLives(row)[0] ?? []), ...this.#ledger.lifeEvents(row)]
    return events.some(each => each.delta < 0 && each.time > time && isSameTask(each, task))
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
      idle: this.#ledger.idleCount(row),
      life: this.#ledger.lifeEvents(row),
      lastLife: this.#ledger.lastLives(row)[0] ?? [],
      restsOnAllocs: false,
      isOrdered: true,
      isWithdrawn: false,
      ...more,
    }
  }

  /** Keeps a suspicion, if there is room; whether there was. */
  keep(suspicion: Suspicion): boolean {
    const before = this.#perPage.get(suspicion.row) ?? 0
    if (before >= MAX_PER_PAGE) return false
    if (this.suspicions.length >= MAX_SUSPICIONS) {
      this.dropped++
      return false
    }
    this.#perPage.set(suspicion.row, before + 1)
    this.suspicions.push(suspicion)
    return true
  }

  #suspect(kind: Suspicion['kind'], row: number, event: LedgerEvent, more: Partial<Suspicion>): void {
    const suspicion = this.suspicion(kind, row, event, more)
    if (!this.keep(suspicion)) return
    this.#recent.set(row, [...(this.#recent.get(row) ?? []), suspicion])
    if (this.#table.state[row]! & FREE) this.#open.set(row, [...(this.#open.get(row) ?? []), suspicion])
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
    this.#withdraw(row)
    this.#setFreed(row, false)
  }

  /** The page is free no more, and no hand-out was announced. */
  #withdraw(row: number): void {
    for (const suspicion of this.#open.get(row) ?? []) if (suspicion.restsOnAllocs) suspicion.isWithdrawn = true
    this.#open.delete(row)
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

  #isAnnounced(row: number): boolean {
    return this.countsOf(this.#ledger.pages.pagemap[row]!).allocs > 0
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
