// SPDX-License-Identifier: GPL-2.0-or-later
/** Turns anomalies, the events that contradicted the rules, into findings. */
import { OP_NAMES, Op } from '../../trace/events.ts'
import type { Certainty, Finding } from '../findings/finding.ts'
import { isOftenBroken } from '../learn/find-laws.ts'
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { Anomaly } from '../track/anomalies.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { signatureOf, unitKey } from '../track/unit-key.ts'
import { isConsistent } from './consistency.ts'
import { lawSentence } from './law-words.ts'
import { ALWAYS, ENOUGH } from './leak.ts'
import { type Naming, references } from './naming.ts'
import { newFinding } from './new-finding.ts'
import { balanceOf, type PageHistory } from './page-history.ts'
import { pairReferences } from './references.ts'
import { secondHandOut } from './second-hand-out.ts'
import type { Shortage } from './shortage.ts'
import type { ShortageFindings } from './shortage-findings.ts'

/** Number of lifetimes below which a law may hold by chance. */
const FEW_LIFETIMES = 10

export class AnomalyFindings {
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #shortages: ShortageFindings

  constructor(ledger: LearningTracker, naming: Naming, shortages: ShortageFindings) {
    this.#ledger = ledger
    this.#naming = naming
    this.#shortages = shortages
  }

  /**
   * Returns the finding of an anomaly; undefined if the rest of the recording shows that there is no fault.
   *
   * @param found the laws that are short on the anomaly's page, in the order in which they became so
   * @param earlier those that were short before it, when the first lifetime ended that gave back too many
   */
  of(
    anomaly: Anomaly,
    history: PageHistory | undefined,
    found: readonly Shortage[],
    earlier: readonly Shortage[],
  ): Finding | undefined {
    const { pages, pagemaps, order } = this.#ledger
    const rule = pagemaps.list[pages.pagemap[anomaly.row]!]!.rule
    // The owner got the page before the core had reset its count: if that is a fault, it is the core's, and probes may show it.
    if (anomaly.kind === 'get-on-free-page' && anomaly.isOwners) return undefined
    if (!rule || (anomaly.kind === 'get-on-free-page' && rule.idle === 0 && rule.handOut === 'get')) return undefined
    if (!showsFault(anomaly, order.window)) return undefined
    const [first] = found
    const isShort = found.length === 1 && first!.put.time <= anomaly.event.time && this.isClean(first!.law)
    const certainty = this.#certainty(anomaly, history, isShort)
    if (!first || first.put.time > anomaly.event.time) {
      // If whole lifetimes pass within one step of the clock, the order of stamps is no evidence.
      if (order.isCoarse) return undefined
      const early = this.#freedEarly(history, earlier)
      if (!early)
        return this.#handedOutTwice(anomaly, history, found) ?? this.#plain(anomaly, certainty, history, found)
      const ofCause = this.#certaintyOfCause(early, certainty, false)
      return this.#explained(anomaly, this.#shortages.of(anomaly.row, early, ofCause, false))
    }
    if (first.put.time === anomaly.event.time && first.put.pid === anomaly.event.pid) {
      const finding = this.#shortages.of(anomaly.row, first, certainty, history!.isWhole)
      const isAnother = finding.culprit && finding.culprit.time !== anomaly.event.time
      return isAnother ? this.#explained(anomaly, finding) : this.#confirmed(anomaly, finding)
    }
    const ofCause = this.#certaintyOfCause(first, certainty, isShort)
    return this.#explained(anomaly, this.#shortages.of(anomaly.row, first, ofCause, history!.isWhole))
  }

  /**
   * Returns the shortage that freed the page before the anomaly, although in the end no law is short: references of the same law
   * that are held, or a lifetime that ended early in turn, make up for it. Its law must hold in nearly all other lifetimes.
   */
  #freedEarly(history: PageHistory | undefined, earlier: readonly Shortage[]): Shortage | undefined {
    const [early] = earlier
    if (!history?.isWhole || earlier.length !== 1) return undefined
    if (early!.taken === 0 && this.#shortages.isOfHandOuts(early!)) return undefined
    const { law } = early!
    const all = [...history.settled, ...history.lifetimes].filter(({ isBroken, isOpen }) => !(isBroken || isOpen))
    const own = all.filter(({ balance }) => (balance.get(law) ?? 0) !== 0).length
    return this.isClean(law, FEW_LIFETIMES, own) ? early : undefined
  }

