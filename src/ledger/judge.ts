// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * From what the ledger met and what is still open at its end to findings. An accusation needs evidence that nothing
 * innocent would have left; a reference that is merely held is reported as held.
 */
import type { TaskTable } from '../trace/events.ts'
import type { ErrorReport, Finding } from './findings.ts'
import { IncidentFindings } from './incident-findings.ts'
import type { Ledger } from './ledger.ts'
import { Naming } from './naming.ts'
import { type Holder, OpenFindings } from './open-findings.ts'
import { ProbeFindings } from './probe-findings.ts'
import { Remedies } from './remedies.ts'
import { retryFindings } from './retry-findings.ts'
import type { Anomaly as Incident } from './track/anomalies.ts'
import type { PageState } from './track/lifetime-event.ts'
import { ORDER_WINDOW } from './track/order-limits.ts'
import { PageBit } from './track/page-state.ts'

const MAX_CONSEQUENCES = 16

/** Pages that may go wrong in one recording in the same way, each by a fault of its own. */
const FEW = 4
/** One in so many of a pagemap's used pages is more than single faults make. */
const MANY = 8

export class Judge {
  readonly #ledger: Ledger
  /** End of the recording, or the last event where that is not known. */
  readonly #end: number
  readonly #incidents: IncidentFindings
  readonly #open: OpenFindings
  readonly #probes: ProbeFindings
  readonly #naming: Naming

  constructor(ledger: Ledger, tasks: TaskTable, endTime: number | undefined) {
    this.#ledger = ledger
    this.#end = Math.max(endTime ?? ledger.lastTime, ledger.lastTime)
    const naming = new Naming(ledger.sites, tasks)
    const remedies = new Remedies(ledger.model, ledger.shapes, ledger.sites)
    this.#incidents = new IncidentFindings(ledger, naming, remedies)
    this.#open = new OpenFindings(ledger, naming, remedies, this.#end)
    this.#probes = new ProbeFindings(ledger, naming, this.#open, this.#end)
    this.#naming = naming
  }

