// SPDX-License-Identifier: GPL-2.0-or-later
/** memunmap_pages() by its probes: which pages it takes away, who still has references to them, and who comes too late. */
import { Op } from '../trace/events.ts'
import { isFollowed } from './followed.ts'
import { StackTrait } from './frames.ts'
import type { LedgerEvent, PageState } from './life.ts'
import { CLOCK_SLACK, ORDER_WINDOW } from './order.ts'
import type { PageView } from './page-view.ts'
import { NEVER_CLOSES } from './pagemaps.ts'
import { PageBit } from './pages.ts'
import { earliest, isBefore, type Stamp } from './stamps.ts'
import type { ProbeCounts, Suspicion } from './suspicions.ts'

/** Calls that are kept, and pages that each is kept with. */
const MAX_TEARDOWNS = 1000
const MAX_HELD = 16

/** What is known of pages by their own probes. */
export interface PageProbes {
  countsOf(pagemap: number): ProbeCounts
  isBusy(row: number): boolean
  handedOut(row: number): Stamp | undefined
  isUndone(row: number, returned: Stamp): boolean
  suspicion(kind: Suspicion['kind'], row: number, event: LedgerEvent, more: Partial<Suspicion>): Suspicion
  keep(suspicion: Suspicion): boolean
}

/** A page that was in use when memunmap_pages() had returned. */
export interface HeldPage {
  state: PageState
  /** Whom it was handed, where its count does not show that it is in use. */
  handedOut: Stamp | undefined
  /** The first event that surely came after the return; undefined if there was none. */
  late: LedgerEvent | undefined
}

export interface Teardown {
  entered: LedgerEvent
  returned: LedgerEvent | undefined
  firstPfn: number
  /** 0 where the range is not known. */
  pages: number
  /** Gap edges that had passed when it was entered. */
  epoch: number
  /** It has returned, as something else shows: its task went on, or the range was mapped again. */
  isOver: boolean
  isRemapped: boolean
  held: HeldPage[]
  /** Held pages and references, with those that are not kept. */
  heldPages: number
  heldReferences: number
  /** Pages handed out since it was entered, the first of them kept as a suspicion. */
  handedOut: number
  /** Events that came too late, likewise, of pages that were not held. */
  late: number
}

export class Teardowns {
  readonly list: Teardown[] = []
  dropped = 0
  readonly #ledger: PageView
  readonly #probes: PageProbes
  readonly #waiting = new Map<number, Teardown>()
  /** Pages whose state at the return of their pagemap's end is known. */
  readonly #looked = new Set<number>()

  constructor(ledger: PageView, probes: PageProbes) {
    this.#ledger = ledger
    this.#probes = probes
  }

  /** memunmap_pages() is entered. */
  enter(entered: LedgerEvent, firstPfn: number): void {
    const before = this.#waiting.get(entered.pid)
    if (before) before.isOver = true
    this.#waiting.delete(entered.pid)
    if (this.list.length >= MAX_TEARDOWNS) {
      this.dropped++
      return
    }
    const range = entered.val > 0 ? { firstPfn, pages: entered.val } : this.#onlyRange()
    const teardown: Teardown = {
      entered,
      returned: undefined,
      ...range,
      epoch: this.#ledger.gaps.epoch,
      isOver: false,
      isRemapped: false,
      held: [],
      heldPages: 0,
      heldReferences: 0,
      handedOut: 0,
      late: 0,
    }
    this.list.push(teardown)
    this.#waiting.set(entered.pid, teardown)
    this.#mark(teardown, PageBit.KILLED)
  }

  /** The memunmap_pages() that this task entered has returned. */
  leave(returned: LedgerEvent): void {
    const teardown = this.#waiting.get(returned.pid)
    if (!teardown) return
    this.#waiting.delete(returned.pid)
    teardown.returned = returned
    this.#mark(teardown, PageBit.GONE)
  }

