// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * From what the ledger met and what is still open at its end to findings. An accusation needs evidence that nothing
 * innocent would have left; a reference that is merely held is reported as held.
 */
import type { TaskTable } from '../trace/events.ts'
import { OP_NAMES } from '../trace/events.ts'
import type { Actor, Certainty, ConsequenceFinding, Finding, HistoryEvent } from './findings.ts'
import { StackTrait } from './frames.ts'
import type { Incident } from './incidents.ts'
import type { Ledger, PageState } from './ledger.ts'
import type { LedgerEvent, LifeEvent } from './life.ts'
import { marginOf, putMarginOf, type SolvedLife, solveLife, type Unreturned } from './lives.ts'
import { MAX_SOLVED } from './matching.ts'
import { ORDER_WINDOW } from './order.ts'
import { PageBit } from './pages.ts'
import { SHAPE_STRIDE } from './shapes.ts'

/** Times the longest hold of its kind after which a reference has been held for too long. */
const TOO_LONG = 2
/** Lives that must have returned a reference of a site before "always" means something. */
const ALWAYS = 3
/** Later events of a task, and later references of a site, that count as "went on". */
const WENT_ON = 50
const OVERTAKEN = 30
/** Pages that are merely held whose history is kept; a device may have a million pages in use. */
const MAX_DETAILED = 2000
/** Events of an ordinary page's life that are looked at to name its holder: such pages come by the hundred thousand. */
const MAX_ORDINARY = 32
/** Probability below which a pair of sites is one that the recording's other lives do not have. */
const STRANGE_PAIR = 0.05
/** Share of a site's references that go back at the other site, from which a pair is nothing unusual. */
const USUAL_PAIR = 0.2
/** Bits of margin below which an attribution is not called certain. */
const CLEAR_MARGIN = 3

/** A reference that is out, and who took it; without actor: held since before the recording. */
export interface Holder {
  actor: Actor | undefined
  units: number
  margin: number | undefined
  counterpart: Finding['counterpart']
}

/** References of one site that may be out at the end as an exception. */
const FEW_OUT = 2

/** A reference that is called leaked for what it has in common with no other, before all others are known. */
interface Suspect {
  finding: Finding
  signature: number
  ordinal: number
  /** References taken at its site later. */
  passed: number
  returned: number
  longestOfAll: boolean
}

export class Judge {
  readonly #ledger: Ledger
  readonly #tasks: TaskTable
  /** End of the recording, or the last event where that is not known. */
  readonly #end: number
  readonly #longestOf = new Map<number, number>()
  #detailed = 0
  #longest = 0
  /** Per signature, the ordinals of its references that are still out. */
  readonly #out = new Map<number, number[]>()
  readonly #suspects: Suspect[] = []

  constructor(ledger: Ledger, tasks: TaskTable, endTime: number | undefined) {
    this.#ledger = ledger
    this.#tasks = tasks
    this.#end = Math.max(endTime ?? ledger.lastTime, ledger.lastTime)
    this.#measureHolds()
  }

