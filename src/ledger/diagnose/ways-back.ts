// SPDX-License-Identifier: GPL-2.0-or-later
/** Which puts outside a law may have given back its references, by the complete lifetimes that have such a put. */
import type { LawBook } from '../learn/law-book.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { isPut, type LifetimeCounts, type UnitKey, unitKey } from '../track/unit-key.ts'

/** Number of complete lifetimes with a put of a call site before they tell what it gives back. */
const KNOWN_SITE = 10

/** What the complete lifetimes with a put of one call site show: their number, and the laws of which one of them was over. */
interface SeenPuts {
  lifetimes: number
  over: Set<number>
}

export class WaysBack {
  readonly #seen = new Map<UnitKey, SeenPuts>()

  constructor(counts: LifetimeCounts, book: LawBook) {
    counts.forEach((units, lifetimes) => {
      const over = [...book.balanceOf(units)].filter(([, sum]) => sum > 0).map(([law]) => law)
      for (const key of units.keys()) if (isPut(key)) this.#add(key, lifetimes, over)
    })
  }

  #add(key: UnitKey, lifetimes: number, over: readonly number[]): void {
    const seen = this.#seen.get(key) ?? { lifetimes: 0, over: new Set() }
    this.#seen.set(key, seen)
    seen.lifetimes += lifetimes
    for (const law of over) seen.over.add(law)
  }

  /**
   * True if a put of another law, or of none, may have given back a reference of this law. Where it did, more of this law were taken
   * than its own puts gave back; so a call site that occurs in many lifetimes, in none of which this law was over, is no such way.
   */
  mayGiveBack({ signature, delta }: LifetimeEvent, law: number): boolean {
    const seen = this.#seen.get(unitKey(signature, delta))
    return seen === undefined || seen.lifetimes < KNOWN_SITE || seen.over.has(law)
  }
}
