// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the put that lowered the rest level of a watched page. As for surplus puts of other pages (`shortage.ts`), the balance
 * over all of the page's lifetimes tells the law. The put at which the level fell need not be the surplus one: that may have come
 * while others held references, so that the last of their puts went below the level.
 */
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LifetimeEvent, RestDrop } from '../track/lifetime-event.ts'
import { LifetimeState } from '../track/lifetime-log.ts'
import type { Naming } from './naming.ts'
import { lawOfPut, type PutSites, putSites } from './put-laws.ts'

/** Complete lifetimes that must have touched a law before it is known. */
const KNOWN_LAW = 10

export type Events = readonly LifetimeEvent[]

/** A fall of a page's rest level, in one step or several. */
export interface Fall {
  row: number
  /** Rest level before and after. */
  rest: number
  left: number
  drops: readonly RestDrop[]
}

/** Balance of a page's lifetimes up to the fall. */
export interface Reckoning {
  /** Laws under which more was given back than taken, and those under which less. */
  short: readonly number[]
  over: readonly number[]
  total: ReadonlyMap<number, number>
  /** Lifetimes in which some law was not balanced, oldest first. */
  odd: readonly Events[]
  /** These, and the lifetimes just before the fall. */
  suspect: readonly Events[]
}

/** A put that gave back more than was out under its law. */
export interface EmptyPut {
  put: LifetimeEvent
  /** Number of references by which it gave back more. */
  lacking: number
  /** Number of references that were out under all laws when it came. */
  out: number
}

export class PageFalls {
  readonly sites: PutSites
  readonly #ledger: LearningTracker
  readonly #naming: Naming
  readonly #laws = new Map<string, number>()

  constructor(ledger: LearningTracker, naming: Naming) {
    this.#ledger = ledger
    this.#naming = naming
    this.sites = putSites(ledger)
  }

  /** Returns the fall that ends with a put. */
  until(last: RestDrop): Fall {
    const of = this.#ledger.restDrops.filter(({ row }) => row === last.row)
    const drops = of.slice(0, of.indexOf(last) + 1)
    return { row: last.row, rest: drops[0]!.rest, left: last.left, drops }
  }

  reckon(fall: Fall): Reckoning {
    const { lifetimes, falling } = this.#lifetimesUntil(fall)
    const odd: Events[] = []
    const total = new Map<number, number>()
    for (const events of lifetimes) {
      const balance = new Map<number, number>()
      for (const event of events) add(balance, this.lawOf(event), event.delta)
      if (balance.size > 0) odd.push(events)
      for (const [law, units] of balance) add(total, law, units)
    }
    return {
      short: [...total].flatMap(([law, units]) => (units < 0 ? [law] : [])),
      over: [...total].flatMap(([law, units]) => (units > 0 ? [law] : [])),
      total,
      odd,
      suspect: lifetimes.filter((events, i) => odd.includes(events) || falling.has(lifetimes[i + 1]!)),
    }
  }

  /** Returns the lifetimes of a page up to the last put of its fall, oldest first, and those of them that end with such a put. */
  #lifetimesUntil({ row, drops }: Fall): { lifetimes: Events[]; falling: ReadonlySet<Events> } {
    const falling = new Set<Events>(
      drops.map(({ life, event }) => [...life, { ...event, delta: event.val, mapped: false, taskSeq: 0 }]),
    )
    const end = drops.at(-1)!.event.ordinal
    const before = this.complete(row).filter(events => events.at(-1)!.ordinal < end)
    return { lifetimes: [...before, ...falling].sort((a, b) => a[0]!.ordinal - b[0]!.ordinal), falling }
  }

  /** Returns the complete lifetimes of a page, oldest first. */
  complete(row: number): LifetimeEvent[][] {
    const { log, nodes } = this.#ledger
    const lifetimes: LifetimeEvent[][] = []
    for (let entry = 0; entry < log.length; entry++)
      if (log.row[entry] === row && log.state[entry] === LifetimeState.COMPLETE)
        lifetimes.push(nodes.chain(log.tail[entry]!))
    return lifetimes.filter(events => events.length > 0)
  }

  /** True if many lifetimes have references of the law, and only the `odd` ones break it. */
  isKnown(law: number, { odd }: Reckoning): boolean {
    if (law === NO_LAW || this.#ledger.log.isCompacted) return false
    const { touched, held } = this.#ledger.book.laws[law]!
    return touched >= KNOWN_LAW && touched - held < odd.length
  }

  /**
   * Returns the first put of a law that gave back more than was out; undefined if there is none.
   *
   * @param isByTask true if references of the law always come back by the task that took them, so that only its own count
   */
  emptyPut(law: number, { suspect }: Reckoning, isByTask: boolean): EmptyPut | undefined {
    for (const events of suspect) {
      const held = new Map<number, number>()
      let out = 0
      for (const event of events) {
        if (this.lawOf(event) === law) {
          const owner = isByTask ? event.pid : 0
          add(held, owner, event.delta)
          const own = held.get(owner) ?? 0
          if (own < 0) return { put: event, lacking: -own, out }
        }
        out += event.delta
      }
    }
    return undefined
  }

  lawOf(event: LifetimeEvent): number {
    const key = `${event.signature} ${event.stack} ${event.delta < 0}`
    let law = this.#laws.get(key)
    if (law === undefined) this.#laws.set(key, (law = lawOfPut(this.sites, this.#naming, event, event.delta)))
    return law
  }
}

function add(sums: Map<number, number>, key: number, units: number): void {
  const sum = (sums.get(key) ?? 0) + units
  if (sum === 0) sums.delete(key)
  else sums.set(key, sum)
}

/** Returns a sentence on why a put is surplus, by the references that were out when it came. */
export function reasonOf({ put, lacking }: EmptyPut, isByTask: boolean): string {
  if (-put.delta > lacking) return 'it gave back more than was out'
  return isByTask ? 'its task had nothing of its law out when it came' : 'nothing of its law was out when it came'
}