  /** All findings, accusations first, by time. */
  findings(): Finding[] {
    const ledger = this.#ledger
    const causes = new Map<Incident, Finding>()
    const teardown = this.#smallTeardowns()
    for (const incident of ledger.incidents.list) {
      if (teardown.has(incident) || this.#mayBeExplainedLater(incident)) continue
      const finding = this.#incidentFinding(incident)
      if (finding) causes.set(incident, finding)
    }
    const open: Finding[] = []
    for (let row = 0; row < ledger.pages.length; row++) {
      const finding = this.#openFinding(row)
      if (!finding) continue
      const cause = ledger.incidents.cause(row, ledger.pages.pagemap[row]!)
      const caused = cause && causes.get(cause)
      if (caused) this.#addConsequence(caused, finding)
      else open.push(finding)
    }
    this.#acquit()
    return [...causes.values(), ...open]
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
    const { incidents, pages, pagemaps } = this.#ledger
    const groups = new Map<string, Incident[]>()
    for (const incident of incidents.list) {
      const { event, row, kind, consequences } = incident
      if (kind !== 'put-on-free-page' || event.stack !== 0 || incident.idle !== 1 || consequences.length > 0) continue
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
   * A recording that ends in the middle of normal work has many references out that will all come back. So a leak needs
   * a recording in which lives end, and a reference that is the exception of its site: nearly alone, overtaken by
   * others, or out for longer than anything.
   */
  #acquit(): void {
    const { lives } = this.#ledger
    for (const { finding, signature, ordinal, passed, returned, longestOfAll } of this.#suspects) {
      const out = this.#out.get(signature)!
      const outLater = out.filter(other => other > ordinal).length
      // Without stacks all sites look alike, so that neither their number nor their order says anything.
      const stacks = this.#ledger.sites.actingFrame(signature) !== undefined
      const few = stacks ? Math.max(FEW_OUT, returned / 10) : FEW_OUT
      const isException = out.length <= few || (stacks && passed - outLater >= OVERTAKEN) || longestOfAll
      if (lives.complete >= ALWAYS && isException) continue
      finding.kind = 'held-at-end'
      finding.certainty = 'certain'
    }
  }

  /** Pages of that pagemap that stand at zero or below. */
  #goneFrom(pagemap: number): number {
    const { pages } = this.#ledger
    let gone = 0
    for (let row = 0; row < pages.length; row++) if (pages.pagemap[row] === pagemap && pages.count[row]! <= 0) gone++
    return gone
  }

  /** Open lives about which nothing can be said, because events were lost. */
  unknownLives(): number {
    const { pages, gaps } = this.#ledger
    let unknown = 0
    for (let row = 0; row < pages.length; row++) {
      if (!this.#ledger.isCounted(row)) continue
      const open = (pages.bits[row]! & PageBit.OPEN) !== 0
      if (open && (pages.bits[row]! & (PageBit.LOSSY | PageBit.DOUBT) || pages.epoch[row] !== gaps.epoch)) unknown++
    }
    return unknown
  }

  /** Who holds a page's references in that state, oldest first. */
  holders(state: PageState): Holder[] {
    if (state.events.length > MAX_SOLVED) return []
    const { model } = this.#ledger
    const solved = solveLife(state.events, state.heldBefore, model)
    return solved.unreturned.map(({ event, reference, units }) => ({
      actor: event && this.#actor(event),
      units,
      margin: marginOf(solved, reference.signature, model),
      counterpart: this.#usualPut(reference.signature),
    }))
  }

  // --- what was met while reading -----------------------------------------------------------------------------------

  #incidentFinding(incident: Incident): Finding | undefined {
    const { pages, pagemaps } = this.#ledger
    const pagemap = pages.pagemap[incident.row]!
    const rule = pagemaps.list[pagemap]!.rule
    // The rule may have become clear only later.
    if (!rule || (incident.kind === 'get-on-free-page' && rule.idle === 0 && rule.handOut === 'get')) return undefined
    const finding: Finding = {
      kind: incident.kind,
      pfn: pages.pfn[incident.row]!,
      pagemap,
      history: [],
      life: { began: (incident.life[0] ?? incident.lastLife[0])?.time, ended: incident.lastLife.at(-1)?.time },
      count: incident.count,
      expected: incident.idle,
      certainty: 'certain',
      margin: undefined,
      culprit: this.#actor(incident.event),
      counterpart: undefined,
      references: Math.abs(incident.event.val),
      consequences: incident.consequences.map(each => ({
        kind: each.kind,
        pfn: pages.pfn[each.row]!,
        time: each.event.time,
        count: each.count,
        actor: this.#actor(each.event),
      })),
      moreConsequences: incident.moreConsequences,
      evidence: [],
    }
    this.#explainIncident(incident, finding)
    if (finding.history.length === 0) {
      const events = [...incident.lastLife, ...incident.life, violatingEvent(incident)]
      if (events.length <= MAX_SOLVED)
        finding.history = this.#history(
          events,
          solveLife(events, 0, this.#ledger.model),
          incident.count + incident.event.val,
        )
    }
    return finding
  }

  #explainIncident(incident: Incident, finding: Finding): void {
    const { evidence } = finding
    const last = incident.lastLife.at(-1)
    if (incident.freedTwice)
      evidence.push('the page went back to its driver twice without having been handed out in between')
    switch (incident.kind) {
      case 'get-on-free-page':
        evidence.unshift(
          `the count was ${incident.count}, that of an idle page, and only ${this.#handOutWords(incident)} takes such a page into use`,
        )
        this.#explainStrangeGet(incident, finding)
        this.#findEarlyPut(incident, finding)
        break
      case 'put-on-free-page':
      case 'surplus-put':
        evidence.unshift(
          `the count was ${incident.count} when this put came; a page that nobody holds stands at ${incident.idle}`,
        )
        this.#findSurplusPut(incident, finding)
        break
      case 'count-mismatch':
        this.#explainMismatch(incident, finding)
    }
    if (last && last.delta < 0)
      evidence.push(
        `its last reference had been put ${this.#ago(last.time, incident.event.time)} before by ${this.#name(last.signature)}`,
      )
  }

