// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Tracks memunmap_pages() by its probes: which pages each call takes away, who still holds references to them when it returns,
 * and which events come after that.
 */
import { Op } from '../../trace/events.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import { isCountConsistent } from '../track/count-consistency.ts'
import type { LedgerEvent, PageState } from '../track/lifetime-event.ts'
import { canCountReferences, PageBit } from '../track/page-state.ts'
import { NEVER_CLOSES } from '../track/rule-recognition.ts'
import type { CandidateKind } from './candidates.ts'
import type { PageProbes } from './page-probes.ts'
import type { PageView, ProbedTables } from './page-view.ts'
import { earliest, isBefore, type Stamp } from './stamps.ts'

/** Most calls kept, and most pages kept with each call. */
const MAX_CALLS = 1000
const MAX_HELD = 16

/** Bits that say how far memunmap_pages() has come with a page. */
const CALLED = PageBit.unmapping | PageBit.unmapped

/** A page that was in use when memunmap_pages() had returned. */
export interface HeldPage {
  state: PageState
  /** The hand-out of the page, where its count does not show that it is in use; undefined otherwise. */
  handedOut: Stamp | undefined
  /** The first event that surely came after the return; undefined if there was none. */
  late: LedgerEvent | undefined
}

/** One call of memunmap_pages(). */
export interface UnmapCall {
  entered: LedgerEvent
  returned: LedgerEvent | undefined
  firstPfn: number
  /** Number of pages; 0 where the range is not known. */
  pages: number
  /** Value of `Gaps.epoch` when it was entered. */
  epoch: number
  /** True if it has returned, shown not by its own probe but because its task went on, or the range was mapped again. */
  isOver: boolean
  isRemapped: boolean
  held: HeldPage[]
  /** Number of held pages, and of references to them, including those that are not kept. */
  heldPages: number
  heldReferences: number
  /** Number of pages handed out since it was entered; the first one is kept as a candidate. */
  handedOut: number
  /** Number of events after its return on pages that were not held; the first one is kept as a candidate. */
  late: number
}

export class UnmapTracker {
  readonly list: UnmapCall[] = []
  dropped = 0
  readonly #tables: ProbedTables
  readonly #view: PageView
  readonly #probes: PageProbes
  readonly #waiting = new Map<number, UnmapCall>()
  /** Pages whose state at the return of memunmap_pages() is known. */
  readonly #looked = new Set<number>()

  constructor(tables: ProbedTables, view: PageView, probes: PageProbes) {
    this.#tables = tables
    this.#view = view
    this.#probes = probes
  }

  /** Notes that memunmap_pages() is entered. */
  enter(entered: LedgerEvent, firstPfn: number): void {
    const before = this.#waiting.get(entered.pid)
    if (before) before.isOver = true
    this.#waiting.delete(entered.pid)
    if (this.list.length >= MAX_CALLS) {
      this.dropped++
      return
    }
    const range = entered.val > 0 ? { firstPfn, pages: entered.val } : this.#onlyRange()
    const call: UnmapCall = {
      entered,
      returned: undefined,
      ...range,
      epoch: this.#tables.gaps.epoch,
      isOver: false,
      isRemapped: false,
      held: [],
      heldPages: 0,
      heldReferences: 0,
      handedOut: 0,
      late: 0,
    }
    this.list.push(call)
    this.#waiting.set(entered.pid, call)
    this.#mark(call, PageBit.unmapping)
  }

  /** Notes that the memunmap_pages() which this task entered has returned. */
  leave(returned: LedgerEvent): void {
    const call = this.#waiting.get(returned.pid)
    if (!call) return
    this.#waiting.delete(returned.pid)
    call.returned = returned
    this.#mark(call, PageBit.unmapped)
  }

