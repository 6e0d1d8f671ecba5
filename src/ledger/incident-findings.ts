// SPDX-License-Identifier: GPL-2.0-or-later
/** From what contradicted the rules while reading to accusations. */
import { OP_NAMES } from '../trace/events.ts'
import type { Finding } from './findings.ts'
import { ALWAYS } from './leak-evidence.ts'
import type { Ledger } from './ledger.ts'
import { CLEAR_MARGIN, putMarginOf, type SolvedLife, solveLife } from './lives.ts'
import { MAX_SOLVED } from './matching.ts'
import { duration, type Naming } from './naming.ts'
import { type Explanation, isClear, type Remedies } from './remedies.ts'
import type { Anomaly as Incident } from './track/anomalies.ts'
import type { LifetimeEvent as LifeEvent } from './track/lifetime-event.ts'

/** Probability below which a pair of sites is one that the recording's other lives do not have. */
const STRANGE_PAIR = 0.05
/** Share of a site's references that go back at the other site, from which a pair is nothing unusual. */
const USUAL_PAIR = 0.2

export class IncidentFindings {
  readonly #ledger: Ledger
  readonly #naming: Naming
  readonly #remedies: Remedies

  constructor(ledger: Ledger, naming: Naming, remedies: Remedies) {
    this.#ledger = ledger
    this.#naming = naming
    this.#remedies = remedies
  }

  /** The finding of an incident; undefined where it is none by what became known later. */
  of(incident: Incident): Finding | undefined {
    const { pages, pagemaps } = this.#ledger
    const pagemap = pages.pagemap[incident.row]!
    const rule = pagemaps.list[pagemap]!.rule
    // The core has not set the count of a page that was handed out meanwhile: its own fault, which probes may show.
    if (incident.kind === 'get-on-free-page' && incident.isOwners) return undefined
    if (!rule || (incident.kind === 'get-on-free-page' && rule.idle === 0 && rule.handOut === 'get')) return undefined
    const finding = this.#plain(incident)
    this.#explain(incident, finding)
    if (finding.certainty === 'certain' && !this.#isCertain(incident)) finding.certainty = 'likely'
    this.#addHistory(incident, finding)
    return finding
  }

  #plain(incident: Incident): Finding {
    const { pages } = this.#ledger
    const lastLife = incident.lastLives[0]
    return {
      kind: incident.kind,
      pfn: pages.pfn[incident.row]!,
      pagemap: pages.pagemap[incident.row]!,
      history: [],
      life: { began: (incident.life[0] ?? lastLife?.[0])?.time, ended: lastLife?.at(-1)?.time },
      count: incident.count,
      expected: incident.idle,
      certainty: 'certain',
      margin: undefined,
      culprit: this.#naming.actor(incident.event),
      counterpart: undefined,
      references: Math.abs(incident.event.val),
      consequences: incident.consequences.map(each => ({
        kind: each.kind,
        pfn: pages.pfn[each.row]!,
        time: each.event.time,
        count: each.count,
        actor: this.#naming.actor(each.event),
      })),
      moreConsequences: incident.moreConsequences,
      evidence: [],
    }
  }

  #addHistory(incident: Incident, finding: Finding): void {
    const events = this.#wholeLife(incident)
    if (events.length > MAX_SOLVED) return
    const solved = solveLife(events, 0, this.#ledger.model)
    finding.history = this.#naming.history(events, solved, incident.count + incident.event.val)
  }

