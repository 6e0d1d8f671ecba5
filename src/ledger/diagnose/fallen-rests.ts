// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Judges watched pages whose rest level fell while others still held them: a put gave back a reference that existed when the
 * watch began. It may be rightful, if the reference was taken before the watch and came back late. Or it is a surplus put that no
 * impossible event reveals. It counts as surplus only if all of the following hold:
 *
 * - the page is short under one law that all other lifetimes obey, by as much as one put gave back when none was out, and that
 *   put has the callers that puts of this law usually have;
 * - all other pages that are used under the law keep, for the whole recording, the rest level that this page had, and only this
 *   one fell;
 * - the page was used under the law afterwards, too, so that its owner was not giving it up;
 * - a reference from before the watch would have been overtaken by far more references of the law than any that came back. This
 *   is the evidence for a leak (`leak.ts`), applied to the other end of a reference.
 */
import type { WatchedCounts } from '../../trace/events.ts'
import type { Finding } from '../findings/finding.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LedgerEvent, LifetimeEvent, RestDrop } from '../track/lifetime-event.ts'
import { PageBit } from '../track/page-state.ts'
import type { LawTraffic } from './law-traffic.ts'
import { lawSentence } from './law-words.ts'
import { ENOUGH, isFar } from './leak.ts'
import type { Naming } from './naming.ts'
import { newFinding } from './new-finding.ts'
import { type EmptyPut, type Fall, type PageFalls, type Reckoning, reasonOf } from './page-falls.ts'
import { hasUsualCallers } from './put-laws.ts'
import { Traffic } from './traffic.ts'

/** Number of lifetimes with a law from which on a page counts as used under that law. */
const USED = 3
/** Other pages with the same count at rest: the least, and so many that it is no chance. */
const LEAST_OTHERS = 2
const MANY_OTHERS = 3
/** Factor by which a reference must have been overtaken further than any other of its task. */
const FACTOR = 2
const MARGIN = 10

/** By how many references an earlier one would have been overtaken, and the most that overtook any that came back. */
interface Passed {
  since: number
  most: number
}

/** The evidence that a put was surplus. */
interface Case extends EmptyPut, Passed {
  fall: Fall
  law: number
  reckoning: Reckoning
  /** True if references of the law always come back by the task that took them. */
  isByTask: boolean
  others: number
  usedOn: number
}

export class FallenRests {
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #watched: WatchedCounts | undefined
  readonly #falls: PageFalls
  #found: Map<number, Finding> | undefined

  constructor(ledger: LearningTracker, naming: Naming, falls: PageFalls, watched: WatchedCounts | undefined) {
    this.#ledger = ledger
    this.#naming = naming
    this.#falls = falls
    this.#watched = watched
  }