  /** Notes an action of a task, by a probe: it may show that the task has left memunmap_pages(). */
  act(pid: number, time: number, stack: number): void {
    const call = this.#waiting.get(pid)
    if (!call || time === call.entered.time || this.#tables.sites.traits(stack) & StackTrait.TEARDOWN) return
    call.isOver = true
  }

  /** Returns the state bits of a page that is seen for the first time. */
  bitsOf(pfn: number): number {
    const call = this.#current(pfn)
    if (!call || call.isRemapped) return 0
    return call.returned ? PageBit.unmapped : PageBit.unmapping
  }

  /** Takes in a probe of a page. */
  probed(row: number, event: LedgerEvent): void {
    const call = this.#known(row)
    if (!call) return
    const { returned } = call
    if (event.op === Op.PAGE_ALLOC) {
      // In a DAX fault the file system hands out blocks of a file, which memunmap_pages() does not prevent.
      const isFiles = (this.#tables.sites.traits(event.stack) & StackTrait.DAX_FAULT) !== 0
      if (!isFiles && isBefore(call.entered, event, this.#tables.order)) this.#handedOut(call, row, event)
    } else if (returned && isBefore(returned, event, this.#tables.order)) {
      // A call that finds the pagemap dying gives back the page that it had just taken from the pool: no fault.
      if (event.op !== Op.PAGE_FREE || !this.#probes.isUndone(row, event)) this.#tooLate(call, row, event)
    }
  }

  /** Takes in a page_ref event of a page, before it is applied. */
  seen(row: number, event: LedgerEvent): void {
    const call = this.#known(row)
    if (!call) return
    const { sites, pages, pagemaps } = this.#tables
    const { entered, returned } = call
    if (event.op === Op.SET) {
      // If no function on the stack has a name, the set may be an initialisation by memremap_pages().
      if (!sites.isTelling(event.stack)) pages.bits[row]! &= ~CALLED
      if (!sites.isTelling(event.stack) || sites.traits(event.stack) & StackTrait.INIT) return
    }
    if (returned) {
      if (returned.time + this.#tables.order.slack < earliest(event, this.#tables.order))
        this.#tooLate(call, row, event)
      return
    }
    const pagemap = pages.pagemap[row]!
    const isHandOut = event.op === Op.SET && event.val > 0 && pages.count[row] === 0
    const isSilent = pagemaps.list[pagemap]!.rule?.handOut !== 'set' || this.#probes.countsOf(pagemap).allocs > 0
    if (!isHandOut || isSilent || entered.time + this.#tables.order.slack >= earliest(event, this.#tables.order)) return
    this.#handedOut(call, row, event)
  }

  /** Notes that the page is set up anew, so memunmap_pages() has returned. */
  remapped(row: number, time: number): void {
    const { pages } = this.#tables
    const call = this.#current(pages.pfn[row]!)
    if (!call) return
    if (pages.bits[row]! & PageBit.unmapped && time - call.returned!.time > this.#tables.order.window)
      this.#look(call, row)
    call.isOver = true
    call.isRemapped = true
    this.#looked.delete(row)
    if (this.#waiting.get(call.entered.pid) === call) this.#waiting.delete(call.entered.pid)
  }

  /** Looks at the pages that had no event since memunmap_pages() returned. @param end time at which the recording ends */
  finish(end: number): void {
    const { pages } = this.#tables
    if (this.list.length === 0) return
    for (let row = 0; row < pages.length; row++) {
      if (!(pages.bits[row]! & PageBit.unmapped)) continue
      const call = this.#current(pages.pfn[row]!)
      if (call?.returned && end - call.returned.time > this.#tables.order.window) this.#look(call, row)
    }
  }

  /** Returns the calls that have not returned, as far as the recording shows. */
  waiting(): UnmapCall[] {
    const { gaps, tasks, sites } = this.#tables
    return [...this.#waiting.values()].filter(({ entered, isOver, epoch }) => {
      if (isOver || epoch !== gaps.epoch || gaps.open > 0) return false
      if (tasks.lastTimeOf(entered.pid) <= entered.time) return true
      const stack = tasks.lastStackOf(entered.pid)
      return sites.isTelling(stack) && (sites.traits(stack) & StackTrait.TEARDOWN) !== 0
    })
  }

  /** True if any call is known to have returned; if none is, returns may not have been recorded at all. */
  get anyReturned(): boolean {
    return this.list.some(({ returned }) => returned !== undefined)
  }

  #handedOut(call: UnmapCall, row: number, event: LedgerEvent): void {
    if (call.returned && !this.#showsMapping(row)) return
    if (call.handedOut++ === 0) this.#keep('alloc-after-kill', row, event, call)
  }

  #tooLate(call: UnmapCall, row: number, event: LedgerEvent): void {
    const held = this.#look(call, row)
    if (held) held.late ??= event
    else if (this.#looked.has(row) && this.#showsMapping(row) && call.late++ === 0)
      this.#keep('pagemap-gone', row, event, call)
  }

  #keep(kind: CandidateKind, row: number, event: LedgerEvent, { entered }: UnmapCall): void {
    this.#probes.candidates.keep(this.#probes.candidate(kind, row, event, { since: entered.time }))
  }

  /** True if the recording would show that the range was mapped again. */
  #showsMapping(row: number): boolean {
    const { pages, pagemaps } = this.#tables
    const { initialised, votes } = pagemaps.list[pages.pagemap[row]!]!
    return initialised || votes.setAtZero > 0 || votes.coreReset > 0
  }

  /**
   * Checks, once for each call, whether a page is in use. Returns what is kept of the page; undefined if it is not in use or not
   * kept.
   */
  #look(call: UnmapCall, row: number): HeldPage | undefined {
    if (this.#looked.has(row)) return call.held.find(({ state }) => state.row === row)
    this.#looked.add(row)
    const references = this.#references(row)
    if (references === 0) return undefined
    call.heldPages++
    call.heldReferences += references
    if (call.held.length >= MAX_HELD) return undefined
    // The count is that of an idle page, so it does not tell who holds the page.
    const isSilent = this.#tables.pages.count[row]! <= (this.#view.idleCount(row) ?? 0)
    const handedOut = isSilent ? this.#probes.handedOut(row) : undefined
    const held = { state: this.#view.stateOf(row), handedOut, late: undefined }
    call.held.push(held)
    return held
  }

  /** Returns the number of references to a page that are surely out. */
  #references(row: number): number {
    const { pages, gaps } = this.#tables
    if (!canCountReferences(pages.bits[row]!) || pages.epoch[row] !== gaps.epoch || gaps.open > 0) return 0
    return Math.max(this.#countedReferences(row), this.#isMapped(row) ? 1 : 0)
  }

  #countedReferences(row: number): number {
    const { pages, pagemaps } = this.#tables
    const idle = this.#view.idleCount(row)
    if (!(pages.bits[row]! & PageBit.open) || idle === undefined) return 0
    if (!isCountConsistent(this.#tables.order, this.#tables.pages, row, this.#view.lifeEvents(row))) return 0
    const { closesAt } = pagemaps.list[pages.pagemap[row]!]!
    // Where the core resets the count, a page in use may have the count of an idle one.
    const isInUse = closesAt === NEVER_CLOSES && this.#probes.isBusy(row)
    return Math.max(0, pages.count[row]! - (isInUse ? 0 : idle))
  }

  /** True if a page that was handed out is mapped by a page table. */
  #isMapped(row: number): boolean {
    return this.#probes.isBusy(row) && this.#view.isMapped(row)
  }

  #known(row: number): UnmapCall | undefined {
    const { pages, gaps } = this.#tables
    if (!(pages.bits[row]! & CALLED)) return undefined
    const call = this.#current(pages.pfn[row]!)
    return !call || call.isRemapped || call.epoch !== gaps.epoch || gaps.open > 0 ? undefined : call
  }

  /** Returns the latest call whose range has that page; undefined if there is none. */
  #current(pfn: number): UnmapCall | undefined {
    return this.list.findLast(({ firstPfn, pages }) => pfn >= firstPfn && pfn < firstPfn + pages)
  }

  /** Returns the range of the only pagemap, for a probe that does not tell the range of its call. */
  #onlyRange(): { firstPfn: number; pages: number } {
    const maps = this.#tables.pagemaps.list.filter(({ device, pages }) => device && pages > 0)
    const [only] = maps
    if (maps.length !== 1) return { firstPfn: 0, pages: 0 }
    return { firstPfn: only!.firstPfn, pages: only!.lastPfn - only!.firstPfn + 1 }
  }

  #mark({ firstPfn, pages: length }: UnmapCall, bit: number): void {
    const { pages } = this.#tables
    const mark = (row: number) => {
      pages.bits[row] = (pages.bits[row]! & ~CALLED) | bit
      this.#looked.delete(row)
    }
    if (length < pages.length) {
      for (let pfn = firstPfn; pfn < firstPfn + length; pfn++) {
        const row = pages.find(pfn)
        if (row >= 0) mark(row)
      }
      return
    }
    for (let row = 0; row < pages.length; row++)
      if (pages.pfn[row]! >= firstPfn && pages.pfn[row]! < firstPfn + length) mark(row)
  }
}
