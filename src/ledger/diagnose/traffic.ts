// SPDX-License-Identifier: GPL-2.0-or-later
/** How references come back, by law, according to the lifetimes that are kept. Computed once, at the first query. */
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { LifetimeState } from '../track/lifetime-log.ts'
import { unitKey } from '../track/unit-key.ts'
import { isRightBefore } from './alternatives.ts'
import { type LawTraffic, NO_TRAFFIC, type Pair, push, TrafficCollector } from './law-traffic.ts'
import { areMany, isKnownOrder, type LeakFacts } from './leak.ts'
import { Overtaking, type Returned } from './overtaking.ts'
import { type OpenReference, pairReferences } from './references.ts'

/** Most events of a lifetime whose references are paired. */
const MAX_EVENTS = 4096

type KeptFacts = Pick<LeakFacts, 'alikePages' | 'alikeKept' | 'alikeFar' | 'isKeptHere' | 'isHabit'>

/** Those that are the same for all pages of a law, and the pages on which references of other laws were overtaken by far. */
type LawKept = Omit<KeptFacts, 'isKeptHere'> & { kept: ReadonlySet<number> }

type Collectors = Map<number, TrafficCollector>

export class Traffic {
  readonly #ledger: LearningTracker
  readonly #laws = new Map<number, LawTraffic>()
  readonly #kept = new Map<number, LawKept>()
  /** Whole lifetimes, from hand-out to free, by pagemap. */
  readonly #lifetimes = new Map<number, Overtaking>()
  /** True if there was no room to keep all references that came back. */
  readonly isPartial: boolean

  /** @param without row of a page that is left out */
  constructor(ledger: LearningTracker, without?: number) {
    this.#ledger = ledger
    const laws: Collectors = new Map()
    const lifetimes = new Map<number, Returned[]>()
    const { log, nodes, pages, aside } = ledger
    this.isPartial = log.isCompacted || aside.first > 0
    for (let entry = 0; entry < log.length; entry++) {
      if (log.events[entry]! > MAX_EVENTS || log.row[entry] === without) continue
      const events = nodes.chain(log.tail[entry]!)
      collect(laws, events, ledger)
      if (log.state[entry] === LifetimeState.COMPLETE && events.length > 0)
        push(lifetimes, pages.pagemap[log.row[entry]!]!, {
          taken: events[0]!.ordinal,
          given: events.at(-1)!.ordinal,
          pid: events[0]!.pid,
        })
    }
    for (let row = 0; row < pages.length; row++) {
      const events = ledger.lifeEvents(row)
      if (events.length > MAX_EVENTS || row === without) continue
      for (const [law, taken] of collect(laws, events, ledger)) collectorOf(laws, law, ledger).held.push({ row, taken })
    }
    collectSetAside(laws, ledger)
    for (const [law, collector] of laws) this.#laws.set(law, collector.traffic())
    for (const [pagemap, returned] of lifetimes) this.#lifetimes.set(pagemap, new Overtaking(returned))
  }

  of(law: number): LawTraffic {
    return this.#laws.get(law) ?? NO_TRAFFIC
  }

  /**
   * Returns what the pages tell on which references of a law were overtaken by more than any that came back: on how many of them
   * those of another law were, too, whether this page is one where they were so by far, and whether many of another law are out elsewhere.
   */
  keptFacts(law: number, row: number): KeptFacts {
    const { kept, ...facts } = this.#keptOf(law)
    return { ...facts, isKeptHere: kept.has(row) }
  }