  /**
   * What must be so before a contradiction can have but one reason: the rule was followed by other lives, and the life
   * before, in which a put too many may hide, went as others did.
   */
  #isCertain(incident: Incident): boolean {
    const { pages, pagemaps } = this.#ledger
    if (pagemaps.list[pages.pagemap[incident.row]!]!.lives < ALWAYS) return false
    const lastLife = incident.lastLives[0]
    return lastLife === undefined || this.#isOrdinary(lastLife)
  }

  #wholeLife(incident: Incident): LifeEvent[] {
    return this.#remedies.wholeLife(incident, violatingEvent(incident), life => this.#isOrdinary(life))
  }

  #isOrdinary(life: readonly LifeEvent[]): boolean {
    if (life.length > MAX_SOLVED || !this.#remedies.isHandOut(life[0]!)) return false
    return this.#remedies.alike(life) >= ALWAYS || this.#isUsual(solveLife(life, 0, this.#ledger.model))
  }

  #explain(incident: Incident, finding: Finding): void {
    const { evidence } = finding
    if (incident.freedTwice)
      evidence.push('its count became that of a free page twice, and nothing had handed it out in between')
    switch (incident.kind) {
      case 'get-on-free-page':
        evidence.unshift(
          `the count was ${incident.count}, that of an idle page, and only ${this.#handOutWords(incident)} takes such a page into use`,
        )
        this.#explainGet(incident, finding)
        break
      case 'put-on-free-page':
      case 'surplus-put':
        evidence.unshift(
          `the count was ${incident.count} when this put came; a page that nobody holds stands at ${incident.idle}`,
        )
        this.#explainPut(incident, finding)
        break
      case 'count-mismatch':
        this.#explainMismatch(incident, finding)
    }
    const last = incident.lastLives[0]?.at(-1)
    if (last && last.delta < 0 && finding.culprit?.time !== last.time)
      evidence.push(
        `its last reference had been put ${duration(incident.event.time - last.time)} before by ${this.#naming.site(last.signature)}`,
      )
  }

  // --- a get ----------------------------------------------------------------------------------------------------------

  #handOutWords(incident: Incident): string {
    const { pages, pagemaps } = this.#ledger
    const { votes, rule } = pagemaps.list[pages.pagemap[incident.row]!]!
    return rule?.handOut === 'set' ? `a set of the count (${votes.setAtZero} in this pagemap)` : 'the core'
  }

  #explainGet(incident: Incident, finding: Finding): void {
    const { model, pages, pagemaps, tasks } = this.#ledger
    const { signature } = incident.event
    if (pagemaps.list[pages.pagemap[incident.row]!]!.votes.setAtZero < ALWAYS) finding.certainty = 'likely'
    const explanation = this.#remedies.explain(incident, violatingEvent(incident))
    const [lastLife] = incident.lastLives
    const ordinary = lastLife ? this.#remedies.alike(lastLife) : 0
    if (explanation?.what === 'surplus put' && explanation.lives > ordinary) {
      this.#blamePut(incident, finding, explanation.event)
      this.#explainRemedy(finding, explanation)
      return
    }
    const lives = Math.round(model.returned(signature))
    if (explanation?.what === 'no hand-out' && isClear(explanation)) {
      this.#explainRemedy(finding, explanation)
      finding.certainty = 'likely'
    } else if (lives >= ALWAYS) {
      finding.evidence.push(
        `${lives} other references were taken here on pages in use: this page may have been handed out without its initialisation`,
      )
      finding.certainty = 'likely'
    } else if (tasks.ticksOfSignature(signature) === 1) {
      finding.evidence.push('no other reference in the recording was taken here')
    }
    if (lives >= ALWAYS) this.#findEarlyPut(incident, finding)
  }

  /** A life that ended with a pair of sites that never belong together was ended by a put too many. */
  #findEarlyPut(incident: Incident, finding: Finding): void {
    const { model } = this.#ledger
    const [lastLife] = incident.lastLives
    if (!lastLife || lastLife.length > MAX_SOLVED || this.#remedies.alike(lastLife) >= ALWAYS) return
    const solved = solveLife(lastLife, 0, model)
    for (const { get, put } of solved.matching.matches) {
      const from = solved.life.gets[get]!
      const to = solved.life.puts[put]!
      if (model.returned(from.signature) < ALWAYS || model.probability(from.signature, to.signature) > STRANGE_PAIR)
        continue
      finding.evidence.push(
        `the life before ended in a way of its own: ${this.#naming.site(to.signature)} gave back what ${this.#naming.site(from.signature)} had taken`,
      )
      this.#blamePut(incident, finding, lastLife[to.position]!)
      return
    }
  }

  // --- a put ----------------------------------------------------------------------------------------------------------

  #explainPut(incident: Incident, finding: Finding): void {
    const explanation = this.#remedies.explain(incident, violatingEvent(incident))
    if (!explanation || !isClear(explanation)) {
      this.#findSurplusPut(incident, finding)
      return
    }
    this.#explainRemedy(finding, explanation)
    const { event, signature, what } = explanation
    if (what === 'no hand-out') this.#blameFirst(incident, finding, event)
    else if (signature !== incident.event.signature) this.#blamePut(incident, finding, event)
    else this.#addUsualGet(finding, signature)
  }

  #explainRemedy(finding: Finding, { what, lives, signature, event }: Explanation): void {
    const other = `this life would be like ${Math.ceil(lives)} other${lives <= 1 ? '' : 's'}`
    finding.evidence.push(
      what === 'no hand-out'
        ? `had it begun with ${this.#naming.site(signature)}, ${other}: the page was handed out without its initialisation`
        : `without one put by ${this.#naming.site(event.signature)} ${other}`,
    )
  }

  /** One put too many: which of the life's puts fits least. */
  #findSurplusPut(incident: Incident, finding: Finding): void {
    const { model } = this.#ledger
    const events = this.#wholeLife(incident)
    const violating = events.at(-1)!
    if (events.length > MAX_SOLVED) {
      finding.certainty = 'likely'
      return
    }
    const solved = solveLife(events, 0, model)
    const worst = solved.surplus.at(-1)
    const signature = worst?.reference.signature ?? incident.event.signature
    const known = this.#addUsualGet(finding, signature)
    const margin = putMarginOf(solved, signature, model)
    finding.margin = margin
    const clear = (margin ?? 0) >= CLEAR_MARGIN
    if (worst && this.#lacksHandOut(events[0]!, signature)) {
      finding.evidence.push('this life did not begin with that one: the page was handed out without its initialisation')
      this.#blameFirst(incident, finding, events[0]!)
      return
    }
    if (!worst || worst.event === violating || signature === incident.event.signature) {
      // A site that gives back what others took may have found it gone: then an earlier put, elsewhere, was the one too many.
      if (!clear || known || !this.#isUsual(solved)) finding.certainty = 'likely'
      return
    }
    if (clear) this.#blamePut(incident, finding, worst.event)
    else finding.certainty = 'possible'
  }

  /** Whether the put gives back what pages are handed out with, and the life began otherwise. */
  #lacksHandOut(first: LifeEvent, put: number): boolean {
    const taken = this.#ledger.model.best('put', put)
    if (!taken || taken.lives < ALWAYS || this.#remedies.isHandOut(first)) return false
    return this.#remedies.isHandOut({ signature: taken.partner, delta: 1 })
  }

  /** The page was in use all along without having been handed out: its life's first event found it free. */
  #blameFirst(incident: Incident, finding: Finding, first: LifeEvent): void {
    finding.consequences.unshift(this.#asConsequence(incident, finding))
    finding.kind = first.delta > 0 ? 'get-on-free-page' : 'put-on-free-page'
    finding.culprit = this.#naming.actor(first)
    finding.certainty = 'likely'
  }

  /** Tells what the site gives back at other times; whether it does. */
  #addUsualGet(finding: Finding, signature: number): boolean {
    const best = this.#ledger.model.best('put', signature)
    if (!best) {
      finding.evidence.push(`no reference in the recording was ever given back by ${this.#naming.site(signature)}`)
      return false
    }
    finding.counterpart = { frame: this.#naming.frame(best.partner), lives: Math.round(best.lives) }
    finding.evidence.push(
      `${Math.round(best.lives)} other puts by ${this.#naming.site(signature)} gave back what ${this.#naming.site(best.partner)} had taken; here no such reference was left`,
    )
    return true
  }

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

  /** The event on a free page was rightful: another put had freed the page too early. */
  #blamePut(incident: Incident, finding: Finding, put: LifeEvent): void {
    const { event, count } = incident
    finding.consequences.unshift(this.#asConsequence(incident, finding))
    finding.kind = 'surplus-put'
    finding.certainty = 'likely'
    finding.culprit = this.#naming.actor(put)
    // What was said of the other event's count would read as if said of this put.
    finding.evidence[0] = `${this.#naming.site(event.signature)}, which came ${duration(event.time - put.time)} later, found the count at ${count}, as if nobody held the page`
  }

  #asConsequence({ kind, event, count }: Incident, { pfn }: Finding) {
    return this.#naming.consequence(kind, pfn, event, count)
  }

  // --- a count --------------------------------------------------------------------------------------------------------

  #explainMismatch({ event, count, idle }: Incident, finding: Finding): void {
    finding.certainty = 'likely'
    if (event.op === 0) {
      finding.evidence.push(
        `the page was handed out while its count was ${count}, so ${count - idle} reference(s) to it were out`,
      )
      return
    }
    finding.evidence.push(
      `by all recorded events the count was ${count} before this one (${event.val}), yet it ${resultWords(event.op, event.ret)}: the count was changed without an event`,
    )
  }
}

function resultWords(op: number, ret: number): string {
  if (OP_NAMES[op]!.endsWith('return')) return `returned ${ret}`
  return ret !== 0 ? 'hit zero' : 'did not hit zero'
}

export function violatingEvent({ event }: Incident): LifeEvent {
  return { ...event, delta: event.val, mapped: false, taskSeq: 0, signatureSeq: 0 }
}
