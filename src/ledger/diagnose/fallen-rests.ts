// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Watched pages whose count at rest fell, while others still held them: a put gave back a reference that was there when the watch
 * began. That may be its right, if it was taken before and comes back late; or it is one put too many, of which no event is
 * impossible. It is too many only if all of this speaks for it:
 *
 * - the page is short of one reference, by one law that all other lifetimes obey, and the put has the callers that this law's puts have;
 * - all other pages that are used under the law have, from the first to the last, the count at rest that this one had, and it alone fell;
 * - the page was used on under the law, so that nobody was giving it up;
 * - a reference of before the watch would have been overtaken by many more of the law's than any that came back: what tells a leak
 *   (`leak.ts`), seen from its other end.
 */
import type { WatchedCounts } from '../../trace/events.ts'
import type { Finding } from '../findings/finding.ts'
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LedgerEvent, LifetimeEvent, RestDrop } from '../track/lifetime-event.ts'
import { LifetimeState } from '../track/lifetime-log.ts'
import { PageBit } from '../track/page-state.ts'
import type { LawTraffic } from './law-traffic.ts'
import { lawSentence } from './law-words.ts'
import { ENOUGH, isFar } from './leak.ts'
import type { Naming } from './naming.ts'
import { newFinding } from './new-finding.ts'
import { hasUsualCallers, lawOfPut, type PutSites, putSites } from './put-laws.ts'
import { Traffic } from './traffic.ts'

/** Complete lifetimes that must have touched a law before it is known. */
const KNOWN_LAW = 10
/** Lifetimes of a page under a law by which it is used. */
const USED = 3
/** Other pages with the same count at rest: the least, and so many that it is no chance. */
const LEAST_OTHERS = 2
const MANY_OTHERS = 3
/** How much further than any other of its task a reference must have been overtaken. */
const FACTOR = 2
const MARGIN = 10

type Events = readonly LifetimeEvent[]

/** The law by which a page is short. */
interface Shortfall {
  law: number
  units: number
  /** The lifetimes in which any law was not even, oldest first, the last of which ends with the put that the count fell by. */
  odd: readonly Events[]
  /** These, and the one before the last. */
  suspect: readonly Events[]
}

/** A put that found nothing out which it could give back, and what was out by all laws when it came. */
interface EmptyPut {
  put: LedgerEvent
  out: number
}

/** By how many a reference of before the watch would have been overtaken, and the most by which any was that came back. */
interface Passed {
  since: number
  most: number
}

/** Everything that speaks for a put too many. */
interface Case extends Shortfall, EmptyPut, Passed {
  drop: RestDrop
  /** References of the law always come back by the task that took them. */
  isByTask: boolean
  others: number
  usedOn: number
}

export class FallenRests {
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #watched: WatchedCounts | undefined
  readonly #sites: PutSites
  readonly #laws = new Map<string, number>()
  #found: Map<number, Finding> | undefined

  constructor(ledger: LearningTracker, naming: Naming, watched: WatchedCounts | undefined) {
    this.#ledger = ledger
    this.#naming = naming
    this.#watched = watched
    this.#sites = putSites(ledger)
  }