  /**
   * Returns a lower certainty if the law that explains the anomaly is often broken, or if there is none: the fault may be another
   * one.
   */
  #certaintyOfCause({ law, isUnique }: Shortage, certainty: Certainty, isShort: boolean): Certainty {
    if (law === NO_LAW && !isUnique) return 'possible'
    // With few lifetimes a law may hold by chance, and a short run of lost events that is not reported as a gap breaks two laws
    // at once.
    if (law !== NO_LAW && this.#ledger.book.laws[law]!.touched < FEW_LIFETIMES) return 'possible'
    return isShort || certainty !== 'certain' ? certainty : 'likely'
  }

  /** Completes the finding where the event that no order explains is the one that broke a law. */
  #confirmed(anomaly: Anomaly, finding: Finding): Finding {
    if (finding.kind === 'surplus-put' && anomaly.kind === 'put-on-free-page') finding.kind = anomaly.kind
    finding.count = anomaly.count
    finding.evidence.unshift(this.#countSentence(anomaly))
    return this.#withConsequences(anomaly, finding)
  }

  /** Makes the finding where the event was rightful, because an earlier put that broke a law had freed the page. */
  #explained(anomaly: Anomaly, finding: Finding): Finding {
    const { event, count } = anomaly
    const since = this.#naming.span(event.time - (finding.culprit ?? finding.candidates[0]!.actor).time)
    finding.evidence.push(
      `${this.#naming.site(event.signature, event.val)}, which came ${since} later, found the count at ${count}, as if nobody held the page`,
    )
    finding.consequences.push(this.#naming.consequence(anomaly.kind, finding.pfn, event, count))
    return this.#withConsequences(anomaly, finding)
  }

  /**
   * Makes the finding where the page had two owners: it had been handed out while it was in use, and one of them put it. With
   * both hand-outs no law may be short, for otherwise another put was surplus; and no event may be missing, for otherwise the put
   * before the second hand-out may be.
   */
  #handedOutTwice(anomaly: Anomaly, history: PageHistory | undefined, found: readonly Shortage[]): Finding | undefined {
    if (anomaly.kind === 'count-mismatch' || found.length > 0) return undefined
    if (!history?.isWhole || this.#ledger.anomalies.unrecorded > 0) return undefined
    const set = secondHandOut(anomaly)
    if (!set) return undefined
    const { row, life, lastLives, idle } = anomaly
    const events = [...(lastLives[0] ?? []), ...life]
    const { partners } = pairReferences(events, 0, this.#ledger.book)
    const actor = this.#naming.actor(set)
    const finding = newFinding(this.#ledger, 'count-mismatch', row, {
      life: { began: events[0]!.time, ended: lastLives[0]?.at(-1)?.time },
      history: this.#naming.history(events, partners, anomaly.count),
      count: set.val,
      expected: idle,
      certainty: 'likely',
      culprit: actor,
      culpritCertainty: 'possible',
      candidates: [{ actor, reasons: ['it handed the page out while it was in use'] }],
      references: set.val - idle,
      evidence: [
        handedOutSentence(set.val, idle),
        'this set left the count as it was, so that two owners share one reference',
      ],
    })
    return this.#explained(anomaly, finding)
  }

  /**
   * Returns the laws that stay short on the page and are not the event's own. A surplus put of one of them may have freed the
   * page before the event, although the put that then found nothing left came after it.
   */
  #others({ event }: Anomaly, found: readonly Shortage[]): Shortage[] {
    const own = this.#ledger.book.lawOf(unitKey(event.signature, event.val))
    return found.filter(each => each.law >= 0 && each.law !== own && !this.#shortages.isOfHandOuts(each))
  }

