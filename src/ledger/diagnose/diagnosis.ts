// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * From what was tracked and the laws that were learned to findings. An accusation needs evidence that nothing innocent would
 * have left; a reference that is merely held is reported as held. Asking twice gives the same answer.
 */
import type { Recording } from '../../trace/events.ts'
import type { ErrorReport, Finding } from '../findings/finding.ts'
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { Anomaly } from '../track/anomalies.ts'
import type { PageState } from '../track/lifetime-event.ts'
import { PageBit } from '../track/page-state.ts'
import { AnomalyFindings } from './anomaly-findings.ts'
import { isConsistent } from './consistency.ts'
import { dismissed } from './dismissed.ts'
import { handOuts } from './hand-outs.ts'
import { addConsequence } from './merge.ts'
import { Naming } from './naming.ts'
import { NeverFreed } from './never-freed.ts'
import { type Holder, OpenFindings } from './open-findings.ts'
import { lifetimeBefore, type PageHistory, pageHistories } from './page-history.ts'
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

  constructor(ledger: LearningTracker, recording: Pick<Recording, 'tasks' | 'info'>) {
    this.#ledger = ledger
    this.#end = Math.max(recording.info.endTime ?? ledger.lastTime, ledger.lastTime)
    const naming = new Naming(ledger.sites, ledger.book, recording)
    const isHandOut = handOuts(ledger.sampleLifetimes())
    this.#naming = naming
    this.#shortages = new ShortageFindings(ledger, naming, isHandOut)
    this.#anomalies = new AnomalyFindings(ledger, naming, this.#shortages)
    this.#open = new OpenFindings(ledger, naming, isHandOut, this.#end)
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
    for (let row = 0; row < pages.length; row++) {
      const own = anomalies.of(row)
      // What is dismissed has left its page with a count that was not followed.
      if (own && !causes.has(own)) continue
      for (const finding of this.#open.of(row)) {
        held.add(finding.pfn)
        const cause = anomalies.cause(row, pages.pagemap[row]!)
        const caused = freed.get(row) ?? probed.get(row) ?? (cause && causes.get(cause)) ?? short.get(row)
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

  /** Findings of anomalies, and of pages on which a law is short though no event was impossible, by row. */
  #causes(): { causes: Map<Anomaly, Finding>; short: Map<number, Finding> } {
    const ledger = this.#ledger
    const histories = pageHistories(ledger)
    const sites = {
      site: (signature: number) => ledger.sites.site(signature),
      events: (signature: number) => ledger.tasks.ticksOfSignature(signature),
    }
    const shortOn = (row: number): Shortage[] => {
      const history = histories.get(row)
      const before: LifetimeBefore = (page, event) => lifetimeBefore(ledger, page, event)
      return history ? shortages(history, ledger.idleCount(row) ?? 0, ledger.book, sites, before) : []
    }
    const causes = new Map<Anomaly, Finding>()
    const { innocent, unrecorded } = dismissed(ledger)
    const judged = ledger.anomalies.list.filter(each => !innocent.has(each) && !this.#mayBeExplainedLater(each))
    for (const anomaly of judged) {
      if (unrecorded.has(anomaly)) continue
      const history = histories.get(anomaly.row)
      // Where events are missing without a mark, a page may be accused only if no count that was read speaks of one there.
      if (ledger.anomalies.unrecorded > 0 && !this.#isFollowed(anomaly, history)) continue
      const found = shortOn(anomaly.row)
      // Where whole lifetimes pass between two steps of the clock, only what laws add up to over all of them says something.
      if (ledger.order.isCoarse && !isClear(found, history)) continue
      const finding = this.#anomalies.of(anomaly, history, found)
      if (finding) causes.set(anomaly, finding)
    }
    // What is impossible and nobody's fault shows that events are missing, and puts may be among them.
    if (judged.some(anomaly => !causes.has(anomaly))) this.#open.noteMissing()
    const short = new Map<number, Finding>()
    for (const row of histories.keys()) {
      if (ledger.anomalies.of(row) || !ledger.isCounted(row)) continue
      // Without an impossible event, only references that came back too late show that the page was freed early.
      if (ledger.anomalies.unrecorded > 0 || ledger.order.isCoarse) continue
      const shortage = shortOn(row).find(each => each.deferred.length > 0 && this.#anomalies.isClean(each.law))
      if (shortage) short.set(row, this.#shortages.of(row, shortage, 'likely', false))
    }
    return { causes, short }
  }

  /** Findings of pages that were freed by a put too many, by row: what was found on such a page is a consequence. */
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

  /** True if all counts that were read on the page are those that its recorded changes explain. */
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
   * What probes show of a page that has gone wrong by its count is one of the same fault's consequences, or its cause.
   *
   * @param causes findings of anomalies; of those with a cause of their own, that
   * @returns findings by page
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
        // What follows from the anomaly follows from this.
        causes.set(anomaly, finding)
        finding.moreConsequences += counted ? 0 : anomaly.consequences.length
        if (!counted) continue
        if (put && anomaly.event.val < 0) Object.assign(finding, { kind: 'surplus-put', culprit: put, references: 1 })
        addConsequence(finding, counted)
      }
    }
    return found
  }

  /** True if somebody uses a page that has the count of an idle one, as it may where the core sets the count back. */
  isUsedAtIdleCount(row: number): boolean {
    return this.#open.isUsedAtIdleCount(row)
  }

  /** Who holds a page's references in that state, oldest first. */
  holders(state: PageState): Holder[] {
    return this.#open.holders(state)
  }

  /** What contradicts the count at the very end may be explained by an event whose stamp came after it. */
  #mayBeExplainedLater(anomaly: Anomaly): boolean {
    return anomaly.kind === 'count-mismatch' && this.#end - anomaly.event.time < this.#ledger.order.window
  }

  /** The calls of memunmap_pages() that probes tell of. */
  unmaps(): UnmapSummary[] {
    return unmapCalls(this.#ledger, this.#naming)
  }

  /** What the kernel itself reported. */
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

  /** Pagemaps in which pages are handed out without a probe, by the first page of each. */
  untrustedAllocs(): number[] {
    return this.#probes.untrusted().map(index => this.#ledger.pagemaps.list[index]!.firstPfn)
  }

  /** Watched pages of which references of before the recording were given back, by right or not. */
  restNotes(): string[] {
    return this.#rests.notes()
  }

  /** Open lifetimes about which nothing can be said, because events were lost. */
  unknownLifetimes(): number {
    const { pages } = this.#ledger
    let unknown = 0
    for (let row = 0; row < pages.length; row++)
      if (this.#ledger.isCounted(row) && pages.bits[row]! & PageBit.open && !this.#ledger.mayClaim(row)) unknown++
    return unknown + this.#neverFreed.unknown()
  }

  /** Pages that are out by probes alone. */
  outByProbes(): number {
    return this.#neverFreed.out()
  }
}

/** True if one law is short by one on the page and all others are even, or over by what may rightly be out. */
function isClear(found: readonly Shortage[], history: PageHistory | undefined): boolean {
  const [only] = found
  if (!history || !only || found.length > 1 || only.law === NO_LAW || only.units > 1) return false
  return history.total.size <= 2
}