  /** Puts too many, by page. */
  findings(): Map<number, Finding> {
    if (this.#found) return this.#found
    this.#found = new Map()
    for (const [row, drops] of this.#fallen()) {
      const of = drops.length === 1 ? this.#caseOf(drops[0]!) : undefined
      if (of) this.#found.set(row, this.#finding(of))
    }
    return this.#found
  }

  /** The other pages, of which it is not known whether their count was to fall. */
  notes(): string[] {
    const found = this.findings()
    const notes: string[] = []
    for (const [row, drops] of this.#fallen()) {
      if (found.has(row)) continue
      const [{ event, rest }, { left }] = [drops[0]!, drops.at(-1)!]
      const by = `${drops.length > 1 ? 'first ' : ''}by ${this.#naming.site(event.signature)} (${this.#naming.task(event.pid)})`
      notes.push(
        `the count of page 0x${this.#ledger.pages.pfn[row]!.toString(16)} at rest fell from ${rest} to ${left}, ${by}: what was held before the recording came back, or was put once too often; nothing here tells which`,
      )
    }
    return notes
  }

  /** Falls of pages that somebody holds to the end, by page. */
  #fallen(): Map<number, RestDrop[]> {
    const { restDrops, pages } = this.#ledger
    const fallen = new Map<number, RestDrop[]>()
    for (const drop of restDrops) {
      if (!pages.has(drop.row, PageBit.rested) || !this.#ledger.mayClaim(drop.row)) continue
      const drops = fallen.get(drop.row)
      if (drops) drops.push(drop)
      else fallen.set(drop.row, [drop])
    }
    for (const [row, drops] of fallen) if (drops.some(({ left }) => left === 0)) fallen.delete(row)
    return fallen
  }

  #caseOf(drop: RestDrop): Case | undefined {
    if (this.#isAssumed(drop.row)) return undefined
    const short = this.#shortfall(drop)
    if (!short || !this.#isKnown(short)) return undefined
    const others = this.#others(drop, short.law)
    const usedOn = this.#lifetimesUnder(short.law, drop.row, drop.event.ordinal)
    if (others < LEAST_OTHERS || usedOn < USED) return undefined
    const traffic = new Traffic(this.#ledger, drop.row).of(short.law)
    const isByTask = traffic.bySameTask === traffic.all.returned
    const empty = this.#emptyPut(drop, short, isByTask)
    const passed = passedBy(traffic, empty.put, isByTask)
    if (!passed || !hasUsualCallers(this.#sites, short.law, empty.put.stack)) return undefined
    return { drop, ...short, ...empty, ...passed, isByTask, others, usedOn }
  }

  #isAssumed(row: number): boolean {
    return this.#watched?.assumed.has(this.#ledger.pages.pfn[row]!) ?? false
  }

  /** The only law that is not even over all of a page's lifetimes and the put; undefined if there is none, or several. */
  #shortfall(drop: RestDrop): Shortfall | undefined {
    const lifetimes = this.#lifetimesUntil(drop)
    const odd: Events[] = []
    const total = new Map<number, number>()
    for (const events of lifetimes) {
      const balance = this.#balanceOf(events)
      if (balance.size > 0) odd.push(events)
      for (const [law, units] of balance) add(total, law, units)
    }
    const [only, ...more] = total
    if (!only || more.length > 0) return undefined
    const [law, units] = only
    if (law === NO_LAW || units !== drop.left - drop.rest) return undefined
    const suspect = lifetimes.filter((events, i) => odd.includes(events) || i === lifetimes.length - 2)
    return { law, units: -units, odd, suspect }
  }

  /** Lifetimes of a page up to a put, oldest first; the last one ends with it. */
  #lifetimesUntil({ row, event, life }: RestDrop): Events[] {
    const last = [...life, { ...event, delta: event.val, mapped: false, taskSeq: 0 }]
    return [...this.#complete(row).filter(events => events.at(-1)!.ordinal < last[0]!.ordinal), last]
  }

  #complete(row: number): LifetimeEvent[][] {
    const { log, nodes } = this.#ledger
    const lifetimes: LifetimeEvent[][] = []
    for (let entry = 0; entry < log.length; entry++)
      if (log.row[entry] === row && log.state[entry] === LifetimeState.COMPLETE)
        lifetimes.push(nodes.chain(log.tail[entry]!))
    return lifetimes.filter(events => events.length > 0)
  }

  #balanceOf(events: Events): Map<number, number> {
    const balance = new Map<number, number>()
    for (const event of events) add(balance, this.#lawOf(event), event.delta)
    return balance
  }

  #lawOf(event: LifetimeEvent): number {
    const key = `${event.signature} ${event.stack} ${event.delta < 0}`
    let law = this.#laws.get(key)
    if (law === undefined) this.#laws.set(key, (law = lawOfPut(this.#sites, this.#naming, event, event.delta)))
    return law
  }

  /** True if many lifetimes touch the law, and only those of this page break it that are told of. */
  #isKnown({ law, odd }: Shortfall): boolean {
    const { touched, held } = this.#ledger.book.laws[law]!
    return touched >= KNOWN_LAW && touched - held < odd.length && !this.#ledger.log.isCompacted
  }

  /** Other pages that are used under the law, if all of them have the count at rest that this one had; 0 otherwise. */
  #others({ row, rest }: RestDrop, law: number): number {
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

