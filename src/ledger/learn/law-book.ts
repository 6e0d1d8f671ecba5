// SPDX-License-Identifier: GPL-2.0-or-later
/** The laws known so far, and by how much units deviate from them. */
import type { LifeEvent as LifetimeEvent } from '../life.ts'
import { type CallSiteDepths, type CallSiteLaw, type LifetimeCounts, learnLaws, type UnitKey } from './call-site-laws.ts'

/** What units of references add up to under one law, or at a call site that no law has. */
export type Balance = Map<number, number>

export class LawBook {
  laws: CallSiteLaw[] = []
  /** Law of a key, -1 for none. */
  #lawOf = new Int32Array(0)
  /** Lifetimes counted when the laws were learned. */
  #learnedFrom = 0

  /** True if so many more lifetimes are known that the laws should be learned again. */
  isStale(lifetimes: number): boolean {
    return lifetimes > 0 && lifetimes >= 2 * this.#learnedFrom
  }

  /** Learns all laws anew. */
  learn(
    counts: LifetimeCounts,
    lifetimes: number,
    sites: CallSiteDepths,
    samples: readonly (readonly LifetimeEvent[])[],
  ): void {
    this.#learnedFrom = lifetimes
    this.laws = learnLaws(counts, sites, samples)
    this.#index()
  }

  /** Learns laws of call sites that have none, and leaves the others as they are. */
  extend(
    counts: LifetimeCounts,
    lifetimes: number,
    sites: CallSiteDepths,
    samples: readonly (readonly LifetimeEvent[])[],
  ): void {
    this.#learnedFrom = lifetimes
    const rest: LifetimeCounts = {
      size: counts.size,
      forEach: each =>
        counts.forEach((units, n) => each(new Map([...units].filter(([key]) => this.lawOf(key) < 0)), n)),
    }
    this.laws.push(...learnLaws(rest, sites, samples))
    this.#index()
  }

  /** Index of the law that a key belongs to, -1 if it belongs to none. */
  lawOf(key: UnitKey): number {
    return key < this.#lawOf.length ? this.#lawOf[key]! : -1
  }

  /**
   * What a key's units are added up under: the number of its law, or a negative number of its own. Call sites without a law
   * stand for themselves, whatever was taken there and given back.
   */
  accountOf(key: UnitKey): number {
    const law = this.lawOf(key)
    return law >= 0 ? law : -1 - key
  }

  /** Adds units to a balance; accounts that are even are not in it. */
  addTo(balance: Balance, key: UnitKey, units: number): void {
    const account = this.accountOf(key)
    const sum = (balance.get(account) ?? 0) + units
    if (sum === 0) balance.delete(account)
    else balance.set(account, sum)
  }

  balanceOf(units: Iterable<readonly [UnitKey, number]>): Balance {
    const balance: Balance = new Map()
    for (const [key, n] of units) this.addTo(balance, key, n)
    return balance
  }

  #index(): void {
    const most = this.laws.reduce((max, law) => Math.max(max, ...law.keys), -1)
    this.#lawOf = new Int32Array(most + 1).fill(-1)
    this.laws.forEach((law, index) => {
      for (const key of law.keys) this.#lawOf[key] = index
    })
  }
}