  #plain(
    anomaly: Anomaly,
    certainty: Certainty,
    history: PageHistory | undefined,
    found: readonly Shortage[],
  ): Finding {
    const others = history?.isWhole ? this.#others(anomaly, found) : []
    const lacking = history?.isWhole ? this.#lacksHandOut(anomaly, found) : []
    const isAlone = lacking.length === 0 && this.#isAlone(anomaly, certainty, history, found)
    const { row, event, life, lastLives, count, idle, kind } = anomaly
    const violating: LifetimeEvent = {
      ...event,
      delta: event.val,
      mapped: false,
      taskSeq: 0,
    } as LifetimeEvent
    const events = [...life, violating]
    const { partners } = pairReferences(events, 0, this.#ledger.book)
    const finding = newFinding(this.#ledger, kind, row, {
      life: { began: (life[0] ?? lastLives[0]?.[0])?.time, ended: lastLives[0]?.at(-1)?.time },
      history: this.#naming.history(events, partners, count + event.val),
      count,
      expected: idle,
      certainty: history ? certainty : weaker(certainty),
      ...this.#accused(anomaly, others, isAlone),
      references: Math.abs(event.val),
      evidence: [
        this.#countSentence(anomaly),
        ...this.#lastPut(anomaly),
        ...lacking,
        ...others.slice(0, 1).map(({ law }) => lawSentence(this.#ledger, this.#naming, law)),
        ...others
          .slice(0, 1)
          .map(
            ({ units }) =>
              `on this page ${references(units)} more ${units === 1 ? 'was' : 'were'} given back under that law than taken`,
          ),
      ],
    })
    if (kind === 'get-on-free-page' && this.#ledger.tasks.ticksOfSignature(event.signature) === 1)
      finding.evidence.push('no other reference in the recording was taken here')
    return this.#withConsequences(anomaly, finding)
  }

  /** Returns sentences if an owner gave the page back later that was never handed it: then who used it meanwhile may be right. */
  #lacksHandOut({ kind, event }: Anomaly, found: readonly Shortage[]): string[] {
    const owner = found.find(each => this.#shortages.isOfHandOuts(each) && each.put.ordinal > event.ordinal)
    if (kind !== 'get-on-free-page' || !owner || this.#shortages.handsOut(owner, event.signature)) return []
    const isHandOut = ({ ordinal, signature }: LifetimeEvent) =>
      ordinal > event.ordinal &&
      ordinal < owner.put.ordinal &&
      this.#ledger.book.lawOf(unitKey(signature, 1)) === owner.law
    if (owner.lifetime.events.some(isHandOut)) return []
    return [
      lawSentence(this.#ledger, this.#naming, owner.law),
      `${this.#naming.site(owner.put.signature)} gave the page back ${this.#naming.span(owner.put.time - event.time)} later, which nothing had handed out under that law: it may be in use without its initialisation, and who took a reference here be right`,
    ]
  }

  /** Returns who may have made the fault: the task whose event met the wrong count, or the one that made it wrong. */
  #accused(
    anomaly: Anomaly,
    others: readonly Shortage[],
    isAlone: boolean,
  ): Pick<Finding, 'culprit' | 'culpritCertainty' | 'candidates' | 'law'> {
    const actor = this.#naming.actor(anomaly.event)
    const own = { actor, reasons: ['it is what contradicts the count'] }
    if (others.length > 0) {
      const [{ law, candidates: puts }] = others as [Shortage]
      const reasons = ['it puts under the same law']
      const candidates = [own, ...puts.map(put => ({ actor: this.#naming.actor(put), reasons }))]
      return { culprit: undefined, culpritCertainty: undefined, candidates, law }
    }
    return { culprit: actor, culpritCertainty: isAlone ? 'likely' : 'possible', candidates: [own], law: undefined }
  }

  /** True for a get of a free page without any evidence that the page was freed by mistake. */
  #isAlone(
    anomaly: Anomaly,
    certainty: Certainty,
    history: PageHistory | undefined,
    found: readonly Shortage[],
  ): boolean {
    if (anomaly.kind !== 'get-on-free-page' || certainty === 'possible' || !history?.isWhole) return false
    return (
      found.every(each => this.#shortages.isOfHandOuts(each)) && this.#beganWell(anomaly) && !this.#isUsedOn(anomaly)
    )
  }

  /**
   * True if another call site took a reference, too, while the page was free: somebody has the page who was handed it without
   * its initialisation, and uses it wherever pages are used.
   */
  #isUsedOn({ event, after, idle }: Anomaly): boolean {
    const { sites } = this.#ledger
    const own = sites.site(event.signature)
    return after.some(({ val, count, signature }) => val > 0 && count === idle + val && sites.site(signature) !== own)
  }

  #withConsequences(anomaly: Anomaly, finding: Finding): Finding {
    const { pages } = this.#ledger
    finding.consequences.push(
      ...anomaly.consequences.map(each =>
        this.#naming.consequence(each.kind, pages.pfn[each.row]!, each.event, each.count),
      ),
    )
    finding.moreConsequences += anomaly.moreConsequences
    if (anomaly.freedTwice)
      finding.evidence.push('its count became that of a free page twice, and nothing had handed it out in between')
    return finding
  }

  /**
   * Returns how certain the fault is. `certain` requires a rule that other lifetimes followed, a page whose events are complete
   * since its initialisation, a recording in which no event is known to be missing, and one of two proofs: a law that is short on
   * the page, which no reordering of events changes, or an order of the page's events that the clocks leave no doubt about.
   */
  #certainty(anomaly: Anomaly, history: PageHistory | undefined, isShort: boolean): Certainty {
    const { row, kind } = anomaly
    const { pages, pagemaps, anomalies, order } = this.#ledger
    const { lives, votes } = pagemaps.list[pages.pagemap[row]!]!
    if (kind === 'count-mismatch' || lives < ENOUGH || anomalies.unrecorded > 0 || order.isCoarse) return 'likely'
    if (!history?.isWhole || (kind === 'get-on-free-page' && votes.setAtZero < ALWAYS)) return 'likely'
    return isShort || (this.#isOrdered(anomaly) && this.#beganWell(anomaly)) ? 'certain' : 'likely'
  }

  /**
   * True if the lifetime before, which may hide a surplus put, obeys all laws and has known call sites only. A law that is often
   * broken may have a call site that gives back something else, whose put there would be the surplus one.
   */
  #beganWell({ lastLives, idle }: Anomaly): boolean {
    const [before] = lastLives
    if (!before) return true
    const { book } = this.#ledger
    const isSound = ({ stack, signature, delta }: LifetimeEvent) => {
      const law = delta < 0 ? book.laws[book.lawOf(unitKey(signature, delta))] : undefined
      return stack !== 0 && !(law && isOftenBroken(law))
    }
    return before.every(isSound) && balanceOf(before, idle, book).size === 0
  }

  /**
   * True if the law held in nearly all lifetimes, so that breaking it is an exception.
   *
   * @param enough number of lifetimes from which on a law may be believed
   * @param own number of lifetimes of the page in question that break it
   */
  isClean(law: number, enough = ENOUGH, own = 0): boolean {
    if (law === NO_LAW) return false
    const { touched, held, isAmbiguous, sites } = this.#ledger.book.laws[law]!
    // Without stacks, a call site is known by its operation only.
    if (sites.some(key => this.#naming.frame(signatureOf(key)) === undefined)) return false
    return touched >= enough && touched - held - own <= Math.max(ALWAYS, touched / 50) && !isAmbiguous
  }

  /** True if no other CPU had an event of the page close to the anomaly's. */
  #isOrdered({ event, life, lastLives, after }: Anomaly): boolean {
    const { near, slack } = this.#ledger.order
    const neighbours = [...(lastLives[0]?.slice(-1) ?? []), ...life.slice(-1), ...after.slice(0, 1)]
    return neighbours.every(({ cpu, time }) => cpu === event.cpu || Math.abs(time - event.time) > 2 * (near + slack))
  }

  #countSentence({ kind, count, idle, event, row }: Anomaly): string {
    const { pages, pagemaps } = this.#ledger
    const { votes, rule } = pagemaps.list[pages.pagemap[row]!]!
    switch (kind) {
      case 'get-on-free-page': {
        const handOut = rule?.handOut === 'set' ? `a set of the count (${votes.setAtZero} in this pagemap)` : 'the core'
        return `the count was ${count}, that of an idle page, and only ${handOut} takes such a page into use`
      }
      case 'count-mismatch':
        if (event.op === Op.SET) {
          return event.val > idle
            ? handedOutSentence(count, idle)
            : `the count was set to ${event.val} while it was ${count}, so ${outWords(count - idle)}`
        }
        return `by all recorded events the count was ${count} before this one (${event.val}), yet it ${resultWords(event.op, event.ret)}: the count was changed without an event`
      default:
        return `the count was ${count} when this put came; a page that nobody holds stands at ${idle}`
    }
  }

  #lastPut({ lastLives, event }: Anomaly): string[] {
    const last = lastLives[0]?.at(-1)
    if (!last || last.delta >= 0) return []
    return [
      `its last reference had been put ${this.#naming.span(event.time - last.time)} before by ${this.#naming.site(last.signature)}`,
    ]
  }
}

/**
 * False if the event read another count than its own operation leaves: then another task changed the count, too, or the tracker's
 * count is wrong because events are missing. Of a mismatch, the same is told by the counts read before it, and by later events
 * whose results differ as much the other way: what is missing was made up for.
 *
 * @param late how long after its operation an event may be stamped
 */
export function showsFault({ kind, event, count, life, drift }: Anomaly, late: number): boolean {
  if (kind !== 'count-mismatch') return event.count === count + event.val
  const isMadeUp = event.op !== Op.SET && event.op < Op.FREEZE && drift === 0
  return !isMadeUp && isConsistent(life, count, late)
}

function handedOutSentence(count: number, idle: number): string {
  return `the page was handed out while its count was ${count}, so ${outWords(count - idle)}`
}

function outWords(out: number): string {
  return `${references(out)} to it ${out === 1 ? 'was' : 'were'} out`
}

function weaker(certainty: Certainty): Certainty {
  return certainty === 'certain' ? 'likely' : 'possible'
}

function resultWords(op: number, ret: number): string {
  if (OP_NAMES[op]!.endsWith('return')) return `returned ${ret}`
  return ret !== 0 ? 'hit zero' : 'did not hit zero'
}