  /** Complete lifetimes of a page, behind an event, in which references of the law were taken. */
  #lifetimesUnder(law: number, row: number, behind = 0): number {
    const isUnder = (event: LifetimeEvent) => event.delta > 0 && this.#lawOf(event) === law
    return this.#complete(row).filter(events => events[0]!.ordinal > behind && events.some(isUnder)).length
  }

  #finding(of: Case): Finding {
    const { drop, law, units, suspect, isByTask, others, put, out } = of
    const isSure = isByTask && others >= MANY_OTHERS && !this.#ledger.book.laws[law]!.isAmbiguous
    const certainty = isSure ? 'likely' : 'possible'
    const isCandidate = (event: LifetimeEvent) =>
      event.delta < 0 && this.#lawOf(event) === law && (!isByTask || event.pid === put.pid)
    const puts = suspect.flat().filter(isCandidate)
    const candidates = onePerSite([put, ...puts], event => this.#ledger.sites.site(event.signature))
    const isAlone = candidates.length === 1
    const empty = isByTask
      ? 'its task had nothing of its law out when it came'
      : 'nothing of its law was out when it came'
    return newFinding(this.#ledger, 'surplus-put', drop.row, {
      certainty,
      culprit: isAlone ? this.#naming.actor(put) : undefined,
      culpritCertainty: isAlone ? certainty : undefined,
      candidates: candidates.map(event => ({
        actor: this.#naming.actor(event),
        reasons: [event === put ? empty : 'it puts under the same law'],
      })),
      count: drop.rest + out,
      expected: drop.rest,
      law,
      references: units,
      evidence: this.#evidence(of),
    })
  }

  /** Where references always come back by the task that took them, another task's were not its own. */
  #emptyPut(drop: RestDrop, { law, suspect }: Shortfall, isByTask: boolean): EmptyPut {
    // In the lifetime before it may have given back another's reference, and have left that one's put to the last.
    for (const events of suspect) {
      const held = new Map<number, number>()
      let out = 0
      for (const event of events) {
        if (this.#lawOf(event) === law) {
          const owner = isByTask ? event.pid : 0
          add(held, owner, event.delta)
          if ((held.get(owner) ?? 0) < 0) return { put: event, out }
        }
        out += event.delta
      }
    }
    return { put: drop.event, out: drop.left - drop.event.val - drop.rest }
  }

  #evidence({ drop, law, others, usedOn, since, most, isByTask, put }: Case): string[] {
    const after = this.#watched?.after.get(this.#ledger.pages.pfn[drop.row]!)
    const own = isByTask ? 'its task' : 'others'
    const words = [
      lawSentence(this.#ledger, this.#naming, law),
      `at rest its count was ${drop.rest} before, and is ${drop.left} since, while the ${others} other pages that are used under this law have ${drop.rest} all the time`,
      `a reference that was out when the recording began would have been overtaken by ${since} that ${own} took later on other pages, where none that came back was by more than ${most}`,
      `the page was used on: it has ${usedOn} later lifetimes under this law`,
    ]
    if (put.ordinal !== drop.event.ordinal && drop.life.length === 0)
      words.push(`${this.#naming.site(drop.event.signature)} only gave back, later, what it had taken`)
    if (after === drop.left) words.push(`its count was read after the recording, too: it was ${after}`)
    return words
  }
}

/** How a reference of before the watch would stand, had that put given it back; undefined: it is not overtaken further than others. */
function passedBy({ all, byTask }: LawTraffic, put: LedgerEvent, isByTask: boolean): Passed | undefined {
  if (all.returned < ENOUGH) return undefined
  if (isByTask) {
    const since = byTask.get(put.pid)?.between(0, put.ordinal) ?? 0
    const most = Math.max(...[...byTask.values()].map(task => task.most))
    return since > FACTOR * most + MARGIN ? { since, most } : undefined
  }
  // What is out when the put comes has not overtaken it.
  const since = all.between(0, put.ordinal) - all.peak
  return isFar(since, all.most) ? { since, most: all.most } : undefined
}

function add(sums: Map<number, number>, key: number, units: number): void {
  const sum = (sums.get(key) ?? 0) + units
  if (sum === 0) sums.delete(key)
  else sums.set(key, sum)
}

function onePerSite<T extends LedgerEvent>(puts: readonly T[], siteOf: (put: T) => number): T[] {
  const bySite = new Map<number, T>()
  for (const put of puts) if (!bySite.has(siteOf(put))) bySite.set(siteOf(put), put)
  return [...bySite.values()]
}
