// SPDX-License-Identifier: GPL-2.0-or-later
/** Pagemaps as a recording shows them, and the rule that the pages of each one follow. */
import { PAGE_RULES, type PageRule, type PageType, type ProtocolId } from '../../linux/protocols/rules.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import type { ObservedType } from '../callsites/symbol-lists.ts'
import { type Limits, UNKNOWN_LIMITS } from './op-semantics.ts'
import { closesAt, limitsOf, observedRule, type Votes } from './rule-recognition.ts'

/** Pages between two initialised ones that may be missing: a compound page of 1 GB has only its first set up. */
const INIT_GAP = 1 << 18

/** Pages without a known pagemap are kept by section (128 MB of 4 KB pages), the grain in which device memory comes. */
const SECTION = 1 << 15

/** Most pagemaps told apart; a recording with more lumps the rest into the last. */
const MAX_PAGEMAPS = 1 << 14

export interface Pagemap {
  firstPfn: number
  lastPfn: number
  /** Pages seen. */
  pages: number
  /** Set up during the recording, so that its pages' counts are known from the start. */
  initialised: boolean
  /** Count given at initialisation; undefined if that was not recorded. */
  initialCount: 0 | 1 | undefined
  /** Device memory (otherwise ordinary pages). */
  device: boolean
  type: ObservedType | undefined
  votes: Votes
  /** Value of the event's mapcount field when no page table maps the page, with how often it was seen at idle. */
  idleMapcounts: Map<number, number>
  limits: Limits
  /** Count at which a page's lifetime ends; `NEVER_CLOSES` where the core says so by another set. */
  closesAt: number
  rule: PageRule | undefined
  ruleForced: boolean
  /** Lifetimes that went as the rule has it, from idle to idle. */
  lives: number
  /** Pages that only probes tell of. */
  probedPages: number
}

export class PagemapTable {
  readonly list: Pagemap[] = []
  /** True once any device memory was recognised. */
  anyDevice = false
  readonly #forced: ProtocolId | undefined
  /** What a first look at the recording's beginning has shown. */
  readonly #hints: PagemapTable | undefined
  readonly #sections = new Map<number, number>()
  #run = { pagemap: -1, lastPfn: -1, pid: -1 }

  constructor(forced: ProtocolId | undefined, hints?: PagemapTable) {
    this.#forced = forced
    this.#hints = hints
    this.anyDevice = hints?.anyDevice ?? false
  }

  /** Returns the index of the pagemap of a page whose initialisation was seen just now. */
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
    if (device) this.markDevice(run.pagemap)
    return run.pagemap
  }

  /** Notes the second set of an initialisation: such pages are free at 0. Only the head of a compound page decides. */
  zeroInitialised(index: number, pfn: number): void {
    const pagemap = this.list[index]!
    if (pfn === pagemap.firstPfn) pagemap.initialCount = 0
  }

  /** Returns the index of the pagemap of a page that was there before the recording. */
  covering(pfn: number): number {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const pagemap = this.list[i]!
      if (pagemap.initialised && pfn >= pagemap.firstPfn && pfn <= pagemap.lastPfn) return i
    }
    const section = Math.floor(pfn / SECTION)
    let index = this.#sections.get(section)
    if (index === undefined) {
      index = this.#add(pfn)
      this.#sections.set(section, index)
      this.#takeHint(index)
    }
    const pagemap = this.list[index]!
    pagemap.firstPfn = Math.min(pagemap.firstPfn, pfn)
    pagemap.lastPfn = Math.max(pagemap.lastPfn, pfn)
    return index
  }

  /** Counts a page to another pagemap: it turned out to belong there. */
  move(from: number, to: number): void {
    this.list[from]!.pages--
    this.list[to]!.pages++
  }

  /** Adds a page that only probes tell of. Whoever asks for ordinary pages' counts gets them all the same. */
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

  /** Reads the rule off what was seen so far. */
  decide(index: number): void {
    const pagemap = this.list[index]!
    pagemap.rule = pagemap.ruleForced
      ? PAGE_RULES[this.#forced!][forcedType(pagemap)]
      : observedRule(pagemap.votes, pagemap.initialCount)
    pagemap.limits = pagemap.rule ? limitsOf(pagemap.rule) : UNKNOWN_LIMITS
    pagemap.closesAt = closesAt(pagemap.rule)
  }

  /** Notes that the core was seen to set the count of such a page to 1 after its last put. */
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

  /** True if the core may set a page's count back to 1: no protocol has that for memory of these types. */
  mayReset(index: number): boolean {
    const { type } = this.list[index]!
    return type !== 'FS_DAX' && type !== 'GENERIC'
  }

  /** Gives a pagemap the rule that the first look saw it follow, if it did. */
  #takeHint(index: number): void {
    const pagemap = this.list[index]!
    const hint = this.#hints?.list.findLast(
      other =>
        other.initialised === pagemap.initialised &&
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

  #add(pfn: number): number {
    if (this.list.length >= MAX_PAGEMAPS) return MAX_PAGEMAPS - 1
    this.list.push({
      firstPfn: pfn,
      lastPfn: pfn,
      pages: 0,
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