  /** A task does something that a probe tells of. */
  act(pid: number, time: number, stack: number): void {
    const teardown = this.#waiting.get(pid)
    if (!teardown || time === teardown.entered.time || this.#ledger.sites.traits(stack) & StackTrait.TEARDOWN) return
    teardown.isOver = true
  }

  /** Bits of a page that is seen for the first time. */
  bitsOf(pfn: number): number {
    const teardown = this.#current(pfn)
    if (!teardown || teardown.isRemapped) return 0
    return teardown.returned ? PageBit.GONE : PageBit.KILLED
  }

  /** A probe of a page. */
  probed(row: number, event: LedgerEvent): void {
    const teardown = this.#known(row)
    if (!teardown) return
    const { returned } = teardown
    if (event.op === Op.PAGE_ALLOC) {
      // Blocks of a file are the file system's to hand out.
      const isFiles = (this.#ledger.sites.traits(event.stack) & StackTrait.DAX_FAULT) !== 0
      if (!isFiles && isBefore(teardown.entered, event)) this.#handedOut(teardown, row, event)
    } else if (returned && isBefore(returned, event)) {
      // What found the pagemap dying gives back what it had just taken from the pool.
      if (event.op !== Op.PAGE_FREE || !this.#probes.isUndone(row, event)) this.#tooLate(teardown, row, event)
    }
  }

  /** A page_ref event of a page, before it is applied. */
  seen(row: number, event: LedgerEvent): void {
    const teardown = this.#known(row)
    if (!teardown) return
    const { sites, pages, pagemaps } = this.#ledger
    const { entered, returned } = teardown
    if (event.op === Op.SET) {
      // Without a name on its stack, a set may be that of memremap_pages().
      if (!sites.isTelling(event.stack)) pages.bits[row]! &= ~(PageBit.GONE | PageBit.KILLED)
      if (!sites.isTelling(event.stack) || sites.traits(event.stack) & StackTrait.INIT) return
    }
    if (returned) {
      if (returned.time + CLOCK_SLACK < earliest(event)) this.#tooLate(teardown, row, event)
      return
    }
    const pagemap = pages.pagemap[row]!
    const isHandOut = event.op === Op.SET && event.val > 0 && pages.count[row] === 0
    const isSilent = pagemaps.list[pagemap]!.rule?.handOut !== 'set' || this.#probes.countsOf(pagemap).allocs > 0
    if (!isHandOut || isSilent || entered.time + CLOCK_SLACK >= earliest(event)) return
    this.#handedOut(teardown, row, event)
  }

  /** The page is set up anew, so memunmap_pages() has returned. */
  remapped(row: number, time: number): void {
    const { pages } = this.#ledger
    const teardown = this.#current(pages.pfn[row]!)
    if (!teardown) return
    if (pages.bits[row]! & PageBit.GONE && time - teardown.returned!.time > ORDER_WINDOW) this.#look(teardown, row)
    teardown.isOver = true
    teardown.isRemapped = true
    this.#looked.delete(row)
    if (this.#waiting.get(teardown.entered.pid) === teardown) this.#waiting.delete(teardown.entered.pid)
  }

  /** Looks at what nobody touched since. @param end of the recording */
  finish(end: number): void {
    const { pages } = this.#ledger
    if (this.list.length === 0) return
    for (let row = 0; row < pages.length; row++) {
      if (!(pages.bits[row]! & PageBit.GONE)) continue
      const teardown = this.#current(pages.pfn[row]!)
      if (teardown?.returned && end - teardown.returned.time > ORDER_WINDOW) this.#look(teardown, row)
    }
  }

  /** Calls that have not returned, as far as the recording shows. */
  waiting(): Teardown[] {
    const { gaps, tasks, sites } = this.#ledger
    return [...this.#waiting.values()].filter(({ entered, isOver, epoch }) => {
      if (isOver || epoch !== gaps.epoch || gaps.open > 0) return false
      if (tasks.lastTimeOf(entered.pid) <= entered.time) return true
      const stack = tasks.lastStackOf(entered.pid)
      return sites.isTelling(stack) && (sites.traits(stack) & StackTrait.TEARDOWN) !== 0
    })
  }

  /** Whether any call is known to have returned: else nobody recorded that. */
  get anyReturned(): boolean {
    return this.list.some(({ returned }) => returned !== undefined)
  }

  #handedOut(teardown: Teardown, row: number, event: LedgerEvent): void {
    if (teardown.returned && !this.#showsMapping(row)) return
    if (teardown.handedOut++ === 0)
      this.#probes.keep(this.#probes.suspicion('alloc-after-kill', row, event, since(teardown)))
  }

  #tooLate(teardown: Teardown, row: number, event: LedgerEvent): void {
    const held = this.#look(teardown, row)
    if (held) held.late ??= event
    else if (this.#looked.has(row) && this.#showsMapping(row) && teardown.late++ === 0)
      this.#probes.keep(this.#probes.suspicion('pagemap-gone', row, event, since(teardown)))
  }

  /** Whether the recording would show it if the range were mapped again. */
  #showsMapping(row: number): boolean {
    const { pages, pagemaps } = this.#ledger
    const { initialised, votes } = pagemaps.list[pages.pagemap[row]!]!
    return initialised || votes.setAtZero > 0 || votes.coreReset > 0
  }

  /** Looks whether a page is in use, once; what of it is kept. */
  #look(teardown: Teardown, row: number): HeldPage | undefined {
    if (this.#looked.has(row)) return teardown.held.find(({ state }) => state.row === row)
    this.#looked.add(row)
    const references = this.#references(row)
    if (references === 0) return undefined
    teardown.heldPages++
    teardown.heldReferences += references
    if (teardown.held.length >= MAX_HELD) return undefined
    // Its count is that of an idle page: then it does not tell whose reference is out.
    const isSilent = this.#ledger.pages.count[row]! <= (this.#ledger.idleCount(row) ?? 0)
    const handedOut = isSilent ? this.#probes.handedOut(row) : undefined
    const held = { state: this.#ledger.stateOf(row), handedOut, late: undefined }
    teardown.held.push(held)
    return held
  }

  /** References to a page that are surely out. */
  #references(row: number): number {
    const { pages, gaps } = this.#ledger
    if (pages.bits[row]! & UNSURE || pages.epoch[row] !== gaps.epoch || gaps.open > 0) return 0
    return Math.max(this.#countedReferences(row), this.#isMapped(row) ? 1 : 0)
  }

  #countedReferences(row: number): number {
    const { pages, pagemaps } = this.#ledger
    const idle = this.#ledger.idleCount(row)
    if (!(pages.bits[row]! & PageBit.OPEN) || idle === undefined) return 0
    if (!isFollowed(this.#ledger.pages, row, this.#ledger.lifeEvents(row))) return 0
    const { closesAt } = pagemaps.list[pages.pagemap[row]!]!
    // Where the core sets the count back, a page in use may stand at the count of an idle one.
    const isInUse = closesAt === NEVER_CLOSES && this.#probes.isBusy(row)
    return Math.max(0, pages.count[row]! - (isInUse ? 0 : idle))
  }

  /** Whether a page that was handed out is mapped by a page table. */
  #isMapped(row: number): boolean {
    return this.#probes.isBusy(row) && this.#ledger.isMapped(row)
  }

  #known(row: number): Teardown | undefined {
    const { pages, gaps } = this.#ledger
    if (!(pages.bits[row]! & (PageBit.KILLED | PageBit.GONE))) return undefined
    const teardown = this.#current(pages.pfn[row]!)
    return !teardown || teardown.isRemapped || teardown.epoch !== gaps.epoch || gaps.open > 0 ? undefined : teardown
  }

  /** The last call for a range with that page. */
  #current(pfn: number): Teardown | undefined {
    return this.list.findLast(({ firstPfn, pages }) => pfn >= firstPfn && pfn < firstPfn + pages)
  }

  /** A probe may not tell the range: it is known where there is but one. */
  #onlyRange(): { firstPfn: number; pages: number } {
    const maps = this.#ledger.pagemaps.list.filter(({ device, pages }) => device && pages > 0)
    const [only] = maps
    if (maps.length !== 1) return { firstPfn: 0, pages: 0 }
    return { firstPfn: only!.firstPfn, pages: only!.lastPfn - only!.firstPfn + 1 }
  }

  #mark({ firstPfn, pages: length }: Teardown, bit: number): void {
    const { pages } = this.#ledger
    const mark = (row: number) => {
      pages.bits[row] = (pages.bits[row]! & ~(PageBit.KILLED | PageBit.GONE)) | bit
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

/** Bits of a page of which nothing is claimed. */
const UNSURE =
  PageBit.LOSSY |
  PageBit.HEADLESS |
  PageBit.DOUBT |
  PageBit.PENDING |
  PageBit.FROZEN |
  PageBit.ACCUSED |
  PageBit.SETTLING

function since({ entered }: Teardown): { since: number } {
  return { since: entered.time }
}
