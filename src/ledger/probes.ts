// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What probes say of a page beside its count: when its driver had it back, when it was handed out, who used it. A probe is
 * stamped before what it announces, so between stamps of a page's probes there is no doubt but that of the CPUs' clocks; an
 * operation on the count came at some time between the stamp before it and its own.
 *
 * What looks wrong is kept as a suspicion: whether the probes are where they belong is known only at the end.
 */
import { type EventBatch, isProbe, Op } from '../trace/events.ts'
import type { ProbeKind } from './findings.ts'
import type { Ledger } from './ledger.ts'
import type { LedgerEvent, LifeEvent } from './life.ts'
import { CLOCK_SLACK, ORDER_WINDOW } from './order.ts'
import { PageBit } from './pages.ts'
import { ProbeState, ProbeTable, type Stamp } from './probe-table.ts'
import { Teardowns } from './teardowns.ts'

const { FREE, BUSY, TOUCHED, WAS_ZERO, WAS_FREE } = ProbeState

/** Suspicions kept, and kept of one page. */
const MAX_SUSPICIONS = 10_000
const MAX_PER_PAGE = 4

/** Something that probes show and no order allows, if the probes are where they belong. */
export interface Suspicion {
  kind: ProbeKind | 'get-on-free-page'
  row: number
  /** What gave it away. */
  event: LedgerEvent
  /** Since when all events must be known. */
  since: number
  /** When the page was given back before. */
  freed: Stamp
  /** When it was handed out since then, to another task. */
  handedOut: Stamp | undefined
  /** Count and events of the open life at that moment, and those of the life before. */
  count: number
  life: LifeEvent[]
  lastLife: LifeEvent[]
  /** Whether it would be nothing if a hand-out had come without a probe. */
  restsOnAllocs: boolean
  /** Whether the order is beyond doubt; otherwise the counts read speak for it. */
  isOrdered: boolean
  /** A later probe explained it. */
  isWithdrawn: boolean
}

/** What was seen of the probes of one pagemap. */
export interface ProbeCounts {
  /** Hand-outs that were announced, and that seem to have come without. */
  allocs: number
  unannounced: number
  frees: number
  uses: number
}

const NONE: ProbeCounts = { allocs: 0, unannounced: 0, frees: 0, uses: 0 }

export class Probes {
  readonly teardowns: Teardowns
  readonly suspicions: Suspicion[] = []
  /** Suspicions that found no room. */
  dropped = 0
  /** Probes by `Op`, and in all. */
  readonly byOp: number[] = []
  count = 0
  readonly #ledger: Ledger
  readonly #table = new ProbeTable()
  readonly #counts: ProbeCounts[] = []
  /** Suspicions of pages that were not handed out since. */
  readonly #open = new Map<number, Suspicion[]>()
  readonly #perPage = new Map<number, number>()
  /** Sites of the sets that came with an announced hand-out. */
  readonly #announcing = new Set<number>()
  #firstAlloc = Infinity

  constructor(ledger: Ledger) {
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
    const isFollowed = pages.lastLife[row] !== 0 && (isSilent || (pages.bits[row]! & PageBit.OPEN) === 0)
    if (!isFollowed) return
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
    if (!this.#isSameCall(freed.stack, event.stack)) return
    if (this.#ledger.lifeEvents(row).some(each => each.pid === event.pid && each.time > freed.time)) return
    this.#suspect('touch-after-free', row, event, { handedOut: handed, isOrdered: true })
  }

  // --- page_ref events ------------------------------------------------------------------------------------------------

  /** Of a page that is free. */
  #seenFree(row: number, event: LedgerEvent): void {
    if (event.val <= 0 || event.op === Op.FREEZE) return
    if (event.op === Op.UNFREEZE) {
      // A page of a folio that was split while in use.
      this.#forget(row)
      return
    }
    const table = this.#table
    const { pages, pagemaps } = this.#ledger
    const { rule } = pagemaps.list[pages.pagemap[row]!]!
    const freed = table.freedOf(row)
    if (event.op === Op.SET && isSameTask(freed, event) && rule?.handOut !== 'set') {
      this.#seenReset(row, event)
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

  /** Whether the second stack is that of a function of the first one, called from the same place. */
  #isSameCall(first: number, second: number): boolean {
    const { sites } = this.#ledger
    if (!sites.isTelling(first) || !sites.isTelling(second)) return false
    const [outer, inner] = [this.#ledger.functions(first), this.#ledger.functions(second)]
    let same = 0
    while (same < inner.length && same < outer.length && inner.at(-1 - same) === outer.at(-1 - same)) same++
    return same > 1 && same >= inner.length - 2
  }
}

/** One task; there is an idle task 0 for each CPU. */
function isSameTask(a: Stamp, b: Stamp): boolean {
  return a.pid === b.pid && (a.pid > 0 || a.cpu === b.cpu)
}

/** Whether the first stamp is surely the earlier one: those of one CPU or one task are in order. */
export function isBefore(first: Stamp, second: Stamp): boolean {
  const slack = first.cpu === second.cpu || isSameTask(first, second) ? 0 : CLOCK_SLACK
  return first.time + slack < second.time || (slack === 0 && first.time === second.time)
}

/** Time after which the operation of a page_ref event surely came. */
export function earliest({ time, since }: LedgerEvent): number {
  return Math.max(since, time - ORDER_WINDOW)
}
