// SPDX-License-Identifier: GPL-2.0-or-later
/** Turns a law that is short on a page into a finding: a surplus put, or a use of a page that was not handed out. */
import type { Certainty, Finding } from '../findings/finding.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { PageBit } from '../track/page-state.ts'
import { isPut, signatureOf } from '../track/unit-key.ts'
import { lawSentence } from './law-words.ts'
import { ALWAYS } from './leak.ts'
import { type Naming, references } from './naming.ts'
import { newFinding } from './new-finding.ts'
import { unitsOf } from './page-history.ts'
import { pairReferences } from './references.ts'
import type { Shortage } from './shortage.ts'
import { type Usual, UsualUnits } from './usual-units.ts'

/** Number of lifetimes that must obey a law before the put that breaks it is the culprit for certain. */
const WELL_KNOWN = 50

/** Most events of a lifetime that is shown. */
const MAX_SHOWN = 4096

export class ShortageFindings {
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #isHandOut: (signature: number) => boolean
  #usual: UsualUnits | undefined

  constructor(ledger: LearningTracker, naming: Naming, isHandOut: (signature: number) => boolean) {
    this.#ledger = ledger
    this.#naming = naming
    this.#isHandOut = isHandOut
  }

  /**
   * Returns the finding of a shortage.
   *
   * @param certainty certainty of the fault by the other evidence
   * @param isWhole true if no event of the page is missing since its initialisation
   */
  of(row: number, shortage: Shortage, certainty: Certainty, isWhole: boolean): Finding {
    if (shortage.taken === 0 && this.isOfHandOuts(shortage)) return this.#silent(row, shortage, certainty, isWhole)
    return this.#surplus(row, shortage, certainty, isWhole)
  }

