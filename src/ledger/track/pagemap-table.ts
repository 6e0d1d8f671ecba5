// SPDX-License-Identifier: GPL-2.0-or-later
/** Pagemaps as a recording shows them, and the rule that the pages of each one follow. */
import { PAGE_RULES, type PageRule, type PageType, type ProtocolId } from '../../linux/protocols/rules.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import type { ObservedType } from '../callsites/symbol-lists.ts'
import { mayReturnByReset } from './kernel-release.ts'
import { type Limits, UNKNOWN_LIMITS } from './op-semantics.ts'
import { isInRanges, type PageRange } from './page-range.ts'
import { closesAt, limitsOf, observedRule, type Votes } from './rule-recognition.ts'

/**
 * Most pages that may lie between two initialised ones of a pagemap: of a compound page of 1 GB, only the head is initialised.
 */
const INIT_GAP = 1 << 18

/** Pages without a known pagemap are grouped by section (128 MB in pages of 4 KB), the granularity of device memory. */
const SECTION = 1 << 15

/** Most pagemaps told apart; all further ones are merged into the last. */
const MAX_PAGEMAPS = 1 << 14

/** What a user says of a recording's pages. */
export interface PagemapOptions {
  /** Follow every page by this protocol instead of the one recognised. */
  protocol?: ProtocolId | undefined
  /** Pages that are device memory, whatever the recording shows of them. */
  device?: readonly PageRange[] | undefined
}

export interface Pagemap {
  firstPfn: number
  lastPfn: number
  /** Pages seen. */
  pages: number
  /** True if it is a range that the user names as device memory. */
  isNamed: boolean
  /** True if it was initialised during the recording, so that the counts of its pages are known from the start. */
  initialised: boolean
  /** Count given at initialisation; undefined if that was not recorded. */
  initialCount: 0 | 1 | undefined
  /** True for device memory, false for ordinary pages. */
  device: boolean
  type: ObservedType | undefined
  votes: Votes
  /** Values of the mapcount field that idle pages had, with how often each was seen: that of a page that no page table maps. */
  idleMapcounts: Map<number, number>
  limits: Limits
  /** Count at which a page's lifetime ends; `NEVER_CLOSES` if it ends only with the core's reset. */
  closesAt: number
  rule: PageRule | undefined
  ruleForced: boolean
  /** Number of lifetimes that followed the rule from idle to idle. */
  lives: number
  /** Number of pages that only probes tell of. */
  probedPages: number
}

export class PagemapTable {
  readonly list: Pagemap[] = []
  /** True once any device memory was recognised. */
  anyDevice = false
  readonly #forced: ProtocolId | undefined
  /** Ranges of pages that are device memory by what the user says. */
  readonly #device: readonly PageRange[]
  /** The pagemaps as a first pass over the recording's beginning has recognised them. */
  readonly #hints: PagemapTable | undefined
  /** False if the kernel is known to return no page by a reset of its count. */
  readonly #mayReset: boolean
  readonly #sections = new Map<number, number>()
  #run = { pagemap: -1, lastPfn: -1, pid: -1 }

  /** @param kernel release of the kernel, where it is known */
  constructor({ protocol, device }: PagemapOptions, hints?: PagemapTable, kernel?: string) {
    this.#forced = protocol
    this.#device = device ?? []
    this.#mayReset = protocol !== undefined || mayReturnByReset(kernel)
    this.#hints = hints
    this.anyDevice = hints?.anyDevice ?? false
  }

