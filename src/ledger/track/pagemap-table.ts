// SPDX-License-Identifier: GPL-2.0-or-later
/** Pagemaps as a recording shows them, and the rule that the pages of each one follow. */
import { PAGE_RULES, type PageRule, type PageType, type ProtocolId } from '../../linux/protocols/rules.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import type { ObservedType } from '../callsites/symbol-lists.ts'
import { type Arena, plainArena } from './arena.ts'
import {
  INIT_GAP,
  PAGEMAP_CLOSES_AT,
  PAGEMAP_GET_FROM,
  PAGEMAP_INTS,
  PAGEMAP_LIVES,
  PAGEMAP_PAGES,
  PAGEMAP_PUT_TO,
  PAGEMAP_RULE,
  PAGEMAP_SET_AT_ZERO,
  RULE_CLOSES,
  RULE_DEVICE,
  RULE_IDLE_ONE,
  RULE_KNOWN,
  RULE_SET,
  RULE_TYPED,
  RULE_ZEROED,
} from './hot-layout.ts'
import { mayReturnByReset } from './kernel-release.ts'
import { type Limits, UNKNOWN_LIMITS } from './op-semantics.ts'
import { isInRanges, type PageRange } from './page-range.ts'
import { closesAt, limitsOf, NEVER_CLOSES, observedRule, type Votes } from './rule-recognition.ts'

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
  /** Its place in `PagemapTable.list`. */
  readonly index: number
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

/** The numbers of a pagemap that the hot loop counts, too: they are in its memory. */
class HotCounts {
  readonly index: number
  readonly votes: Votes
  readonly #table: PagemapTable

  constructor(table: PagemapTable, index: number) {
    this.#table = table
    this.index = index
    const at = index * PAGEMAP_INTS + PAGEMAP_SET_AT_ZERO
    this.votes = {
      get setAtZero() {
        return table.numbers[at]!
      },
      set setAtZero(times) {
        table.numbers[at] = times
      },
      getAtZero: 0,
      daxFault: 0,
      returnedOne: 0,
      coreReset: 0,
      teardown: 0,
      frozen: 0,
    }
  }

  get lives(): number {
    return this.#table.numbers[this.index * PAGEMAP_INTS + PAGEMAP_LIVES]!
  }

  set lives(lives: number) {
    this.#table.numbers[this.index * PAGEMAP_INTS + PAGEMAP_LIVES] = lives
  }

  get pages(): number {
    return this.#table.numbers[this.index * PAGEMAP_INTS + PAGEMAP_PAGES]!
  }

  set pages(pages: number) {
    this.#table.numbers[this.index * PAGEMAP_INTS + PAGEMAP_PAGES] = pages
  }
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
  /** What the hot loop knows of each pagemap, see `PAGEMAP_INTS`. */
  numbers: Int32Array
  readonly #arena: Arena
  readonly #sections = new Map<number, number>()
  /** The pagemap that is being initialised, its last page as yet, and the task that does it. */
  readonly run = { pagemap: -1, lastPfn: -1, pid: -1 }

  /** @param kernel release of the kernel, where it is known */
  constructor(
    { protocol, device }: PagemapOptions,
    hints?: PagemapTable,
    kernel?: string,
    arena: Arena = plainArena(),
  ) {
    this.#arena = arena
    this.numbers = arena.column(Int32Array, PAGEMAP_INTS)
    this.#forced = protocol
    this.#device = device ?? []
    this.#mayReset = protocol !== undefined || mayReturnByReset(kernel)
    this.#hints = hints
    this.anyDevice = hints?.anyDevice ?? false
  }