  #keptOf(law: number): LawKept {
    const known = this.#kept.get(law)
    if (known) return known
    const { alike, far } = this.of(law).overtaken
    const others = [...this.#laws].filter(([other]) => other !== law && this.#hasOrder(other))
    const elsewhere = others.filter(
      ([other, { overtaken }]) => overtaken.isMany && !this.#ledger.book.laws[other]!.isAmbiguous,
    )
    const kept = new Set(others.flatMap(([, { overtaken }]) => [...overtaken.far]))
    const facts = {
      kept,
      alikePages: alike.size,
      alikeKept: [...alike].filter(row => others.some(([, { overtaken }]) => overtaken.alike.has(row))).length,
      alikeFar: [...alike].filter(row => kept.has(row)).length,
      isHabit: elsewhere.some(([, { overtaken }]) => {
        const pages = [...overtaken.far].filter(row => this.#isKept(row, far))
        return areMany(pages.length, 0)
      }),
    }
    this.#kept.set(law, facts)
    return facts
  }

  /** True for a law of which so many references came back that their order is evidence. */
  #hasOrder(law: number): boolean {
    return law !== NO_LAW && isKnownOrder(this.#ledger.book.laws[law]!.touched, this.of(law).all.sure)
  }

  /** True for a device page that is none of `own`. Ordinary pages may be held for ever, which tells nothing about a driver. */
  #isKept(row: number, own: ReadonlySet<number>): boolean {
    const { pages, pagemaps } = this.#ledger
    return !own.has(row) && pagemaps.list[pages.pagemap[row]!]!.device
  }

  lifetimesOf(pagemap: number): Overtaking {
    return this.#lifetimes.get(pagemap) ?? NO_TRAFFIC.all
  }
}

/** Adds the references of a lifetime. Returns, by law, the ordinals of the events that took those that are out. */
function collect(laws: Collectors, events: readonly LifetimeEvent[], ledger: LearningTracker): Map<number, number[]> {
  const { settled, open } = pairReferences(events, 0, ledger.book)
  const out = new Map<number, number[]>()
  for (const { law, event, alternatives } of open) if (event) push(out, law, (alternatives.at(-1) ?? event).ordinal)
  for (const [law, taken] of out) collectorOf(laws, law, ledger).out.push(...taken)
  const since = sinceNoneWasOut(open)
  for (const [position, by] of settled) {
    const get = events[position]!
    const law = ledger.book.lawOf(unitKey(get.signature, 1))
    const isGuess = get.ordinal >= (since.get(law) ?? Infinity)
    collectorOf(laws, law, ledger).add(
      by.map(place => pairOf(get, events[place]!, ledger)),
      isGuess,
    )
  }
  return out
}

/** Returns, by law with references out, the ordinal of the first get that may have taken one of them. */
function sinceNoneWasOut(open: readonly OpenReference[]): Map<number, number> {
  const since = new Map<number, number>()
  for (const { law, event, alternatives } of open) {
    const first = (alternatives[0] ?? event)?.ordinal
    if (first !== undefined) since.set(law, Math.min(first, since.get(law) ?? Infinity))
  }
  return since
}

function pairOf(get: LifetimeEvent, put: LifetimeEvent, { sites }: LearningTracker): Pair {
  const { ordinal: given, pid: putPid, stack: putStack } = put
  const putSite = sites.site(put.signature)
  return { taken: get.ordinal, given, pid: get.pid, putPid, putStack, putSite, isVisit: isRightBefore(get, put) }
}

/** Adds the references of long lifetimes that were set aside: they came back, too. */
function collectSetAside(laws: Collectors, ledger: LearningTracker): void {
  const { aside, book, sites } = ledger
  // The pairs of one get follow each other.
  let pairs: Pair[] = []
  for (let pair = aside.first; pair < aside.length; pair++) {
    const at = aside.at(pair)
    pairs.push({
      taken: aside.taken[at]!,
      given: aside.given[at]!,
      pid: aside.getPid[at]!,
      putPid: aside.putPid[at]!,
      putStack: aside.putStack[at]!,
      putSite: sites.site(aside.putSignature[at]!),
    })
    if (pair + 1 < aside.length && aside.taken[aside.at(pair + 1)] === aside.taken[at]) continue
    collectorOf(laws, book.lawOf(unitKey(aside.getSignature[at]!, 1)), ledger).add(pairs)
    pairs = []
  }
}

function collectorOf(laws: Collectors, law: number, { sites }: LearningTracker): TrafficCollector {
  const known = laws.get(law)
  if (known) return known
  const made = new TrafficCollector(sites)
  laws.set(law, made)
  return made
}