  /** Returns the index of the pagemap of a page that is being initialised. */
  initialise(pfn: number, pid: number, device: boolean): number {
    const run = this.#run
    if (run.pagemap < 0 || run.pid !== pid || pfn < run.lastPfn || pfn - run.lastPfn > INIT_GAP) {
      run.pagemap = this.#add(pfn)
      this.list[run.pagemap]!.initialised = true
      run.pid = pid
    }
    const pagemap = this.list[run.pagemap]!
    run.lastPfn = pfn
    pagemap.lastPfn = Math.max(pagemap.lastPfn, pfn)
    if (pagemap.initialCount === undefined) {
      pagemap.initialCount = 1
      this.#takeHint(run.pagemap)
    }
    if (device || isInRanges(pfn, this.#device)) this.markDevice(run.pagemap)
    return run.pagemap
  }

  /** Notes the second set of an initialisation: idle pages of this pagemap have 0. Of a compound page only the head counts. */
  zeroInitialised(index: number, pfn: number): void {
    const pagemap = this.list[index]!
    if (pfn === pagemap.firstPfn) pagemap.initialCount = 0
  }

  /** Returns the index of the pagemap of a page that existed before the recording. */
  covering(pfn: number): number {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const pagemap = this.list[i]!
      if (pagemap.initialised && pfn >= pagemap.firstPfn && pfn <= pagemap.lastPfn) return i
    }
    // A range that the user names is a pagemap of its own, whatever else its section has.
    const named = this.#device.findIndex(({ first, last }) => pfn >= first && pfn <= last)
    const section = named >= 0 ? -1 - named : Math.floor(pfn / SECTION)
    let index = this.#sections.get(section)
    if (index === undefined) {
      index = this.#add(pfn, named >= 0)
      this.#sections.set(section, index)
      this.#takeHint(index)
      if (named >= 0) this.markDevice(index)
    }
    const pagemap = this.list[index]!
    pagemap.firstPfn = Math.min(pagemap.firstPfn, pfn)
    pagemap.lastPfn = Math.max(pagemap.lastPfn, pfn)
    return index
  }

  /** Moves one page from one pagemap's number of pages to another's. */
  move(from: number, to: number): void {
    this.list[from]!.pages--
    this.list[to]!.pages++
  }

  /**
   * Adds a page that only probes tell of. Its pagemap is taken for device memory if no counts of it are recorded; `anyDevice`
   * stays as it is, so that the counts of ordinary pages are still accounted for.
   */
  addProbed(pfn: number): void {
    const pagemap = this.list[this.covering(pfn)]!
    pagemap.probedPages++
    if (pagemap.pages === 0) pagemap.device = true
  }

  /** Notes that the pages of a pagemap are device memory. */
  markDevice(index: number): void {
    this.list[index]!.device = true
    this.anyDevice = true
  }

  /** Decides the rule from what was seen so far. */
  decide(index: number): void {
    const pagemap = this.list[index]!
    pagemap.rule = pagemap.ruleForced
      ? PAGE_RULES[this.#forced!][forcedType(pagemap)]
      : observedRule(pagemap.votes, pagemap.initialCount)
    pagemap.limits = pagemap.rule ? limitsOf(pagemap.rule) : UNKNOWN_LIMITS
    pagemap.closesAt = closesAt(pagemap.rule)
  }

  /** Notes that the core resets the counts of this pagemap's pages to 1 after the last put. */
  learnReset(index: number): void {
    const { rule, votes } = this.list[index]!
    if (rule?.idle !== 1 || rule.coreResets || !this.mayReset(index)) return
    votes.coreReset++
    this.decide(index)
  }

  /** Learns the type of a pagemap's pages from the stack of an event that sets one up, where that is not known yet. */
  learnType(index: number, stack: number, sites: CallSites): void {
    const pagemap = this.list[index]!
    if (pagemap.type === undefined) pagemap.type = sites.pageType(stack)
  }

  /** True if the core's reset of a page's count to 1 may end a lifetime. For some types of memory it does under no protocol. */
  mayReset(index: number): boolean {
    const { type } = this.list[index]!
    return this.#mayReset && type !== 'FS_DAX' && type !== 'GENERIC'
  }

  /** Gives a pagemap the rule that the first pass recognised, if it did. */
  #takeHint(index: number): void {
    const pagemap = this.list[index]!
    const hint = this.#hints?.list.findLast(
      other =>
        other.initialised === pagemap.initialised &&
        other.isNamed === pagemap.isNamed &&
        pagemap.firstPfn >= other.firstPfn &&
        pagemap.firstPfn <= other.lastPfn,
    )
    if (hint) {
      pagemap.device = hint.device
      pagemap.type = hint.type
      pagemap.rule = hint.rule
      pagemap.limits = hint.limits
      pagemap.closesAt = hint.closesAt
    } else {
      this.decide(index)
    }
  }

  #add(pfn: number, isNamed = false): number {
    if (this.list.length >= MAX_PAGEMAPS) return MAX_PAGEMAPS - 1
    this.list.push({
      firstPfn: pfn,
      lastPfn: pfn,
      pages: 0,
      isNamed,
      initialised: false,
      initialCount: undefined,
      device: false,
      type: undefined,
      votes: { setAtZero: 0, getAtZero: 0, daxFault: 0, returnedOne: 0, coreReset: 0, teardown: 0, frozen: 0 },
      idleMapcounts: new Map(),
      limits: UNKNOWN_LIMITS,
      closesAt: 0,
      rule: undefined,
      ruleForced: this.#forced !== undefined,
      lives: 0,
      probedPages: 0,
    })
    return this.list.length - 1
  }
}

function forcedType(pagemap: Pagemap): PageType {
  return pagemap.type === undefined || pagemap.type === 'PRIVATE or COHERENT' ? 'PRIVATE' : pagemap.type
}
