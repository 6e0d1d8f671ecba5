// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Judges puts that gave back a reference taken before the recording. Such a put may be rightful, and then gives no finding, or
 * surplus. It was surplus if it freed the page and the page was used afterwards without having been handed out. If others still
 * held the page, `fallen-rests.ts` decides.
 */
import type { WatchedCounts } from '../../trace/events.ts'
import type { Finding } from '../findings/finding.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LedgerEvent, RestDrop } from '../track/lifetime-event.ts'
import { FallenRests } from './fallen-rests.ts'
import { lawSentence } from './law-words.ts'
import { ENOUGH } from './leak.ts'
import type { Naming } from './naming.ts'
import { newFinding } from './new-finding.ts'
import { type EmptyPut, type Fall, PageFalls, reasonOf } from './page-falls.ts'
import { Traffic } from './traffic.ts'

/** A put that gave back more than was out under its law. */
interface Surplus extends EmptyPut {
  law: number
  isByTask: boolean
}

export class RestFindings {
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #falls: PageFalls
  readonly #fallen: FallenRests

  constructor(ledger: LearningTracker, naming: Naming, watched: WatchedCounts | undefined) {
    this.#ledger = ledger
    this.#naming = naming
    this.#falls = new PageFalls(ledger, naming)
    this.#fallen = new FallenRests(ledger, naming, this.#falls, watched)
  }

  /** Returns the findings by row. None if events may be missing, because one of them may have handed the page out. */
  all(): Map<number, Finding> {
    const found = new Map<number, Finding>()
    const { gaps, anomalies, restDrops } = this.#ledger
    if (gaps.list.length > 0 || anomalies.unrecorded > 0) return found
    for (const drop of restDrops) {
      const used = drop.left <= 0 ? (drop.usedAfter ?? anomalies.of(drop.row)?.event) : undefined
      if (!used || used.time < drop.event.time || found.has(drop.row)) continue
      const finding = this.#of(drop, used, drop.usedAfter !== undefined)
      if (finding) found.set(drop.row, finding)
    }
    for (const [row, finding] of this.#fallen.findings()) if (!found.has(row)) found.set(row, finding)
    return found
  }

  /** Returns notes on rest levels that fell, where that may have been rightful. */
  notes(): string[] {
    const { gaps, anomalies } = this.#ledger
    return gaps.list.length > 0 || anomalies.unrecorded > 0 ? [] : this.#fallen.notes()
  }

  /** @param isFree true if the page was used while it was free; false if only after it was handed to somebody else */
  #of(drop: RestDrop, used: LedgerEvent, isFree: boolean): Finding | undefined {
    const fall = this.#falls.until(drop)
    const surplus = this.#surplus(fall)
    if (surplus.length > 0) return this.#surplusPut(fall, drop, used, surplus)
    return isFree ? this.#useOfFree(drop, used) : undefined
  }

  /**
   * Returns the puts that gave back a reference that nobody had taken under their law, one for each law that is short on the
   * page. If there are several, any of them may be the surplus one, and the others late but rightful.
   */
  #surplus(fall: Fall): Surplus[] {
    const reckoning = this.#falls.reckon(fall)
    const known = reckoning.short.filter(law => this.#falls.isKnown(law, reckoning))
    if (known.length < reckoning.short.length) return []
    return known.flatMap(law => {
      const traffic = new Traffic(this.#ledger, fall.row).of(law)
      const isByTask = traffic.all.returned >= ENOUGH && traffic.bySameTask === traffic.all.returned
      const empty = this.#falls.emptyPut(law, reckoning, isByTask)
      return empty ? [{ ...empty, law, isByTask }] : []
    })
  }

  #surplusPut(fall: Fall, drop: RestDrop, used: LedgerEvent, surplus: readonly Surplus[]): Finding {
    const [first, ...more] = surplus as [Surplus]
    const isAlone = more.length === 0
    const { put, law, lacking } = first
    const isOther = put.time !== drop.event.time || put.pid !== drop.event.pid
    return newFinding(this.#ledger, 'surplus-put', drop.row, {
      culprit: isAlone ? this.#naming.actor(put) : undefined,
      culpritCertainty: isAlone ? 'likely' : undefined,
      candidates: surplus.map(each => ({
        actor: this.#naming.actor(each.put),
        reasons: [isAlone ? reasonOf(each, each.isByTask) : 'it gave back more than was out'],
      })),
      count: drop.left - drop.event.val,
      expected: fall.rest,
      law: isAlone ? law : undefined,
      references: lacking,
      evidence: [
        ...surplus.map(each => lawSentence(this.#ledger, this.#naming, each.law)),
        isOther || !isAlone
          ? `so that ${this.#naming.site(drop.event.signature)} put the last reference, and the page was freed`
          : 'it put the last reference, which was held since before the recording, and the page was freed',
        this.#use(drop, used),
      ],
    })
  }

  #useOfFree(drop: RestDrop, used: LedgerEvent): Finding {
    const kind = used.val > 0 ? 'get-on-free-page' : 'put-on-free-page'
    return newFinding(this.#ledger, kind, drop.row, {
      culprit: this.#naming.actor(used),
      culpritCertainty: 'possible',
      candidates: [
        { actor: this.#naming.actor(used), reasons: ['it was the first to find the page free'] },
        { actor: this.#naming.actor(drop.event), reasons: ['it put the last reference'] },
      ],
      count: 0,
      expected: 0,
      references: Math.abs(used.val),
      evidence: [
        `${this.#naming.site(drop.event.signature)} put the last reference, which was held since before the recording`,
        this.#use(drop, used),
      ],
    })
  }

  #use({ event }: RestDrop, used: LedgerEvent): string {
    const what = used.val > 0 ? 'took a reference to it' : 'put it'
    const when = this.#naming.span(used.time - event.time)
    return `${this.#naming.site(used.signature, used.val)} ${what} ${when} later, and nothing had handed it out to that use`
  }
}
