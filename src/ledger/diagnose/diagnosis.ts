// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Turns what was tracked and the laws that were learned into findings. An accusation requires evidence that no correct execution
 * leaves; a reference that is merely held is reported as held. Queries have no side effects.
 */
import { Op, type Recording } from '../../trace/events.ts'
import type { ErrorReport, Finding } from '../findings/finding.ts'
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { Anomaly } from '../track/anomalies.ts'
import type { LifetimeEvent, PageState } from '../track/lifetime-event.ts'
import { PageBit } from '../track/page-state.ts'
import { unitKey } from '../track/unit-key.ts'
import { AnomalyFindings, showsFault } from './anomaly-findings.ts'
import { isConsistent } from './consistency.ts'
import { dismissed } from './dismissed.ts'
import { handOuts } from './hand-outs.ts'
import { ENOUGH } from './leak.ts'
import { addConsequence } from './merge.ts'
import { Naming } from './naming.ts'
import { NeverFreed } from './never-freed.ts'
import { type Holder, OpenFindings } from './open-findings.ts'
import { firstShort, lifetimeBefore, PageHistories, type PageHistory } from './page-history.ts'
import { ProbeFindings } from './probe-findings.ts'
import { RestFindings } from './rest-findings.ts'
import { retryFindings } from './retry-findings.ts'
import { type LifetimeBefore, type Shortage, shortages } from './shortage.ts'
import { ShortageFindings } from './shortage-findings.ts'
import { type UnmapSummary, unmapCalls } from './unmap-calls.ts'

export class Diagnosis {
  readonly #ledger: LearningTracker
  /** End of the recording, or the last event where that is not known. */
  readonly #end: number
  readonly #shortages: ShortageFindings
  readonly #anomalies: AnomalyFindings
  readonly #open: OpenFindings
  readonly #probes: ProbeFindings
  readonly #neverFreed: NeverFreed
  readonly #rests: RestFindings
  readonly #naming: Naming
  readonly #histories: PageHistories
  /** Rows of pages in use of which no finding tells. */
  readonly #unknown = new Set<number>()

  constructor(ledger: LearningTracker, recording: Pick<Recording, 'tasks' | 'info'>) {
    this.#ledger = ledger
    this.#end = Math.max(recording.info.endTime ?? ledger.lastTime, ledger.lastTime)
    const naming = new Naming(ledger.sites, ledger.book, recording)
    const isHandOut = handOuts(ledger.sampleLifetimes())
    this.#naming = naming
    this.#shortages = new ShortageFindings(ledger, naming, isHandOut)
    this.#anomalies = new AnomalyFindings(ledger, naming, this.#shortages)
    this.#histories = new PageHistories(ledger)
    this.#open = new OpenFindings(ledger, naming, isHandOut, this.#histories, this.#end)
    this.#rests = new RestFindings(ledger, naming, recording.info.watched)
    this.#probes = new ProbeFindings(ledger, naming, this.#open, this.#end)
    this.#neverFreed = new NeverFreed(ledger, naming, this.#end)
  }

  /** All findings, accusations first, by time. */
  findings(): Finding[] {
    const { pages, anomalies } = this.#ledger
    const { causes, short } = this.#causes()
    const freed = this.#mergeRests(causes)
    const probed = this.#mergeProbes(causes)
    const open: Finding[] = []
    const held = new Set<number>()
    for (const row of pages.inUse()) {
      const own = anomalies.of(row)
      // After an anomaly that was dismissed, the page's count was not followed, so nothing is claimed of it.
      const findings = own && !causes.has(own) ? [] : this.#open.of(row)
      if (findings.length === 0 && this.isOpen(row)) this.#unknown.add(row)
      const cause = freed.get(row) ?? probed.get(row) ?? (own && causes.get(own)) ?? short.get(row)
      const damage = anomalies.cause(row, pages.pagemap[row]!)
      for (const finding of findings) {
        held.add(finding.pfn)
        const isExplained = damage && finding.kind !== 'held-at-end' && this.#wasHandedOutAgain(row)
        const caused = cause ?? (isExplained ? causes.get(damage) : undefined)
        if (caused) addConsequence(caused, finding)
        else open.push(finding)
      }
    }
    const uncounted = this.#neverFreed.findings()
    for (const { pfn } of uncounted) held.add(pfn)
    return [
      ...new Set([...causes.values(), ...short.values(), ...probed.values(), ...freed.values()]),
      ...uncounted.filter(({ kind }) => kind === 'never-freed'),
      ...open,
      ...uncounted.filter(({ kind }) => kind !== 'never-freed'),
      ...this.#probes.waiting(held),
      ...retryFindings(this.#ledger, this.#naming, this.#open),
    ]
  }

  /**
   * True if the page was handed out while it was in use, as a damaged free list makes happen. Other faults of pages that the list
   * handed out are faults of their own.
   */
  #wasHandedOutAgain(row: number): boolean {
    return this.#ledger.lifeEvents(row).filter(({ op }) => op === Op.SET).length > 1
  }

