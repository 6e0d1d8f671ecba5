// SPDX-License-Identifier: GPL-2.0-or-later
/** The laws learned so far, and the deviation of lifetimes from them. */

import { grown, lengthFor } from '../../util/growable.ts'
import type { CallSiteDepths } from '../callsites/depths.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { isPut, type LifetimeCounts, signatureOf, type UnitKey } from '../track/unit-key.ts'
import { type CallSiteLaw, learnLaws, type SiteGroup, type Troubles } from './call-site-laws.ts'
import { spoilers } from './spoilers.ts'

/** In place of a law's number: not looked up yet. */
const UNKNOWN = -2

/** In place of a law's number: all call sites that no law has. */
export const NO_LAW = -1

/** Sum of the units of references by law (`NO_LAW`: at call sites that no law has). Laws with sum zero are left out. */
export type Balance = Map<number, number>

/** What a tracker knows of what went wrong. */
export interface SeenTroubles extends Omit<Troubles, 'spoilers'> {
  /** For each impossible event, the keys of the page's lifetime that had ended right before. */
  before: readonly ReadonlySet<UnitKey>[]
}

export class LawBook {
  laws: CallSiteLaw[] = []
  /** Law of a key, `UNKNOWN` where it was not looked up yet. */
  #lawOf = new Int32Array(0)
  /** Law by call site, see `groupName`. */
  readonly #byGroup = new Map<string, number>()
  #sites: CallSiteDepths | undefined
  #spoilers: ReadonlySet<number> = new Set()
  /** True if two signatures have a function in common. */
  related: (a: number, b: number) => boolean = () => false
  /** Number of lifetimes when the laws were last learned. */
  #learnedFrom = 0

  /** True if the number of lifetimes has grown so much that the laws should be learned again. */
  isStale(lifetimes: number): boolean {
    return lifetimes > 0 && lifetimes >= 2 * this.#learnedFrom
  }

  /** Learns all laws anew. */
  learn(
    counts: LifetimeCounts,
    lifetimes: number,
    sites: CallSiteDepths,
    samples: readonly (readonly LifetimeEvent[])[],
    troubles: SeenTroubles,
  ): void {
    this.#learnedFrom = lifetimes
    this.related = (a, b) => sites.related(a, b)
    this.#sites = sites
    this.#spoilers = spoilers(counts, sites, troubles.before)
    this.laws = learnLaws(counts, sites, samples, { ...troubles, spoilers: this.#spoilers })
    this.#index()
  }

  /** Learns laws of call sites that have none, and leaves the others as they are. */
  extend(
    counts: LifetimeCounts,
    lifetimes: number,
    sites: CallSiteDepths,
    samples: readonly (readonly LifetimeEvent[])[],
    troubles: SeenTroubles,
  ): void {
    this.#learnedFrom = lifetimes
    const rest: LifetimeCounts = {
      size: counts.size,
      forEach: each => {
        counts.forEach((units, n) => {
          each(new Map([...units].filter(([key]) => this.lawOf(key) < 0)), n)
        })
      },
    }
    this.#sites = sites
    this.#spoilers = spoilers(counts, sites, troubles.before)
    this.laws.push(...learnLaws(rest, sites, samples, { ...troubles, spoilers: this.#spoilers }))
    this.#index()
  }

  /** Index of the law that a key belongs to, `NO_LAW` if it belongs to none. */
  lawOf(key: UnitKey): number {
    if (key >= this.#lawOf.length) this.#lawOf = grown(this.#lawOf, lengthFor(key, this.#lawOf.length), UNKNOWN)
    const known = this.#lawOf[key]!
    return known === UNKNOWN ? this.#lookUp(key) : known
  }

  /** True if a key belongs to a rival call site of the law: the lifetimes do not tell which of the two a put gives back to. */
  isRival(law: number, key: UnitKey): boolean {
    const at = (depth: number) => this.#sites!.at(signatureOf(key), depth)
    return this.laws[law]!.rivals.some(group => group.isPut === isPut(key) && group.at === at(group.depth))
  }

  /** True for a put without a law that mostly frees pages early (see `spoilers`). */
  isSpoiler(key: UnitKey): boolean {
    return isPut(key) && this.lawOf(key) === NO_LAW && this.#spoilers.has(this.#sites!.at(signatureOf(key), 1))
  }

  /** Looks a key up. One that no complete lifetime had belongs to the law of the call site whose frames it begins with. */
  #lookUp(key: UnitKey): number {
    let law: number | undefined
    for (let depth = this.#sites?.depth ?? 0; depth > 0 && law === undefined; depth--)
      law = this.#byGroup.get(groupName({ at: this.#sites!.at(signatureOf(key), depth), depth, isPut: isPut(key) }))
    this.#lawOf[key] = law ?? NO_LAW
    return law ?? NO_LAW
  }

  /** Adds units to a balance. */
  addTo(balance: Balance, key: UnitKey, units: number): void {
    const law = this.lawOf(key)
    const sum = (balance.get(law) ?? 0) + units
    if (sum === 0) balance.delete(law)
    else balance.set(law, sum)
  }

  balanceOf(units: Iterable<readonly [UnitKey, number]>): Balance {
    const balance: Balance = new Map()
    for (const [key, n] of units) this.addTo(balance, key, n)
    return balance
  }

  #index(): void {
    this.#lawOf.fill(UNKNOWN)
    this.#byGroup.clear()
    this.laws.forEach((law, index) => {
      for (const group of law.groups) this.#byGroup.set(groupName(group), index)
    })
  }
}

function groupName({ at, depth, isPut }: SiteGroup): string {
  return `${at} ${depth} ${isPut ? 'put' : 'get'}`
}
