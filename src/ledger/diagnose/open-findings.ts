// SPDX-License-Identifier: GPL-2.0-or-later
/** Findings of references that are out at the end of the recording: who holds them, and whether they are leaked. */
import { Op } from '../../trace/events.ts'
import { StackTrait } from '../callsites/symbol-lists.ts'
import type { Actor, Candidate, Finding } from '../findings/finding.ts'
import { type LawBook, NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { UnmapCall } from '../probes/unmap-tracker.ts'
import type { LifetimeEvent, PageState } from '../track/lifetime-event.ts'
import { PageBit } from '../track/page-state.ts'
import { NEVER_CLOSES } from '../track/rule-recognition.ts'
import { signatureOf, unitKey } from '../track/unit-key.ts'
import { narrowed, type PairedEvents, withoutVisits } from './alternatives.ts'
import { isConsistent } from './consistency.ts'
import {
  byLikelihood,
  certaintyOf,
  isLeftBehind,
  isOfSameLaw,
  type KnownReference,
  ofBlind,
  onePerLaw,
} from './known-reference.ts'
import { lastFound } from './last-found.ts'
import { holderFacts, mayWait, taskFacts } from './law-traffic.ts'
import { doubtOf, type LeakFacts } from './leak.ts'
import { leakSentences } from './leak-words.ts'
import { type Naming, references } from './naming.ts'
import { newFinding } from './new-finding.ts'
import type { PageHistories } from './page-history.ts'
import { type OpenReference, pairReferences, strayPuts } from './references.ts'
import { Traffic } from './traffic.ts'
import { WaysBack } from './ways-back.ts'

/** Most events of a lifetime whose references are attributed to holders. */
const MAX_EVENTS = 4096
/** Most pages that are merely held and whose history is kept; a device may have a million pages in use. */
const MAX_DETAILED = 2000
/**
 * Most events of an ordinary page's lifetime that are examined to name its holder: there may be hundreds of thousands of such
 * pages.
 */
const MAX_ORDINARY = 32
/** References that are out, and who took them; without actor: held since before the recording. */
export interface Holder {
  actor: Actor | undefined
  units: number
  law: number | undefined
}

/** How the laws and the count of a page agree on what is out. */
interface Evenness {
  isEven: boolean
  isWithin: boolean
  isOut: (law: number) => boolean
}

export class OpenFindings {
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #isHandOut: (signature: number) => boolean
  readonly #histories: PageHistories
  readonly #end: number
  readonly #teardowns: readonly UnmapCall[]
  #traffic: Traffic | undefined
  #ways: WaysBack | undefined
  /** Number of pages in use, by pagemap; counted at the first query. */
  readonly #open: number[] = []
  #detailed = 0
  #areEventsMissing = false

  /** @param end of the recording, as the time of its events */
  constructor(
    ledger: LearningTracker,
    naming: Naming,
    isHandOut: (signature: number) => boolean,
    histories: PageHistories,
    end: number,
  ) {
    this.#ledger = ledger
    this.#naming = naming
    this.#isHandOut = isHandOut
    this.#histories = histories
    this.#end = end
    this.#teardowns = ledger.probes.unmaps.waiting()
  }

  /**
   * Returns the findings of a page at the end: that it is held, or one for each law with a leaked reference. None if the page is
   * idle, or if events may be missing.
   */
  of(row: number): Finding[] {
    const { pages, pagemaps } = this.#ledger
    const bits = pages.bits[row]!
    if (!(bits & PageBit.open) || bits & PageBit.frozen || !this.#ledger.mayClaim(row) || !this.#ledger.isCounted(row))
      return []
    const idle = this.#ledger.idleCount(row) ?? 0
    const count = pages.count[row]!
    if ((count <= idle && !this.isUsedAtIdleCount(row)) || count <= 0) return []
    const events = this.#ledger.lifeEvents(row)
    const finding = this.#held(row, count, idle, events)
    const isDevice = pagemaps.list[pages.pagemap[row]!]!.device || pages.has(row, PageBit.rested)
    if (events.length > (isDevice ? MAX_EVENTS : MAX_ORDINARY)) {
      if (isDevice)
        finding.evidence.push(
          `its lifetime has ${events.length} events without an idle moment: too many to tell whose reference stayed`,
        )
      return [finding]
    }
    const { open, partners, surplus } = pairReferences(events, this.#ledger.stateOf(row).heldBefore, this.#ledger.book)
    const users = open.filter(({ event }) => !this.#isCores(row, event))
    if (users.length === 0 && this.#isReset(row)) return []
    if (isDevice && !this.#isFollowed(row, events)) return []
    // Puts that may have given back what another law says is out.
    const rare = strayPuts(events, partners, this.#ledger.book)
    const strays = [...withoutVisits(rare, { events, partners }), ...surplus.map(({ event }) => event)]
    return this.#attribute(row, finding, events, users, partners, strays)
  }

  /** Notes that other parts of the recording show that events are missing although no gap is reported. Puts may be among them. */
  noteMissing(): void {
    this.#areEventsMissing = true
  }

  /** Returns the holders of a page's references in that state, the oldest reference first. */
  holders(state: PageState): Holder[] {
    if (state.events.length > MAX_EVENTS) return []
    const { open } = pairReferences(state.events, state.heldBefore, this.#ledger.book)
    return open
      .filter(({ event }) => !this.#isCores(state.row, event))
      .map(({ event, units, law }) => ({
        actor: event && this.#naming.actor(event),
        units,
        law: law === NO_LAW ? undefined : law,
      }))
  }

  /** True if the recorded changes explain the counts that the events read. */
  #isFollowed(row: number, events: readonly LifetimeEvent[]): boolean {
    const { pages, order } = this.#ledger
    const base = pages.has(row, PageBit.basePut) ? 1 : 0
    return isConsistent(events, pages.count[row]!, order.window, base)
  }

  /** True if the core resets the page's count, so that the count alone does not tell whether the page is in use. */
  #isReset(row: number): boolean {
    const { pages, pagemaps } = this.#ledger
    return pagemaps.list[pages.pagemap[row]!]!.closesAt === NEVER_CLOSES && !(pages.bits[row]! & PageBit.basePut)
  }

  /** True for the reference that the core's reset gave the page, and that no user took. */
  #isCores(row: number, event: LifetimeEvent | undefined): boolean {
    return event?.op === Op.SET && this.#isReset(row)
  }

  #held(row: number, count: number, idle: number, events: readonly LifetimeEvent[]): Finding {
    const isUnmapped = (this.#ledger.pages.bits[row]! & PageBit.basePut) !== 0
    const waits = this.#waitSentence(row)
    return newFinding(this.#ledger, isUnmapped || waits ? 'teardown-waits' : 'held-at-end', row, {
      life: { began: events[0]?.time, ended: undefined },
      count,
      expected: idle,
      // If events are missing although no gap is reported, the put may be one of them.
      certainty: this.#ledger.anomalies.unrecorded > 0 ? 'possible' : 'certain',
      references: count - idle,
      evidence: waits ? [waits] : [],
    })
  }

  /** Returns a sentence if a memunmap_pages() of the page's range was entered and has not returned; undefined otherwise. */
  #waitSentence(row: number): string | undefined {
    const { pages } = this.#ledger
    if (!(pages.bits[row]! & PageBit.unmapping)) return undefined
    const pfn = pages.pfn[row]!
    const teardown = this.#teardowns.find(each => pfn >= each.firstPfn && pfn < each.firstPfn + each.pages)
    if (!teardown) return undefined
    const { pid, time } = teardown.entered
    return `${this.#naming.task(pid)} entered memunmap_pages() ${this.#naming.span(this.#end - time)} before the recording ends, and has not returned`
  }

  /** Names the holders of an open lifetime's references, and accuses those who leaked them if the evidence suffices. */
  #attribute(
    row: number,
    held: Finding,
    events: readonly LifetimeEvent[],
    open: readonly OpenReference[],
    partners: readonly (number | undefined)[],
    strays: readonly LifetimeEvent[],
  ): Finding[] {
    const known = this.#factsOfAll(row, held, { events, partners }, open, strays)
    if (known.length === 0) {
      held.evidence.push('held since before the recording began')
      return [held]
    }
    const leaked = known.filter(each => each.certainty !== undefined).sort(byLikelihood)
    // All that keeps memunmap_pages() waiting on this page is one finding, even if several holders have a part in it.
    const chosen = leaked[0]?.facts.waits ? leaked.slice(0, 1) : onePerLaw(leaked)
    const isAlone = onePerLaw(known).length === 1
    if (chosen.length > 0 || this.#detailed++ < MAX_DETAILED)
      held.history = this.#naming.history(events, partners, held.count)
    if (chosen.length === 0) {
      this.#tell(held, known.find(({ judged }) => doubtOf(judged)) ?? known[0]!)
      return [held]
    }
    return chosen.map(each => {
      const finding = { ...held, evidence: [...held.evidence], consequences: [] }
      this.#tell(finding, each)
      this.#accuse(row, finding, each, events, isAlone)
      const others = known.filter(other => !chosen.some(one => isOfSameLaw(one, other)))
      const units = others.reduce((sum, other) => sum + other.reference.units, 0)
      if (units > 0 && units + each.units <= held.references)
        finding.evidence.push(
          `${references(units)} of other call sites ${units === 1 ? 'is' : 'are'} out, too, which may be by right`,
        )
      return finding
    })
  }

  /** Returns the references whose get is known, with the evidence on each. Those of one law and call site are combined. */
  #factsOfAll(
    row: number,
    held: Finding,
    lifetime: PairedEvents,
    paired: readonly OpenReference[],
    strays: readonly LifetimeEvent[],
  ): KnownReference[] {
    const { events } = lifetime
    const isJudged = this.#isJudged(row, held)
    const open = paired.map(each => this.#narrowed(each, lifetime))
    const { isEven, isWithin, isOut } = this.#evenness(row, held, open, strays)
    return open.flatMap(reference => {
      const { event, law, units } = reference
      if (!event) return []
      const facts = this.#factsOf(row, events, reference, open, isEven)
      const [oldest = event] = reference.alternatives
      const isBack = ({ ordinal }: LifetimeEvent) => ordinal > oldest.ordinal
      const isEvened = this.#histories.isEvened(row, law)
      const ways = [...strays.filter(put => this.#mayGiveBack(put, law)), ...this.#otherWays(events, law)]
      // So many units as are out cannot have come back by puts of fewer.
      const back = ways.filter(isBack).reduce((sum, { delta }) => sum - delta, 0)
      facts.mayBeBack = facts.hasLaw && (isEvened || back >= units)
      const found = this.#lastFound(row, held, events, reference)
      const judged =
        found === undefined
          ? facts
          : { ...this.#factsOf(row, events, reference, open, isEven, found), mayBeBack: facts.mayBeBack }
      const certainty = isJudged && (isOut(law) || (facts.waits && isWithin)) ? certaintyOf(facts, judged) : undefined
      return [{ reference, event, units, facts, judged, certainty }]
    })
  }

  /**
   * Tells whether the laws and the count agree on how much is out, whether laws have no more out than the count, and of which laws the
   * references are out. A put that is nobody's by the laws explains why less is out than these say, but only for laws whose references
   * it may give back.
   */
  #evenness(row: number, held: Finding, open: readonly OpenReference[], strays: readonly LifetimeEvent[]): Evenness {
    const unitsOf = (some: readonly OpenReference[]) => some.reduce((sum, { units }) => sum + units, 0)
    const out = unitsOf(open)
    // Where the core resets the count, it includes the owner's reference until that is put, although no event took it.
    const isEven = this.#isReset(row) ? held.count - out === 0 || held.count - out === 1 : out === held.references
    // References without a law may have come back in ways that nothing tells; those of laws are out.
    const lawful = open.filter(({ law }) => law !== NO_LAW)
    const isFirm = (law: number) => law !== NO_LAW && !strays.some(put => this.#mayGiveBack(put, law))
    const areFirm = out > held.references && unitsOf(lawful.filter(({ law }) => isFirm(law))) <= held.references
    const isWithin = unitsOf(lawful) <= held.references
    return { isEven, isWithin, isOut: law => isEven || (areFirm && isFirm(law)) }
  }

  /**
   * True for a page whose references may be called leaked. An ordinary page may rightfully be held for ever (page cache, kernel memory),
   * so it is not, unless it is watched and had the same owner all the time.
   */
  #isJudged(row: number, { pagemap }: Finding): boolean {
    const { pages, pagemaps } = this.#ledger
    return pagemaps.list[pagemap]!.device || pages.has(row, PageBit.rested)
  }

  /** Returns a reference with only those alternatives that tasks and visits leave. */
  #narrowed(reference: OpenReference, lifetime: PairedEvents): OpenReference {
    const { book, sites } = this.#ledger
    this.#traffic ??= new Traffic(this.#ledger)
    const siteOf = ({ signature }: LifetimeEvent) => sites.site(signature)
    const alternatives = narrowed(reference, lifetime, this.#traffic.of(reference.law), book, siteOf)
    return { ...reference, alternatives }
  }

  /** True if a put that is not of the law may have given back a reference of it. */
  #mayGiveBack(put: LifetimeEvent, law: number): boolean {
    this.#ways ??= new WaysBack(this.#ledger.kinds, this.#ledger.book)
    return this.#ways.mayGiveBack(put, law)
  }

  /** Adds to a finding who took a reference, and the evidence on it. */
  #tell(finding: Finding, { reference, event, facts, judged, certainty }: KnownReference): void {
    finding.law = reference.law === NO_LAW ? undefined : reference.law
    finding.culprit = this.#naming.actor(event)
    finding.held = { isPin: facts.isPin, doubt: doubtOf(judged) }
    const isLeak = certainty !== undefined
    finding.evidence.push(...leakSentences(this.#ledger, this.#naming, event, reference, facts, isLeak))
  }

  /** @param isOnlyLaw true if no reference of another law is out, which might be the one that had to come back first */
  #accuse(
    row: number,
    finding: Finding,
    known: KnownReference,
    events: readonly LifetimeEvent[],
    isOnlyLaw: boolean,
  ): void {
    const { reference, units } = known
    const certainty = known.certainty!
    if (finding.kind === 'teardown-waits')
      finding.consequences.push({
        kind: 'teardown-waits',
        pfn: finding.pfn,
        time: this.#end,
        count: finding.count,
        actor: finding.culprit!,
      })
    finding.kind = 'leak'
    finding.references = units
    finding.certainty = certainty
    finding.candidates = this.#candidates(row, reference, events)
    const isAlone = finding.candidates.length === 1
    const isSure = isOnlyLaw && reference.law !== NO_LAW
    // Without a law it is not known which put belongs to which get, so another of the page's references may be the leaked one.
    const isBlind = finding.consequences.length > 0 && reference.law === NO_LAW
    const ofCulprit = isBlind ? ofBlind(known.facts) : certainty === 'certain' && !isSure ? 'likely' : certainty
    finding.culpritCertainty = isAlone ? ofCulprit : undefined
    if (!isAlone) finding.culprit = undefined
  }

  /** Returns the gets that may have taken the reference that is out, one for each call site, the likeliest first. */
  #candidates(row: number, reference: OpenReference, events: readonly LifetimeEvent[]): Candidate[] {
    const { event, law, alternatives } = reference
    const { sites, book } = this.#ledger
    const others = law === NO_LAW ? [] : rivalGets(events, law, book)
    const bySite = new Map<number, Candidate>()
    const add = (get: LifetimeEvent, reason: string) => {
      const site = sites.site(get.signature)
      if (!bySite.has(site)) bySite.set(site, { actor: this.#naming.actor(get), reasons: [reason] })
    }
    const isOneOfMany = alternatives.length > 1
    if (isOneOfMany) add(event!, 'it took the oldest of those that may be out')
    else if (law === NO_LAW) add(event!, 'no law has its reference, and no put is left for it')
    else add(event!, 'it took the only one that is out by the laws')
    for (const get of alternatives) if (!this.#isCores(row, get)) add(get, 'its references come back by the same puts')
    for (const get of others) add(get, 'the lifetimes do not tell whether its references come back by these puts')
    return [...bySite.values()]
  }

  /** @param from ordinal of a later event as of which order is counted, instead of that which took the reference */
  #factsOf(
    row: number,
    events: readonly LifetimeEvent[],
    reference: OpenReference,
    open: readonly OpenReference[],
    isEven: boolean,
    from = 0,
  ): LeakFacts {
    const { tasks, pages, sites, anomalies, book, log } = this.#ledger
    this.#traffic ??= new Traffic(this.#ledger)
    const event = reference.event!
    const law = this.#traffic.of(reference.law)
    const lifetimes = this.#traffic.lifetimesOf(pages.pagemap[row]!)
    const traits = sites.traits(event.stack)
    // If several references of the law were taken since none was out, the last one may be the leaked one, unless calls nest.
    const isNested = law.bySameTask === law.all.returned && [...law.byTask.values()].every(({ most }) => most === 0)
    const taken = Math.max(from, isNested ? event.ordinal : (reference.alternatives.at(-1) ?? event).ordinal)
    const others = open.filter(other => other !== reference && !this.#isEviction(other.event))
    const evictions = open.length - others.length - 1
    // What a page table took it has to give back when it maps the page no longer. Without a stack it is not sure that the table took it.
    const mayBeMapped = event.stack === 0 || !this.#ledger.isUnmapped(row)
    const tables = others.filter(other => mayBeMapped && other.event?.mapped)
    const facts: LeakFacts = {
      lawLifetimes: reference.law === NO_LAW ? 0 : book.laws[reference.law]!.touched,
      returned: law.all.returned,
      sure: law.all.sure,
      most: law.all.most,
      since: law.all.since(taken),
      lifetimes: lifetimes.returned,
      mostLifetimes: lifetimes.most,
      sinceLifetimes: lifetimes.since(taken),
      ...law.outFacts,
      ...this.#traffic.keptFacts(reference.law, row),
      outLater: law.held.filter(other => other > taken).length,
      pagesOfLaw: law.pages,
      mayWait: mayWait(law, taken),
      isPartial: this.#traffic.isPartial,
      isHandOut: this.#isHandOut(event.signature),
      ...holderFacts(law, taken, event.pid, pid => this.#naming.poolOf(pid)),
      ...taskFacts(law, taken, event.pid),
      drains: law.all.drains,
      peak: law.all.peak,
      openPages: pages.has(row, PageBit.rested) ? Infinity : this.#openPages(pages.pagemap[row]!),
      takenHere: tasks.ticksOfSignature(event.signature),
      hasLaw: reference.law !== NO_LAW,
      isVague: this.#isVague(reference.law),
      hasStack: event.stack !== 0,
      isPin: (traits & StackTrait.GUP) !== 0,
      isEviction: (traits & StackTrait.EVICT) !== 0,
      isLookup: event.op === Op.MOD_UNLESS,
      wasEvicted: events.some(other => other.ordinal > event.ordinal && this.#isEviction(other)),
      exited: (sites.traits(tasks.lastStackOf(event.pid)) & StackTrait.EXIT) !== 0,
      taskEvents: tasks.ticksOf(event.pid) - event.taskSeq - 1,
      waits: (pages.bits[row]! & PageBit.basePut) !== 0,
      isHeadless: (pages.bits[row]! & PageBit.begunEarlier) !== 0,
      isGivenUp: !open.some(other => other.event && this.#isHandOut(other.event.signature)),
      hasHandOut: events.some(({ delta, signature }) => delta > 0 && this.#isHandOut(signature)),
      isMapped: mayBeMapped && event.mapped,
      tables: tables.length,
      others: others.length - tables.length,
      evictions,
      isEven,
      mayBeBack: false,
      mayBeMissing: this.#areEventsMissing || anomalies.unrecorded > 0 || log.incomplete.has(row),
    }
    return isLeftBehind(facts) && this.#areSitesNamed(reference.law) ? { ...facts, isVague: false } : facts
  }

  /** Returns the ordinal of the last event that found the page by this reference, as `lastFound` does. */
  #lastFound(
    row: number,
    { expected }: Finding,
    events: readonly LifetimeEvent[],
    { event, units }: OpenReference,
  ): number | undefined {
    // A page of a watch has others at rest, by which it may be found. Where the core resets the count, the owner's is in it.
    if (this.#ledger.pages.has(row, PageBit.rested)) return undefined
    return lastFound(events, { ordinal: event!.ordinal, delta: units }, this.#isReset(row) ? 0 : expected)
  }

  /** Returns the puts by which references of a law came back in other lifetimes, although they are not of the law. */
  #otherWays(events: readonly LifetimeEvent[], law: number): LifetimeEvent[] {
    const ways = this.#histories.otherWays(law)
    if (ways.size === 0) return []
    return events.filter(put => {
      if (put.delta >= 0) return false
      const other = this.#ledger.book.lawOf(unitKey(put.signature, put.delta))
      // That some put without a law was such a way does not make all of them one.
      return ways.has(other) && (other !== NO_LAW || this.#mayGiveBack(put, law))
    })
  }

  #isVague(law: number): boolean {
    return law !== NO_LAW && (this.#ledger.book.laws[law]!.isAmbiguous || !this.#areSitesNamed(law))
  }

  #areSitesNamed(law: number): boolean {
    if (law === NO_LAW) return false
    return this.#ledger.book.laws[law]!.sites.every(key => this.#naming.frame(signatureOf(key)) !== undefined)
  }

  /** Returns the number of a pagemap's pages that are in use by their count, or may be, where events may be missing. */
  #openPages(pagemap: number): number {
    const { pages } = this.#ledger
    if (this.#open.length === 0)
      for (let row = 0; row < pages.length; row++)
        if (this.#isInUse(row)) this.#open[pages.pagemap[row]!] = (this.#open[pages.pagemap[row]!] ?? 0) + 1
    return this.#open[pagemap] ?? 0
  }

  #isInUse(row: number): boolean {
    const { pages } = this.#ledger
    return (
      pages.has(row, PageBit.open) &&
      (pages.count[row]! > (this.#ledger.idleCount(row) ?? 0) || this.isUsedAtIdleCount(row))
    )
  }

  /** True if a page is in use although it has the count of an idle one, which occurs where the core resets the count. */
  isUsedAtIdleCount(row: number): boolean {
    if (!this.#isReset(row)) return false
    const { open } = pairReferences(this.#ledger.lifeEvents(row), 0, this.#ledger.book)
    return open.some(({ event }) => !this.#isCores(row, event))
  }

  #isEviction(event: LifetimeEvent | undefined): boolean {
    return event !== undefined && event.delta > 0 && (this.#ledger.sites.traits(event.stack) & StackTrait.EVICT) !== 0
  }
}

/**
 * Returns the gets of rival laws that may have taken the reference that is out. Rival call sites occur equally often in all other
 * lifetimes, so if this one has more gets of the law than of its rivals, the law's own get is the one too many.
 */
function rivalGets(events: readonly LifetimeEvent[], law: number, book: LawBook): LifetimeEvent[] {
  const gets = events.filter(({ delta }) => delta > 0)
  const own = gets.filter(({ signature }) => book.lawOf(unitKey(signature, 1)) === law)
  const others = gets.filter(({ signature }) => book.isRival(law, unitKey(signature, 1)))
  const units = (all: readonly LifetimeEvent[]) => all.reduce((sum, { delta }) => sum + delta, 0)
  return units(own) > units(others) ? [] : others
}