  /** All findings, accusations first, by time. */
  findings(): Finding[] {
    const ledger = this.#ledger
    const causes = new Map<Incident, Finding>()
    const dismissed = new Set([...this.#smallTeardowns(), ...this.#unrecordedPuts()])
    for (const incident of ledger.anomalies.list) {
      if (dismissed.has(incident) || this.#mayBeExplainedLater(incident)) continue
      const finding = this.#incidents.of(incident)
      if (finding) causes.set(incident, finding)
    }
    const probed = this.#mergeProbes(causes)
    const open: Finding[] = []
    const held = new Set<number>()
    for (let row = 0; row < ledger.pages.length; row++) {
      const own = ledger.anomalies.of(row)
      // What is dismissed has left its page with a count that was not followed.
      if (own && !causes.has(own)) continue
      const finding = this.#open.of(row)
      if (!finding) continue
      held.add(finding.pfn)
      const cause = ledger.anomalies.cause(row, ledger.pages.pagemap[row]!)
      const caused = probed.get(row) ?? (cause && causes.get(cause))
      if (caused) this.#addConsequence(caused, finding)
      else open.push(finding)
    }
    this.#open.acquit()
    return [
      ...new Set([...causes.values(), ...probed.values()]),
      ...open,
      ...this.#probes.waiting(pfn => held.has(pfn)),
      ...retryFindings(this.#ledger, this.#naming, this.#open),
    ]
  }

  /**
   * What probes show of a page that has gone wrong by its count is one of the same fault's consequences, or its cause.
   *
   * @param causes findings of incidents; of those with a cause of their own, that
   * @returns findings by page
   */
  #mergeProbes(causes: Map<Incident, Finding>): Map<number, Finding> {
    const { anomalies: incidents, pages } = this.#ledger
    const found = new Map<number, Finding>()
    for (const { finding, row, time, put } of this.#probes.accusations()) {
      const before = found.get(row)
      const incident = incidents.cause(row, pages.pagemap[row]!)
      const counted = incident && causes.get(incident)
      if (before) this.#addConsequence(before, finding)
      else if (counted && incident.event.time <= time)
        this.#addConsequence(counted, finding, incident.event.time === time)
      else {
        found.set(row, finding)
        if (incident?.row !== row) continue
        // What follows from the incident follows from this.
        causes.set(incident, finding)
        finding.moreConsequences += counted ? 0 : incident.consequences.length
        if (!counted) continue
        if (put && incident.event.val < 0) Object.assign(finding, { kind: 'surplus-put', culprit: put, references: 1 })
        this.#addConsequence(finding, counted)
      }
    }
    return found
  }

  /** Who holds a page's references in that state, oldest first. */
  holders(state: PageState): Holder[] {
    return this.#open.holders(state)
  }

  /** What contradicts the count at the very end may be explained by an event whose stamp came after it. */
  #mayBeExplainedLater(incident: Incident): boolean {
    return incident.kind === 'count-mismatch' && this.#end - incident.event.time < ORDER_WINDOW
  }

  /**
   * Without stacks, memunmap_pages() of a small pagemap is known only by what it leaves: one task put every idle page,
   * and none was touched again.
   */
  #smallTeardowns(): ReadonlySet<Incident> {
    const { anomalies: incidents, pages, pagemaps, sites } = this.#ledger
    const groups = new Map<string, Incident[]>()
    for (const incident of incidents.list) {
      const { event, row, kind, consequences } = incident
      if (kind !== 'put-on-free-page' || sites.isTelling(event.stack) || incident.idle !== 1 || consequences.length > 0)
        continue
      if (pages.count[row] !== 0) continue
      const key = `${pages.pagemap[row]} ${event.pid}`
      groups.set(key, [...(groups.get(key) ?? []), incident])
    }
    const found = [...groups].filter(([key]) => {
      const pagemap = Number.parseInt(key, 10)
      return this.#goneFrom(pagemap) * 2 > pagemaps.list[pagemap]!.pages
    })
    return new Set(found.flatMap(([, all]) => all))
  }

  /**
   * Pages that were handed out while others held them, if many of a pagemap were: then it is the puts that were not
   * recorded. A driver that forgets them all would soon have no free pages.
   */
  #unrecordedPuts(): Incident[] {
    const { anomalies: incidents, pages } = this.#ledger
    const groups = new Map<number, Incident[]>()
    for (const incident of incidents.list) {
      if (incident.kind !== 'count-mismatch') continue
      const pagemap = pages.pagemap[incident.row]!
      groups.set(pagemap, [...(groups.get(pagemap) ?? []), incident])
    }
    const found = [...groups].filter(([pagemap, all]) => all.length > FEW && all.length * MANY > this.#usedOf(pagemap))
    const all = found.flatMap(([, each]) => each)
    for (const { row, event } of all) incidents.addUnrecorded(row, event.time)
    return all
  }

  /** Pages of that pagemap that were in use and are seen to have come back, or have gone wrong. */
  #usedOf(pagemap: number): number {
    const { pages } = this.#ledger
    let used = 0
    for (let row = 0; row < pages.length; row++) {
      const isUsed = pages.lastClosed[row] !== 0 || (pages.bits[row]! & PageBit.anomalous) !== 0
      if (pages.pagemap[row] === pagemap && isUsed) used++
    }
    return used
  }

  /** Pages of that pagemap that stand at zero or below. */
  #goneFrom(pagemap: number): number {
    const { pages } = this.#ledger
    let gone = 0
    for (let row = 0; row < pages.length; row++) if (pages.pagemap[row] === pagemap && pages.count[row]! <= 0) gone++
    return gone
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

  /** Open lives about which nothing can be said, because events were lost. */
  unknownLives(): number {
    const { pages, gaps } = this.#ledger
    let unknown = 0
    for (let row = 0; row < pages.length; row++) {
      if (!this.#ledger.isCounted(row)) continue
      const open = (pages.bits[row]! & PageBit.open) !== 0
      if (open && (pages.bits[row]! & (PageBit.lossy | PageBit.countUncertain) || pages.epoch[row] !== gaps.epoch))
        unknown++
    }
    return unknown
  }

  /** @param isSame the finding says the same of the same event */
  #addConsequence(cause: Finding, finding: Finding, isSame = false): void {
    if (isSame) {
      cause.evidence.push(...finding.evidence)
      return
    }
    if (!finding.culprit || cause.consequences.length >= MAX_CONSEQUENCES) {
      cause.moreConsequences++
      return
    }
    cause.consequences.push({
      kind: finding.kind === 'leak' ? 'held-at-end' : finding.kind,
      pfn: finding.pfn,
      time: finding.culprit.time,
      count: finding.count,
      actor: finding.culprit,
    })
  }
}
