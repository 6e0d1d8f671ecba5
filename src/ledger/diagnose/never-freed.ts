// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Judges pages that are out when the recording ends, by hand-outs and returns alone, where no counts were recorded. The evidence
 * is the same as for leaks.
 */
import { Op } from '../../trace/events.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { Certainty, Finding } from '../findings/finding.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { OpenPage, PageLifetime } from '../probes/page-lifetimes.ts'
import type { UnmapCall } from '../probes/unmap-tracker.ts'
import { isConsumer, type LawTraffic, maybeWith, push, TrafficCollector, taskFacts } from './law-traffic.ts'
import {
  ALWAYS,
  doubtOf,
  isFar,
  isLeftOver,
  isOvertaken,
  isPassedByItsTask,
  type LeakFacts,
  leakCertainty,
} from './leak.ts'
import { moreThan, overtakenText } from './leak-words.ts'
import type { Naming } from './naming.ts'
import { newFinding } from './new-finding.ts'

/** If memunmap_pages() waits, pages of its range that are out count as exceptions up to FEW, or up to one in RARELY lifetimes. */
const FEW = 2
const RARELY = 50

/** Most pages that get a finding of their own. */
const MAX_FINDINGS = 20_000

/** If more pages of one call site than this are out, none of them counts as an exception. */
const MAX_OUT = 1000

/** How the pages that one call site handed out came back. */
interface Kind {
  traffic: LawTraffic
  /** Ordinals of the hand-outs of pages that are out and were overtaken by far more than any that came back. */
  alike: readonly number[]
  /** True if some came back from a page table, or by an unknown call: a process may hold such a page as long as it likes. */
  mayBeMapped: boolean
  /** By task: ordinals of the hand-outs of its pages that it gave back at its exit, in the order of the returns. */
  exits: ReadonlyMap<number, readonly number[]>
}

/** Summary of all lifetimes at the end of the recording, and the pages that are out. */
interface Lives {
  kinds: ReadonlyMap<number, Kind>
  all: LawTraffic
  open: readonly OpenPage[]
  /** Number of pages that are out, including those whose history is incomplete. */
  out: number
  /** Indices of the pagemaps of which some page came back. */
  returning: ReadonlySet<number>
}

interface Judged {
  page: OpenPage
  facts: LeakFacts
  certainty: Certainty | undefined
  evidence: string[]
  teardown: UnmapCall | undefined
}

export class NeverFreed {
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #end: number
  readonly #teardowns: readonly UnmapCall[]
  /** Time at which the last gap ended. */
  readonly #lastGap: number

  /** @param end time at which the recording ends */
  constructor(ledger: LearningTracker, naming: Naming, end: number) {
    this.#ledger = ledger
    this.#naming = naming
    this.#end = end
    this.#teardowns = ledger.probes.unmaps.waiting()
    this.#lastGap = ledger.gaps.list.reduce((last, { to }) => Math.max(last, to), -Infinity)
  }