  /** Returns the index of the pagemap of a page that is being initialised. */
  initialise(pfn: number, pid: number, device: boolean): number {
    const { run } = this
    if (run.pagemap < 0 || run.pid !== pid || pfn < run.lastPfn || pfn - run.lastPfn > INIT_GAP) {
      run.pagemap = this.#add(pfn)
      this.list[run.pagemap]!.initialised = true
      run.pid = pid
    }
    const pagemap = this.list[run.pagemap]!
    this.extendRun(pfn)
    if (pagemap.initialCount === undefined) {
      pagemap.initialCount = 1
      this.#takeHint(run.pagemap)
    }
    if (device || isInRanges(pfn, this.#device)) this.markDevice(run.pagemap)
    return run.pagemap
  }

  /** Notes that the pagemap that is being initialised reaches to that page. */
  extendRun(pfn: number): void {
    const pagemap = this.list[this.run.pagemap]!
    this.run.lastPfn = pfn
    pagemap.lastPfn = Math.max(pagemap.lastPfn, pfn)
  }

  /**
   * Notes the second set of an initialisation: idle pages of this pagemap have 0. Of a compound page only the head counts. Returns
   * true if that is news.
   */
  zeroInitialised(index: number, pfn: number): boolean {
    const pagemap = this.list[index]!
    if (pfn !== pagemap.firstPfn || pagemap.initialCount === 0) return false
    pagemap.initialCount = 0
    this.#publish(pagemap)
    return true
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

  /**
   * Adds a page that only probes tell of. Its pagemap is taken for device memory if no counts of it are recorded; `anyDevice`
   * stays as it is, so that the counts of ordinary pages are still accounted for.
   */
  addProbed(pfn: number): void {
    const pagemap = this.list[this.covering(pfn)]!
    pagemap.probedPages++
    if (pagemap.pages > 0) return
    pagemap.device = true
    this.#publish(pagemap)
  }

  /** Notes that the pages of a pagemap are device memory. */
  markDevice(index: number): void {
    const pagemap = this.list[index]!
    this.anyDevice = true
    if (pagemap.device) return
    pagemap.device = true
    this.#publish(pagemap)
  }

  /** Decides the rule from what was seen so far. */
  decide(index: number): void {
    const pagemap = this.list[index]!
    pagemap.rule = pagemap.ruleForced
      ? PAGE_RULES[this.#forced!][forcedType(pagemap)]
      : observedRule(pagemap.votes, pagemap.initialCount)
    pagemap.limits = pagemap.rule ? limitsOf(pagemap.rule) : UNKNOWN_LIMITS
    pagemap.closesAt = closesAt(pagemap.rule)
    this.#publish(pagemap)
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
    if (pagemap.type !== undefined) return
    pagemap.type = sites.pageType(stack)
    this.#publish(pagemap)
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
      this.#publish(pagemap)
    } else {
      this.decide(index)
    }
  }

  #add(pfn: number, isNamed = false): number {
    if (this.list.length >= MAX_PAGEMAPS) return MAX_PAGEMAPS - 1
    const index = this.list.length
    if ((index + 1) * PAGEMAP_INTS > this.numbers.length)
      this.numbers = this.#arena.grown(this.numbers, this.numbers.length * 2)
    this.list.push(
      Object.assign(new HotCounts(this, index), {
        firstPfn: pfn,
        lastPfn: pfn,
        isNamed,
        initialised: false,
        initialCount: undefined,
        device: false,
        type: undefined,
        idleMapcounts: new Map(),
        limits: UNKNOWN_LIMITS,
        closesAt: 0,
        rule: undefined,
        ruleForced: this.#forced !== undefined,
        probedPages: 0,
      }),
    )
    return index
  }

  /** Tells the hot loop the rule of a pagemap. */
  #publish({ index, device, type, initialCount, rule, limits, closesAt }: Pagemap): void {
    const at = index * PAGEMAP_INTS
    const closes = closesAt !== NEVER_CLOSES
    this.numbers[at + PAGEMAP_RULE] =
      (device ? RULE_DEVICE : 0) |
      (type ? RULE_TYPED : 0) |
      (initialCount === 0 ? RULE_ZEROED : 0) |
      (rule ? RULE_KNOWN : 0) |
      (rule?.handOut === 'set' ? RULE_SET : 0) |
      (rule?.idle === 1 ? RULE_IDLE_ONE : 0) |
      (closes ? RULE_CLOSES : 0)
    this.numbers[at + PAGEMAP_GET_FROM] = limits.getFrom
    this.numbers[at + PAGEMAP_PUT_TO] = limits.putTo
    this.numbers[at + PAGEMAP_CLOSES_AT] = closes ? closesAt : 0
  }
}

function forcedType(pagemap: Pagemap): PageType {
  return pagemap.type === undefined || pagemap.type === 'PRIVATE or COHERENT' ? 'PRIVATE' : pagemap.type
}