  /** Returns the findings of surplus puts, by page. */
  findings(): Map<number, Finding> {
    if (this.#found) return this.#found
    this.#found = new Map()
    for (const fall of this.#fallen()) {
      const of = this.#caseOf(fall)
      if (of) this.#found.set(fall.row, this.#finding(of))
    }
    return this.#found
  }

  /** Returns notes on the other pages, whose count may have fallen rightfully. */
  notes(): string[] {
    const found = this.findings()
    return this.#fallen().flatMap(({ row, rest, left, drops }) => {
      if (found.has(row)) return []
      const { event } = drops[0]!
      const by = `${drops.length > 1 ? 'first ' : ''}by ${this.#naming.site(event.signature)} (${this.#naming.task(event.pid)})`
      return [
        `the count of page 0x${this.#ledger.pages.pfn[row]!.toString(16)} at rest fell from ${rest} to ${left}, ${by}: what was held before the recording came back, or was put once too often; nothing here tells which`,
      ]
    })
  }

  /** Returns the falls of pages that are held until the recording ends. */
  #fallen(): Fall[] {
    const { restDrops, pages } = this.#ledger
    const last = new Map<number, RestDrop>()
    const freed = new Set<number>()
    for (const drop of restDrops) {
      if (drop.left <= 0) freed.add(drop.row)
      if (pages.has(drop.row, PageBit.rested) && this.#ledger.mayClaim(drop.row)) last.set(drop.row, drop)
    }
    return [...last.values()].filter(({ row }) => !freed.has(row)).map(drop => this.#falls.until(drop))
  }

  #caseOf(fall: Fall): Case | undefined {
    const { row, rest, left, drops } = fall
    if (this.#isAssumed(row)) return undefined
    const reckoning = this.#falls.reckon(fall)
    const [law, ...more] = reckoning.short
    if (law === undefined || more.length > 0 || reckoning.over.length > 0) return undefined
    if (!this.#falls.isKnown(law, reckoning)) return undefined
    const others = this.#others(fall, law)
    const usedOn = this.#lifetimesUnder(law, row, drops.at(-1)!.event.ordinal)
    if (others < LEAST_OTHERS || usedOn < USED) return undefined
    const traffic = new Traffic(this.#ledger, row).of(law)
    const isByTask = traffic.bySameTask === traffic.all.returned
    const empty = this.#falls.emptyPut(law, reckoning, isByTask)
    if (empty?.lacking !== rest - left) return undefined
    const passed = passedBy(traffic, empty.put, isByTask)
    if (!passed || !hasUsualCallers(this.#falls.sites, law, empty.put.stack)) return undefined
    return { fall, law, reckoning, ...empty, ...passed, isByTask, others, usedOn }
  }

  #isAssumed(row: number): boolean {
    return this.#watched?.assumed.has(this.#ledger.pages.pfn[row]!) ?? false
  }

  /**
   * Returns the number of other pages that are used under the law, if all have the rest level that this page had; otherwise 0.
   */
  #others({ row, rest }: Fall, law: number): number {
    const { pages, restDrops } = this.#ledger
    let others = 0
    for (let other = 0; other < pages.length; other++) {
      const used = other === row ? 0 : this.#lifetimesUnder(law, other)
      if (used === 0) continue
      const isSteady =
        pages.has(other, PageBit.rested) &&
        pages.rest[other] === rest &&
        this.#ledger.mayClaim(other) &&
        !this.#isAssumed(other) &&
        !restDrops.some(drop => drop.row === other)
      if (!isSteady) return 0
      if (used >= USED) others++
    }
    return others
  }

  /** Returns the number of complete lifetimes of a page, after an event, in which references of the law were taken. */
  #lifetimesUnder(law: number, row: number, behind = 0): number {
    const isUnder = (event: LifetimeEvent) => event.delta > 0 && this.#falls.lawOf(event) === law
    return this.#falls.complete(row).filter(events => events[0]!.ordinal > behind && events.some(isUnder)).length
  }

  #finding(of: Case): Finding {
    const { fall, law, reckoning, isByTask, others, put, out, lacking } = of
    const isSure = isByTask && others >= MANY_OTHERS && !this.#ledger.book.laws[law]!.isAmbiguous
    const certainty = isSure ? 'likely' : 'possible'
    const isCandidate = (event: LifetimeEvent) =>
      event.delta < 0 && this.#falls.lawOf(event) === law && (!isByTask || event.pid === put.pid)
    const puts = reckoning.suspect.flat().filter(isCandidate)
    const candidates = onePerSite([put, ...puts], event => this.#ledger.sites.site(event.signature))
    const isAlone = candidates.length === 1
    return newFinding(this.#ledger, 'surplus-put', fall.row, {
      certainty,
      culprit: isAlone ? this.#naming.actor(put) : undefined,
      culpritCertainty: isAlone ? certainty : undefined,
      candidates: candidates.map(event => ({
        actor: this.#naming.actor(event),
        reasons: [event === put ? reasonOf(of, isByTask) : 'it puts under the same law'],
      })),
      count: fall.rest + out,
      expected: fall.rest,
      law,
      references: lacking,
      evidence: this.#evidence(of),
    })
  }

  #evidence({ fall, law, others, usedOn, since, most, isByTask, put }: Case): string[] {
    const { row, rest, left, drops } = fall
    const after = this.#watched?.after.get(this.#ledger.pages.pfn[row]!)
    const own = isByTask ? 'its task' : 'others'
    const words = [
      lawSentence(this.#ledger, this.#naming, law),
      `at rest its count was ${rest} before, and is ${left} since, while the ${others} other pages that are used under this law have ${rest} all the time`,
      `a reference that was out when the recording began would have been overtaken by ${since} that ${own} took later on other pages, where none that came back was by more than ${most}`,
      `the page was used on: it has ${usedOn} later lifetimes under this law`,
    ]
    const [{ event, life }] = drops as [RestDrop]
    if (put.ordinal !== event.ordinal && drops.length === 1 && life.length === 0)
      words.push(`${this.#naming.site(event.signature)} only gave back, later, what it had taken`)
    if (after === left) words.push(`its count was read after the recording, too: it was ${after}`)
    return words
  }
}

/**
 * Returns how far a reference taken before the watch would have been overtaken if that put gave it back; undefined if no further
 * than others.
 */
function passedBy({ all, byTask }: LawTraffic, put: LedgerEvent, isByTask: boolean): Passed | undefined {
  if (all.returned < ENOUGH) return undefined
  if (isByTask) {
    const since = byTask.get(put.pid)?.between(0, put.ordinal) ?? 0
    const most = Math.max(...[...byTask.values()].map(task => task.most))
    return since > FACTOR * most + MARGIN ? { since, most } : undefined
  }
  // References that are out when the put comes have not overtaken it.
  const since = all.between(0, put.ordinal) - all.peak
  return isFar(since, all.most) ? { since, most: all.most } : undefined
}

function onePerSite<T extends LedgerEvent>(puts: readonly T[], siteOf: (put: T) => number): T[] {
  const bySite = new Map<number, T>()
  for (const put of puts) if (!bySite.has(siteOf(put))) bySite.set(siteOf(put), put)
  return [...bySite.values()]
}