  /** Returns the findings of anomalies and, by row, of pages on which a law is short although no event was impossible. */
  #causes(): { causes: Map<Anomaly, Finding>; short: Map<number, Finding> } {
    const ledger = this.#ledger
    const histories = this.#histories.byRow
    const sites = {
      slack: ledger.order.slack,
      site: (signature: number) => ledger.sites.site(signature),
      events: (signature: number) => ledger.tasks.ticksOfSignature(signature),
    }
    const before: LifetimeBefore = (page, event, isSought) => lifetimeBefore(ledger, page, event, isSought)
    const shortIn = (history: PageHistory | undefined): Shortage[] =>
      history ? shortages(history, ledger.idleCount(history.row) ?? 0, ledger.book, sites, before) : []
    const causes = new Map<Anomaly, Finding>()
    const { innocent, unrecorded } = dismissed(ledger)
    const judged = ledger.anomalies.list.filter(each => !innocent.has(each) && !this.#mayBeExplainedLater(each))
    const areMissing = ledger.anomalies.unrecorded > 0 || judged.some(each => !showsFault(each, ledger.order.window))
    for (const anomaly of judged) {
      if (unrecorded.has(anomaly)) continue
      const history = histories.get(anomaly.row)
      // If events are missing without a reported gap, only pages whose counts all agree with their recorded changes may be
      // accused.
      if (areMissing && !this.#isFollowed(anomaly, history)) continue
      const found = shortIn(history)
      // If whole lifetimes pass within one step of the clock, the only evidence is the balance of the laws over all lifetimes.
      if (ledger.order.isCoarse && !isClear(found, history)) continue
      const finding = this.#anomalies.of(anomaly, history, found, history ? shortIn(firstShort(history)) : [])
      if (finding) causes.set(anomaly, finding)
    }
    // An impossible event that is nobody's fault shows that events are missing. Puts may be among them.
    if (ledger.anomalies.list.some(each => !innocent.has(each) && !causes.has(each))) this.#open.noteMissing()
    const short = new Map<number, Finding>()
    for (const [row, history] of histories) {
      if (ledger.anomalies.of(row) || !ledger.isCounted(row)) continue
      // Without an impossible event, the only sign of an early free are references that came back afterwards.
      if (areMissing || ledger.order.isCoarse || !this.#mayBeFreedEarly(history)) continue
      const shortage = shortIn(history).find(each => this.#freedEarly(each, history))
      if (shortage) short.set(row, this.#shortages.of(row, shortage, 'likely', false))
    }
    return { causes, short }
  }

  /** False if what is short on a page cannot tell who freed it early: there may be many such pages. */
  #mayBeFreedEarly({ total }: PageHistory): boolean {
    return [...total].some(([law, units]) => units < 0 && (law === NO_LAW || this.#anomalies.isClean(law)))
  }

  /**
   * True if a put that broke a law, or one of a call site that has none and hardly ever occurs or mostly frees pages early, freed
   * the page early: what was out of another law then came back later. A rare path that gives back what others take leaves nothing
   * to come back.
   */
  #freedEarly(shortage: Shortage, { lifetimes }: PageHistory): boolean {
    const { law, isUnique, lifetime } = shortage
    if (!isUnique && !this.#anomalies.isClean(law)) return false
    const late = shortage.deferred.filter(put => this.#mayBeLate(put))
    if (!isUnique) return late.length > 0
    return late.some(({ signature }) => {
      const other = this.#ledger.book.lawOf(unitKey(signature, -1))
      const own = lifetimes.filter(({ balance }) => balance.has(other)).length
      return (lifetime.balance.get(other) ?? 0) > 0 && this.#anomalies.isClean(other, ENOUGH, own)
    })
  }

  /**
   * True if the put's law is over as often as it is short. Where a page is freed early, the law of what comes back late is over
   * first; one that is short more often lacks gets, or has puts of others.
   */
  #mayBeLate({ signature }: LifetimeEvent): boolean {
    const law = this.#ledger.book.laws[this.#ledger.book.lawOf(unitKey(signature, -1))]
    return law !== undefined && law.under <= law.over
  }

  /** Returns the findings of pages that a surplus put freed, by row. Anomalies of such a page become consequences. */
  #mergeRests(causes: Map<Anomaly, Finding>): Map<number, Finding> {
    const freed = this.#rests.all()
    for (const [row, finding] of freed) {
      const own = this.#ledger.anomalies.of(row)
      const caused = own && causes.get(own)
      if (!caused) continue
      addConsequence(finding, caused)
      causes.set(own, finding)
    }
    return freed
  }

  /** True if the page's recorded changes explain all counts that its events read. */
  #isFollowed(anomaly: Anomaly, history: PageHistory | undefined): boolean {
    const idle = this.#ledger.idleCount(anomaly.row) ?? 0
    const closed = (history?.lifetimes ?? []).filter(({ isOpen }) => !isOpen)
    if (!closed.every(({ events }) => isConsistent(events, idle, this.#ledger.order.window))) return false
    return (
      isConsistent(anomaly.life, anomaly.count, this.#ledger.order.window) &&
      anomaly.event.count === anomaly.count + anomaly.event.val
    )
  }

  /**
   * Merges what probes show of a page with the finding that its counts gave: one is the cause, the other a consequence.
   *
   * @param causes findings of anomalies; replaced by the finding of their cause where there is one
   * @returns findings by row
   */
  #mergeProbes(causes: Map<Anomaly, Finding>): Map<number, Finding> {
    const { anomalies, pages } = this.#ledger
    const found = new Map<number, Finding>()
    for (const { finding, row, time, put } of this.#probes.accusations()) {
      const before = found.get(row)
      const anomaly = anomalies.cause(row, pages.pagemap[row]!)
      const counted = anomaly && causes.get(anomaly)
      if (before) addConsequence(before, finding)
      else if (counted && anomaly.event.time <= time) addConsequence(counted, finding, anomaly.event.time === time)
      else {
        found.set(row, finding)
        if (anomaly?.row !== row) continue
        // Consequences of the anomaly are consequences of this finding.
        causes.set(anomaly, finding)
        finding.moreConsequences += counted ? 0 : anomaly.consequences.length
        if (!counted) continue
        if (put && anomaly.event.val < 0) Object.assign(finding, { kind: 'surplus-put', culprit: put, references: 1 })
        addConsequence(finding, counted)
      }
    }
    return found
  }

  /** True if a page is in use at the end, by its count or, where the core resets counts, by its events. */
  isOpen(row: number): boolean {
    const { pages } = this.#ledger
    if (!pages.has(row, PageBit.open) || !this.#ledger.isCounted(row)) return false
    return pages.count[row] !== this.#ledger.idleCount(row) || this.#open.isUsedAtIdleCount(row)
  }

  /** Returns the holders of a page's references in that state, the oldest reference first. */
  holders(state: PageState): Holder[] {
    return this.#open.holders(state)
  }

  /** True for an anomaly so close to the end of the recording that an event stamped later might have explained it. */
  #mayBeExplainedLater(anomaly: Anomaly): boolean {
    return anomaly.kind === 'count-mismatch' && this.#end - anomaly.event.time < this.#ledger.order.window
  }

  /** Returns the calls of memunmap_pages() that probes recorded. */
  unmaps(): UnmapSummary[] {
    return unmapCalls(this.#ledger, this.#naming)
  }

  /** Returns the kernel's own reports. */
  reports(): ErrorReport[] {
    const { reports, pages } = this.#ledger
    return reports.list.map(({ stack, row, pid, ...report }) => {
      const frames = reports.frames(stack)
      return {
        ...report,
        pid,
        frame: frames[0],
        stack: frames,
        task: this.#naming.name(pid),
        page: row < 0 ? undefined : pages.pfn[row]!,
      }
    })
  }

  /** Returns the first pfn of each pagemap in which pages are handed out without a probe. */
  untrustedAllocs(): number[] {
    return this.#probes.untrusted().map(index => this.#ledger.pagemaps.list[index]!.firstPfn)
  }

  /** Returns notes on watched pages of which references taken before the recording were given back. */
  restNotes(): string[] {
    return this.#rests.notes()
  }

  /** Returns the number of open lifetimes of which `findings` could claim nothing, because events are missing. */
  unknownLifetimes(): number {
    return this.#unknown.size + this.#neverFreed.unknown()
  }

  /** Returns the number of pages that are out, by probes alone. */
  outByProbes(): number {
    return this.#neverFreed.out()
  }
}

/** True if one law is short by one on the page, and all others are balanced or have references out that may be rightful. */
function isClear(found: readonly Shortage[], history: PageHistory | undefined): boolean {
  const [only] = found
  if (!history || !only || found.length > 1 || only.law === NO_LAW || only.units > 1) return false
  return history.total.size <= 2
}