  /** Findings about pages of which no count was recorded, accusations first. */
  findings(): Finding[] {
    const { lifetimes } = this.#ledger.probes
    // Without recorded returns it is not known which pages came back.
    if (lifetimes.allocs === 0 || lifetimes.frees === 0) return []
    const lives = this.#lives()
    const judged = lives.open.slice(0, MAX_FINDINGS).map(page => this.#judge(page, lives))
    const accused = judged.filter(({ certainty }) => certainty !== undefined)
    return [...accused, ...judged.filter(({ certainty }) => certainty === undefined)].map(each => this.#finding(each))
  }

  /** Returns the number of pages that are out and of which nothing can be claimed, because events were lost. */
  unknown(): number {
    let unknown = 0
    for (const page of this.#uncounted(this.#ledger.probes.lifetimes.open())) if (!this.#isFollowed(page)) unknown++
    return unknown
  }

  /** Returns the number of pages that are out, whether or not their history is complete. */
  out(): number {
    let out = 0
    for (const _ of this.#uncounted(this.#ledger.probes.lifetimes.open())) out++
    return out
  }

  *#uncounted<P extends { pfn: number }>(pages: Iterable<P>): Generator<P> {
    for (const page of pages) if (this.#ledger.pages.find(page.pfn) < 0) yield page
  }

  /** True if no probe of the page can have been lost since it was handed out. */
  #isFollowed({ isKnown, time }: OpenPage): boolean {
    return isKnown && this.#lastGap < time
  }

  #lives(): Lives {
    const { probes, sites, pagemaps } = this.#ledger
    const all = new TrafficCollector(sites)
    const bySite = new Map<number, PageLifetime[]>()
    const returning = new Set<number>()
    for (const lifetime of this.#uncounted(probes.lifetimes.lifetimes())) {
      all.add([{ ...lifetime, putSite: 0 }])
      push(bySite, lifetime.signature, lifetime)
      returning.add(pagemaps.covering(lifetime.pfn))
    }
    const open = [...this.#uncounted(probes.lifetimes.open())]
    const outBySite = new Map<number, number[]>()
    for (const { signature, taken } of open) push(outBySite, signature, taken)
    const kinds = new Map<number, Kind>()
    for (const [signature, out] of outBySite) kinds.set(signature, this.#kind(bySite.get(signature) ?? [], out))
    const followed = open.filter(page => this.#isFollowed(page))
    return { kinds, all: all.traffic(), open: followed, out: open.length, returning }
  }

  #kind(lifetimes: readonly PageLifetime[], out: readonly number[]): Kind {
    const { sites } = this.#ledger
    const collector = new TrafficCollector(sites)
    const exits = new Map<number, number[]>()
    let mayBeMapped = lifetimes.length === 0
    for (const lifetime of [...lifetimes].sort((a, b) => a.given - b.given)) {
      const { putStack, putPid, pid, taken } = lifetime
      collector.add([{ ...lifetime, putSite: 0 }])
      const traits = sites.traits(putStack)
      if (!sites.isTelling(putStack) || traits & StackTrait.UNMAP) mayBeMapped = true
      if (traits & StackTrait.EXIT && putPid === pid) push(exits, pid, taken)
    }
    for (const taken of out) collector.out.push(taken)
    const traffic = collector.traffic()
    const alike = out.filter(taken => isFar(traffic.all.since(taken), traffic.all.most))
    return { traffic, alike, mayBeMapped, exits }
  }

  // --- one page -------------------------------------------------------------------------------------------------------

  #judge(page: OpenPage, lives: Lives): Judged {
    const kind = lives.kinds.get(page.signature)!
    const teardown = this.#teardown(page)
    const facts = this.#facts(page, kind, lives)
    const passedOver = passedOverAtExit(page, kind)
    const [certainty, why] = this.#certainty(page, lives, facts, { passedOver, teardown })
    const evidence = [
      why,
      certainty !== undefined && teardown ? this.#waitSentence(teardown) : '',
      certainty === undefined
        ? ''
        : "no count was recorded: that the page is out is known, not whose reference keeps it, its owner's or one that somebody took since",
    ]
    return { page, facts, certainty, evidence: evidence.filter(each => each !== ''), teardown }
  }

  /** Returns how certain it is that the page will not come back, and why; undefined if it may well come back. */
  #certainty(
    page: OpenPage,
    lives: Lives,
    facts: LeakFacts,
    { passedOver, teardown }: { passedOver: number; teardown: UnmapCall | undefined },
  ): [Certainty | undefined, string] {
    // A page that came back without a probe is noticed only when it is handed out again.
    if (facts.mayBeMissing || facts.outOfLaw > MAX_OUT || !this.#ledger.sites.isTelling(page.stack))
      return [undefined, '']
    if (!lives.returning.has(this.#ledger.pagemaps.covering(page.pfn))) return [undefined, '']
    if (teardown) {
      const out = lives.open.filter(each => isIn(teardown, each.pfn)).length
      const isException = out <= Math.max(FEW, facts.lifetimes / RARELY)
      if (facts.lifetimes >= ALWAYS && isException && !facts.maybeWithConsumer)
        return [
          'likely',
          `${facts.lifetimes} pages came back before, and ${out === 1 ? 'none but this one is' : `${out} are`} out`,
        ]
    }
    if (passedOver > 0)
      return [
        'likely',
        `its task exited, which gave back ${passedOver} pages that it had been handed by the same calls, some before this one and some after it`,
      ]
    if (facts.returned < ALWAYS) return [undefined, '']
    return [leakCertainty(facts), orderSentence(facts)]
  }

  #facts(page: OpenPage, { traffic, alike, mayBeMapped }: Kind, { all, out }: Lives): LeakFacts {
    const { probes, sites } = this.#ledger
    const { taken, pid } = page
    const { returned } = traffic.all
    const holders = traffic.out.length > MAX_OUT ? [] : suspects(traffic, taken)
    const outLater = traffic.out.length > MAX_OUT ? MAX_OUT : traffic.out.filter(other => other > taken).length
    return {
      lawLifetimes: returned,
      returned,
      sure: returned,
      most: traffic.all.most,
      since: traffic.all.since(taken),
      lifetimes: all.all.returned,
      mostLifetimes: all.all.most,
      sinceLifetimes: all.all.since(taken),
      alike: alike.length,
      alikePages: alike.length,
      alikeKept: 0,
      alikeFar: 0,
      isKeptHere: false,
      isHabit: false,
      mayWait: false,
      outOfLaw: traffic.out.length,
      between: traffic.all.since(Math.min(...alike)) - traffic.all.since(Math.max(...alike)),
      earlier: traffic.all.returned - traffic.all.since(Math.min(...alike)),
      pagesOfLaw: traffic.out.length,
      mayBeWithOne: false,
      mayAllBeWithOne: false,
      isPartial: probes.lifetimes.isPartial,
      isHandOut: true,
      maybeWith: holders[0],
      mayBeBlocked: false,
      maybeWithConsumer: holders.some(other => other !== pid && isConsumer(traffic.givers.get(other)!)),
      ...taskFacts(traffic, taken, pid),
      drains: traffic.all.drains,
      peak: traffic.all.peak,
      outLater,
      openPages: out,
      takenHere: returned + traffic.out.length,
      hasLaw: true,
      isVague: false,
      hasStack: sites.isTelling(page.stack),
      isPin: false,
      isEviction: false,
      isLookup: false,
      wasEvicted: false,
      exited: probes.lifetimes.hasExited(pid),
      taskEvents: 0,
      waits: false,
      isHeadless: false,
      isGivenUp: false,
      hasHandOut: true,
      isMapped: mayBeMapped,
      tables: 0,
      others: 0,
      isEven: true,
      evictions: 0,
      mayBeBack: false,
      mayBeMissing: probes.lifetimes.silentReturns > 0,
    }
  }

  /**
   * Returns the call of memunmap_pages() that was entered while the page was out and has not returned; undefined if there is
   * none.
   */
  #teardown({ pfn, time }: OpenPage): UnmapCall | undefined {
    const { order } = this.#ledger
    return this.#teardowns.find(
      call => isIn(call, pfn) && time + order.slack < call.entered.time && this.#end - call.entered.time > order.window,
    )
  }

  #waitSentence({ entered }: UnmapCall): string {
    return `${this.#naming.task(entered.pid)} entered memunmap_pages() ${this.#naming.span(this.#end - entered.time)} before the recording ends, and has not returned`
  }

  #finding({ page, facts, certainty, evidence, teardown }: Judged): Finding {
    const { pagemaps } = this.#ledger
    const actor = this.#naming.actor({ ...page, op: Op.PAGE_ALLOC, val: 0 })
    const kind = certainty ? 'never-freed' : teardown ? 'teardown-waits' : 'held-at-end'
    return {
      ...newFinding(this.#ledger, kind, 0, { expected: 0 }),
      pfn: page.pfn,
      pagemap: pagemaps.covering(page.pfn),
      life: { began: page.time, ended: undefined },
      isUncounted: true,
      certainty: certainty ?? 'possible',
      culprit: actor,
      culpritCertainty: certainty && 'possible',
      candidates: certainty ? [{ actor, reasons: ['the page was handed out there'] }] : [],
      references: 1,
      evidence: certainty ? evidence : teardown ? [this.#waitSentence(teardown)] : [],
      held: { isPin: false, doubt: certainty || facts.isMapped ? undefined : doubtOf(facts) },
      consequences:
        certainty && teardown ? [{ kind: 'teardown-waits', pfn: page.pfn, time: this.#end, count: 0, actor }] : [],
    }
  }
}

function isIn({ firstPfn, pages }: UnmapCall, pfn: number): boolean {
  return pfn >= firstPfn && pfn < firstPfn + pages
}

/** Returns the tasks that may still have the page. If each task gives back exactly one page, those that did so are excluded. */
function suspects(traffic: LawTraffic, taken: number): number[] {
  const isOnce = 2 * traffic.givers.size > traffic.all.returned
  return maybeWith(traffic, taken).filter(pid => !isOnce || traffic.givers.get(pid)!.all > 1)
}

/**
 * Returns the number of pages that the task gave back at its exit, if it passed this one over: pages handed out before and after
 * this one came back, in the order of their hand-outs or in the reverse order.
 */
function passedOverAtExit({ pid, taken }: OpenPage, { exits }: Kind): number {
  const given = exits.get(pid) ?? []
  if (given.length < ALWAYS || given.every(other => other < taken) || given.every(other => other > taken)) return 0
  const isAscending = given.every((other, i) => i === 0 || other > given[i - 1]!)
  const isDescending = given.every((other, i) => i === 0 || other < given[i - 1]!)
  return isAscending || isDescending ? given.length : 0
}

function orderSentence(facts: LeakFacts): string {
  const { since, returned, most, sinceByTask, mostByTask, openPages, peak } = facts
  const atLeast = facts.isPartial ? 'at least ' : ''
  const remembered = facts.isPartial ? ' and are remembered' : ''
  if (isPassedByItsTask(facts))
    return `its task was handed ${atLeast}${sinceByTask} pages by the same calls later and gave them back; no task kept one while it gave back ${moreThan(mostByTask)} that it was handed later`
  if (isOvertaken(facts))
    return `${atLeast}${since} pages that the same calls handed out later have come back; of the ${returned} that came back${remembered} ${overtakenText(most)}`
  if (isLeftOver(facts))
    return `${openPages === 1 ? 'this is the only page' : `these are the only ${openPages} pages`} out at the end; all ${since} pages that the same calls handed out later have come back, and up to ${peak} ${peak === 1 ? 'was' : 'were'} out at once before`
  return ''
}