  #handOutWords(incident: Incident): string {
    const { pages, pagemaps } = this.#ledger
    const { votes, rule } = pagemaps.list[pages.pagemap[incident.row]!]!
    return rule?.handOut === 'set' ? `a set of the count (${votes.setAtZero} in this pagemap)` : 'the core'
  }

  #explainStrangeGet(incident: Incident, finding: Finding): void {
    const { model, pages, pagemaps, tasks } = this.#ledger
    const lives = Math.round(model.returned(incident.event.signature))
    if (lives >= ALWAYS) {
      finding.evidence.push(
        `${lives} other references were taken here on pages in use: this page may have been handed out without its initialisation`,
      )
    } else if (tasks.ticksOfSignature(incident.event.signature) === 1) {
      finding.evidence.push('no other reference in the recording was taken here')
    }
    if (pagemaps.list[pages.pagemap[incident.row]!]!.votes.setAtZero < ALWAYS) finding.certainty = 'likely'
  }

  /** One put too many: which of the life's puts fits least. */
  #findSurplusPut(incident: Incident, finding: Finding): void {
    const { model } = this.#ledger
    const violating = violatingEvent(incident)
    const events = [...(incident.life.length > 0 ? incident.life : incident.lastLife), violating]
    if (events.length > MAX_SOLVED) return
    const solved = solveLife(events, 0, model)
    const worst = solved.surplus.at(-1)
    const signature = worst?.reference.signature ?? incident.event.signature
    const best = model.best('put', signature)
    if (best) {
      finding.counterpart = { frame: this.#frame(best.partner), lives: Math.round(best.lives) }
      finding.evidence.push(
        `${Math.round(best.lives)} other puts by ${this.#name(signature)} gave back what ${this.#name(best.partner)} had taken; here no such reference was left`,
      )
    } else {
      finding.evidence.push(`no reference in the recording was ever given back by ${this.#name(signature)}`)
    }
    const margin = putMarginOf(solved, signature, model)
    finding.margin = margin
    const clear = (margin ?? 0) >= CLEAR_MARGIN
    if (!worst || worst.event === violating || signature === incident.event.signature) {
      // A site that gives back what others took may have found it gone: then an earlier put, elsewhere, was the one too many.
      if (!clear || best || !this.#isUsual(solved)) finding.certainty = 'likely'
      return
    }
    if (clear) this.#blamePut(incident, finding, worst.event)
    else finding.certainty = 'possible'
  }

  /** The event on a free page was rightful: another put had freed the page too early. */
  /** Whether all references of a life went the way that others of their sites did: then none of its puts was another's. */
  #isUsual({ life, matching }: SolvedLife): boolean {
    const { model, sites } = this.#ledger
    return matching.matches.every(({ get, put }) => {
      const from = life.gets[get]!
      const to = life.puts[put]!
      if (!sites.actingFrame(from.signature) || from.mapped !== to.mapped) return false
      return model.returned(from.signature) >= ALWAYS && model.probability(from.signature, to.signature) > USUAL_PAIR
    })
  }

  #blamePut(incident: Incident, finding: Finding, put: LifeEvent): void {
    finding.consequences.unshift(this.#consequenceOf(incident.kind, finding.pfn, incident.event, incident.count))
    finding.kind = 'surplus-put'
    finding.certainty = 'likely'
    finding.culprit = this.#actor(put)
  }

  /** A life that ended with a pair of sites that never belong together was ended by a put too many. */
  #findEarlyPut(incident: Incident, finding: Finding): void {
    const { model } = this.#ledger
    const { lastLife } = incident
    if (lastLife.length === 0) return
    if (lastLife.length > MAX_SOLVED) {
      finding.certainty = 'likely'
      return
    }
    const solved = solveLife(lastLife, 0, model)
    if (!this.#isUsual(solved)) finding.certainty = 'likely'
    for (const { get, put } of solved.matching.matches) {
      const from = solved.life.gets[get]!
      const to = solved.life.puts[put]!
      if (model.returned(from.signature) < ALWAYS || model.probability(from.signature, to.signature) > STRANGE_PAIR)
        continue
      finding.evidence.push(
        `the life before ended in a way of its own: ${this.#name(to.signature)} gave back what ${this.#name(from.signature)} had taken`,
      )
      this.#blamePut(incident, finding, lastLife[to.position]!)
      return
    }
  }

  #explainMismatch(incident: Incident, finding: Finding): void {
    const { event, count } = incident
    finding.certainty = 'likely'
    if (event.op === 0) {
      finding.evidence.push(
        `the page was handed out while its count was ${count}, so ${count - incident.idle} reference(s) to it were out`,
      )
      return
    }
    const said = OP_NAMES[event.op]!.endsWith('return')
      ? `returned ${event.ret}`
      : event.ret !== 0
        ? 'hit zero'
        : 'did not hit zero'
    finding.evidence.push(
      `by all recorded events the count was ${count} before this one (${event.val}), yet it ${said}: the count was changed without an event`,
    )
  }

  // --- what is open at the end ----------------------------------------------------------------------------------------

  #openFinding(row: number): Finding | undefined {
    const { pages, gaps } = this.#ledger
    const bits = pages.bits[row]!
    if (!(bits & PageBit.OPEN) || bits & (PageBit.LOSSY | PageBit.DOUBT) || pages.epoch[row] !== gaps.epoch)
      return undefined
    if (!this.#ledger.isCounted(row)) return undefined
    const idle = this.#ledger.idleCount(row) ?? 0
    const count = pages.count[row]!
    if (bits & PageBit.FROZEN || count <= idle) return undefined
    const events = this.#ledger.lifeEvents(row)
    const finding = this.#heldFinding(row, count, idle, events)
    if (!this.#ledger.pagemaps.list[pages.pagemap[row]!]!.device) return this.#ordinaryFinding(row, finding, events)
    if (events.length <= MAX_SOLVED)
      this.#attribute(row, finding, events, solveLife(events, this.#ledger.stateOf(row).heldBefore, this.#ledger.model))
    else
      finding.evidence.push(
        `its life has ${events.length} events without an idle moment: too many to tell whose reference stayed`,
      )
    return finding
  }

  /** An ordinary page may be held for ever by right (a page cache, a kernel's own memory): it is never called leaked. */
  #ordinaryFinding(row: number, finding: Finding, events: LifeEvent[]): Finding {
    if (events.length > MAX_ORDINARY) return finding
    const { model } = this.#ledger
    const solved = solveLife(events, this.#ledger.stateOf(row).heldBefore, model)
    const oldest = solved.unreturned.find(each => each.event !== undefined)
    if (oldest) {
      finding.culprit = this.#actor(oldest.event!)
      finding.counterpart = this.#usualPut(oldest.reference.signature)
    }
    return finding
  }

  #heldFinding(row: number, count: number, idle: number, events: LifeEvent[]): Finding {
    const { pages } = this.#ledger
    const waits = (pages.bits[row]! & PageBit.UNMAPPED) !== 0
    return {
      kind: waits ? 'teardown-waits' : 'held-at-end',
      pfn: pages.pfn[row]!,
      pagemap: pages.pagemap[row]!,
      life: { began: events[0]?.time, ended: undefined },
      history: [],
      count,
      expected: idle,
      certainty: 'certain',
      margin: undefined,
      culprit: undefined,
      counterpart: undefined,
      references: count - idle,
      consequences: [],
      moreConsequences: 0,
      evidence: [],
    }
  }

  /** Names the holder of an open life's references, and accuses it where the evidence is enough. */
  #attribute(row: number, finding: Finding, events: LifeEvent[], solved: SolvedLife): void {
    const known = solved.unreturned.filter(each => each.event !== undefined)
    const verdicts = known.map(each => ({ each, evidence: this.#leakEvidence(row, events, each, solved) }))
    const guilty = verdicts.find(verdict => verdict.evidence.certainty !== undefined)
    const chosen = guilty ?? verdicts[0]
    if (!chosen) {
      finding.evidence.push('held since before the recording began')
      return
    }
    const { event, reference } = chosen.each
    finding.culprit = this.#actor(event!)
    if (guilty || this.#detailed++ < MAX_DETAILED) {
      finding.history = this.#history(events, solved, finding.count)
      finding.margin = marginOf(solved, reference.signature, this.#ledger.model)
    }
    finding.counterpart = this.#usualPut(reference.signature)
    finding.evidence.push(...chosen.evidence.sentences)
    for (const { each } of verdicts) {
      if (each === chosen.each) continue
      finding.consequences.push(this.#consequenceOf('held-at-end', finding.pfn, each.event!, finding.count))
    }
    const { signature } = reference
    const out = this.#out.get(signature)
    if (out) out.push(event!.signatureSeq)
    else this.#out.set(signature, [event!.signatureSeq])
    if (!guilty) return
    if (!guilty.evidence.proven) {
      this.#suspects.push({
        finding,
        signature,
        ordinal: event!.signatureSeq,
        passed: this.#ledger.tasks.ticksOfSignature(signature) - event!.signatureSeq - 1,
        returned: Math.round(this.#ledger.model.returned(signature)),
        longestOfAll: this.#longest > 0 && this.#end - event!.time > TOO_LONG * this.#longest,
      })
    }
    const waits = finding.kind === 'teardown-waits'
    finding.kind = 'leak'
    finding.references = chosen.each.units
    finding.certainty = this.#withMargin(guilty.evidence.certainty!, finding.margin)
    if (waits) {
      finding.consequences.push({
        kind: 'teardown-waits',
        pfn: finding.pfn,
        time: this.#end,
        count: finding.count,
        actor: finding.culprit,
      })
    }
  }

  #withMargin(certainty: Certainty, margin: number | undefined): Certainty {
    return certainty === 'certain' && margin !== undefined && margin < CLEAR_MARGIN ? 'likely' : certainty
  }

  #usualPut(signature: number): Finding['counterpart'] {
    const best = this.#ledger.model.best('get', signature)
    return best && { frame: this.#frame(best.partner), lives: Math.round(best.lives) }
  }

  /** Whether a reference that is out will come back, by all that the recording shows. */
  #leakEvidence(
    row: number,
    events: LifeEvent[],
    each: Unreturned,
    solved: SolvedLife,
  ): { certainty: Certainty | undefined; sentences: string[]; proven?: boolean } {
    const { tasks, model, pages, sites } = this.#ledger
    const event = each.event!
    const { signature } = each.reference
    const sentences: string[] = []
    const held = this.#end - event.time
    const returned = Math.round(model.returned(signature))
    const longest = this.#longestOf.get(signature) ?? 0
    const best = model.best('get', signature)
    if (returned >= ALWAYS && best) {
      sentences.push(
        `${returned} other references taken here all came back, ${Math.round(best.lives)} of them by ${this.#name(best.partner)}`,
      )
    } else if (returned === 0) sentences.push('no reference taken here ever came back')
    const tooLong = returned >= ALWAYS && held > TOO_LONG * longest
    if (tooLong)
      sentences.push(
        `held for ${duration(held)}; no life with a reference taken here lasted longer than ${duration(longest)}`,
      )
    const longestOfAll = held > TOO_LONG * this.#longest && this.#longest > 0
    if (!tooLong && longestOfAll)
      sentences.push(
        `held for ${duration(held)}; no life in the recording lasted longer than ${duration(this.#longest)}`,
      )
    const evicted = this.#evictions(events, event)
    const others = solved.unreturned.filter(other => other !== each && !evicted.includes(other.event!))
    const tables = others.filter(other => other.reference.mapped)
    const alone = others.length === tables.length && !this.#mayBeMapped(row, each, tables)
    if (alone) sentences.push(aloneWords(tables.length))
    const later = tasks.ticksOf(event.pid) - event.taskSeq - 1
    const wentOn = later >= WENT_ON
    if (wentOn) sentences.push(`its task went on: ${later} more events of ${this.#tasks.name(event.pid)}-${event.pid}`)
    const passed = tasks.ticksOfSignature(signature) - event.signatureSeq - 1
    const overtaken = passed >= OVERTAKEN
    if (overtaken && returned >= ALWAYS)
      sentences.push(`${passed} references taken here later are no longer out, but for those listed`)
    if (evicted.length > 0)
      sentences.push(`an eviction of its pagemap came by at ${seconds(evicted[0]!.time)} and could not free it`)
    const waits = (pages.bits[row]! & PageBit.UNMAPPED) !== 0
    if (waits) sentences.push('memunmap_pages() has put the base reference and waits for this page')
    if (pages.bits[row]! & PageBit.HEADLESS && !waits) return { certainty: undefined, sentences }
    if (waits) return { certainty: event.stack === 0 ? 'likely' : 'certain', sentences, proven: true }
    if (sites.traits(event.stack) & StackTrait.EVICT) return { certainty: undefined, sentences }
    const isGup = (sites.traits(event.stack) & StackTrait.GUP) !== 0
    if (alone && evicted.length > 0) return { certainty: 'likely', sentences, proven: true }
    if (tooLong && alone && (wentOn || overtaken)) return { certainty: 'likely', sentences }
    if (isGup) return { certainty: undefined, sentences }
    if (returned < ALWAYS && alone && wentOn && (longestOfAll || later >= 2 * WENT_ON))
      return { certainty: 'likely', sentences }
    const outlives = event.stack === 0 || held > longest
    if (outlives && alone && wentOn && returned >= WENT_ON && passed >= 2 * OVERTAKEN)
      return { certainty: 'possible', sentences }
    return { certainty: undefined, sentences }
  }

  /** References taken by attempts to evict the page after the event, whether or not they were put again. */
  #evictions(events: LifeEvent[], event: LifeEvent): LifeEvent[] {
    const { sites } = this.#ledger
    return events.filter(
      other => other.delta > 0 && other.time > event.time && sites.traits(other.stack) & StackTrait.EVICT,
    )
  }

  /**
   * Whether a page table may hold the reference: it was taken as one, or the page has more mappings than references that
   * were taken as such.
   */
  #mayBeMapped(row: number, each: Unreturned, tables: readonly Unreturned[]): boolean {
    if (each.reference.mapped) return true
    const { pages, pagemaps } = this.#ledger
    const idle = pagemaps.list[pages.pagemap[row]!]!.idleMapcounts
    if (idle.size === 0) return false
    const unmapped = [...idle].reduce((best, next) => (next[1] > best[1] ? next : best))[0]
    return pages.lastMapcount[row]! - unmapped > tables.length
  }

  #measureHolds(): void {
    const { shapes } = this.#ledger
    for (let shape = 0; shape < shapes.size; shape++) {
      const longest = shapes.longest[shape]!
      this.#longest = Math.max(this.#longest, longest)
      for (let at = shapes.offset[shape]!; at < shapes.offset[shape + 1]!; at += SHAPE_STRIDE) {
        if (shapes.arena[at + 1]! < 0) continue
        const signature = shapes.arena[at]!
        this.#longestOf.set(signature, Math.max(this.#longestOf.get(signature) ?? 0, longest))
      }
    }
  }

  // --- words ------------------------------------------------------------------------------------------------------------

  #addConsequence(cause: Finding, finding: Finding): void {
    if (!finding.culprit || cause.consequences.length >= 16) {
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

  #consequenceOf(kind: string, pfn: number, event: LedgerEvent, count: number): ConsequenceFinding {
    return { kind, pfn, time: event.time, count, actor: this.#actor(event) }
  }

  /** @param countAtEnd count after the last event */
  #history(events: readonly LifeEvent[], solved: SolvedLife, countAtEnd: number): HistoryEvent[] {
    let count = countAtEnd - events.reduce((sum, event) => sum + event.delta, 0)
    return events.map((event, i) => {
      count += event.delta
      return { ...this.#actor(event), delta: event.delta, count, partner: solved.partners[i] }
    })
  }

  #actor(event: LedgerEvent): Actor {
    const stack = this.#ledger.sites.framesFromActing(event.stack)
    return {
      frame: stack[0],
      stack,
      task: this.#tasks.name(event.pid),
      pid: event.pid,
      cpu: event.cpu,
      time: event.time,
      operation: OP_NAMES[event.op]!,
      delta: event.val,
    }
  }

  #frame(signature: number) {
    return this.#ledger.sites.actingFrame(signature)
  }

  /** Function of a signature, with its offset where another site has the same name. */
  #name(signature: number): string {
    const frame = this.#frame(signature)
    if (!frame) return `a ${OP_NAMES[signature] ?? 'reference from before the recording'} without stack`
    return frame.offset === undefined ? frame.name : `${frame.name}+0x${frame.offset.toString(16)}`
  }

  #ago(from: number, to: number): string {
    return duration(to - from)
  }
}

function duration(ns: number): string {
  if (ns < 1e6) return `${(ns / 1e3).toFixed(0)} us`
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(1)} s`
}

function seconds(ns: number): string {
  return `${(ns / 1e9).toFixed(6)}`
}

function violatingEvent({ event }: Incident): LifeEvent {
  return { ...event, delta: event.val, mapped: false, taskSeq: 0, signatureSeq: 0 }
}

function aloneWords(mappings: number): string {
  if (mappings === 0) return 'all other references of this life came back, and no page table maps the page'
  return `all other references of this life came back, but for ${mappings} of page tables that map the page`
}