  #surplus(row: number, shortage: Shortage, certainty: Certainty, isWhole: boolean): Finding {
    const { put, candidates, units, law, lifetime } = shortage
    const ofPut = this.#culpritCertainty(shortage, certainty === 'certain' && isWhole, isWhole)
    const excess = ofPut === 'possible' ? this.#excess(shortage) : undefined
    const isSure = ofPut !== 'possible' || candidates.length === 1
    const culprit = excess?.put ?? (isSure ? put : undefined)
    const ordered = excess ? [excess.put, ...candidates.filter(each => each !== excess.put)] : candidates
    return newFinding(this.#ledger, 'surplus-put', row, {
      ...this.#place(row, lifetime.events, shortage),
      certainty,
      culprit: culprit && this.#naming.actor(culprit),
      culpritCertainty: excess ? 'likely' : isSure ? ofPut : undefined,
      candidates: ordered.map(event => ({
        actor: this.#naming.actor(event),
        reasons:
          event === excess?.put ? ['it gave back more than in any other lifetime'] : this.#reasons(event, shortage),
      })),
      law: law >= 0 ? law : undefined,
      references: units,
      evidence: [...this.#evidence(shortage), ...(excess ? [this.#excessSentence(excess.put, excess.usual)] : [])],
    })
  }

  /**
   * Returns the candidate that gave back as many references more than its call site does in every other lifetime as were given back
   * too many; undefined if there is none, or if there are several.
   */
  #excess({ candidates, units, law }: Shortage): { put: LifetimeEvent; usual: Usual } | undefined {
    if (candidates.length < 2 || law < 0 || this.#ledger.book.laws[law]!.isAmbiguous) return undefined
    this.#usual ??= new UsualUnits(this.#ledger.kinds)
    const found = candidates.flatMap(put => {
      const usual = this.#usual!.of(put)
      return usual && put.stack !== 0 && -unitsOf(put, 0) === usual.units + units ? [{ put, usual }] : []
    })
    return found.length === 1 ? found[0] : undefined
  }

  #excessSentence(put: LifetimeEvent, { units, lifetimes }: Usual): string {
    return `${this.#naming.site(put.signature)} gave back ${-unitsOf(put, 0)} here, and ${units} in each of ${lifetimes} other lifetimes`
  }

  /** Returns the finding of a page in use that was not handed out: the first event of its lifetime found it free. */
  #silent(row: number, shortage: Shortage, certainty: Certainty, isWhole: boolean): Finding {
    const first = shortage.lifetime.events.find(event => event.delta !== 0)!
    return newFinding(this.#ledger, first.delta > 0 ? 'get-on-free-page' : 'put-on-free-page', row, {
      ...this.#place(row, shortage.lifetime.events, shortage),
      certainty,
      culprit: this.#naming.actor(first),
      // Who forgot the initialisation made no event. Whom the owner then lets use the page does so rightly.
      culpritCertainty: isWhole && this.handsOut(shortage, first.signature) ? 'likely' : 'possible',
      candidates: [{ actor: this.#naming.actor(first), reasons: ['it was the first to find the page free'] }],
      law: shortage.law >= 0 ? shortage.law : undefined,
      references: Math.abs(first.delta),
      evidence: [
        ...this.#evidence(shortage),
        'nothing had handed the page out: it was taken into use without its initialisation',
      ],
    })
  }

  #place(row: number, events: readonly LifetimeEvent[], { put }: Shortage): Partial<Finding> {
    const idle = this.#idleBefore(row)
    const before = events.slice(0, events.indexOf(put)).reduce((sum, event) => sum + event.delta, 0)
    const { partners } = pairReferences(events, 0, this.#ledger.book)
    return {
      // If no order explains the events, the one with the earliest stamp need not be the first in the list.
      life: { began: events.reduce((from, { time }) => Math.min(from, time), Infinity), ended: events.at(-1)?.time },
      history:
        events.length > MAX_SHOWN
          ? []
          : this.#naming.history(events, partners, idle + events.reduce((sum, event) => sum + event.delta, 0)),
      count: idle + before,
      expected: idle,
    }
  }

  /** Returns the count that the page had while idle, before memunmap_pages() put its base reference. */
  #idleBefore(row: number): number {
    const { pages, pagemaps } = this.#ledger
    const now = this.#ledger.idleCount(row) ?? 0
    return pages.has(row, PageBit.basePut) ? (pagemaps.list[pages.pagemap[row]!]!.rule?.idle ?? now) : now
  }

  /** True if pages are handed out under the law. */
  isOfHandOuts({ law }: Shortage): boolean {
    if (law < 0) return false
    return this.#ledger.book.laws[law]!.sites.every(key => isPut(key) || this.#isHandOut(signatureOf(key)))
  }

  /** True if a function that hands out pages under the law is the one that acts at a call site. */
  handsOut({ law }: Shortage, signature: number): boolean {
    const name = this.#naming.frame(signature)?.name
    const isSame = (key: number) => !isPut(key) && this.#naming.frame(signatureOf(key))?.name === name
    return law >= 0 && name !== undefined && this.#ledger.book.laws[law]!.sites.some(isSame)
  }

  #culpritCertainty(shortage: Shortage, isSure: boolean, isWhole: boolean): Certainty {
    const { law, candidates, put, out, units, taken, isUnique, lifetime } = shortage
    // A put that gives back more than is left is at fault, whoever put before it: it takes references that others will give back.
    const isOver = out > 0 && -unitsOf(put, 0) > out
    if ((candidates.length > 1 && !isOver) || put.stack === 0) return 'possible'
    // A call site without a law that occurs elsewhere, too, may be rightful here as well; and so may one that gives back what was taken
    // before the recording, where another put freed the page then.
    if (law < 0) return isUnique && (isWhole || lifetime.events[0] !== put) ? 'likely' : 'possible'
    // The reference may have been taken in an earlier lifetime that another put ended too early.
    if (taken === 0) return 'possible'
    const known = this.#ledger.book.laws[law]!
    const isKnown = known.touched >= WELL_KNOWN && known.touched - known.held <= ALWAYS && !known.isAmbiguous
    const puts = known.sites.filter(key => (key & 1) === 1).length
    // Another put of the law may have freed the page in the lifetime before, so that its rightful put falls into this lifetime.
    if (known.isAmbiguous || (puts > 1 && !isOver)) return 'possible'
    // A page that its owner was handed without its reference looks the same: then the put is rightful, and the hand-out at fault.
    if (out === 0 && this.isOfHandOuts(shortage)) return 'likely'
    return isSure && isKnown && puts === 1 && units === 1 ? 'certain' : 'likely'
  }

  #evidence({ law, put, out, deferred, taken, given, lifetime }: Shortage): string[] {
    const site = this.#naming.site(put.signature)
    const words = [
      law < 0
        ? `no law of the recording says what was taken that ${site} gives back`
        : lawSentence(this.#ledger, this.#naming, law),
    ]
    const when = lifetime.hasLater ? 'in this lifetime and those after it' : 'in this lifetime'
    if (law >= 0)
      words.push(
        taken === 0
          ? `${when} nothing was taken under that law`
          : `${when} ${references(taken)} ${taken === 1 ? 'was' : 'were'} taken under that law, and ${given} given back`,
      )
    if (out > 0)
      words.push(
        `${references(out)} of it ${out === 1 ? 'was' : 'were'} out when ${site} gave back ${-unitsOf(put, 0)}`,
      )
    const end = lifetime.events.at(-1)
    const [next] = deferred
    if (next && end && next.time >= end.time)
      words.push(
        `that ended the lifetime early: ${this.#naming.site(next.signature)} gave back ${this.#naming.span(next.time - end.time)} after its end what had been taken in it`,
      )
    return words
  }

  #reasons(event: LifetimeEvent, { law, put, out }: Shortage): string[] {
    if (law < 0) return ['no law says what it gives back']
    if (event !== put) return ['it puts under the same law']
    return [out > 0 ? 'it gave back more than was out' : 'nothing of its law was out when it came']
  }
}
