// SPDX-License-Identifier: GPL-2.0-or-later
/** How many references a call site gives back in a lifetime, where it is always as many. */
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { isPut, type LifetimeCounts, type UnitKey, unitKey } from '../track/unit-key.ts'
import { ENOUGH } from './leak.ts'
import { unitsOf } from './page-history.ts'

/** What a call site gave back in each of so many lifetimes. */
export interface Usual {
  units: number
  lifetimes: number
}

export class UsualUnits {
  /** By call site: how many lifetimes it gave so many references back in. */
  readonly #lifetimes = new Map<UnitKey, Map<number, number>>()

  constructor(counts: LifetimeCounts) {
    counts.forEach((units, lifetimes) => {
      for (const [key, sum] of units) if (isPut(key)) this.#add(key, -sum, lifetimes)
    })
  }

  #add(key: UnitKey, units: number, lifetimes: number): void {
    const known = this.#lifetimes.get(key) ?? new Map<number, number>()
    this.#lifetimes.set(key, known)
    known.set(units, (known.get(units) ?? 0) + lifetimes)
  }

  /** Returns what the call site of a put gave back in all lifetimes but the put's; undefined if that varies, or these are few. */
  of(put: LifetimeEvent): Usual | undefined {
    const own = -unitsOf(put, 0)
    const known = this.#lifetimes.get(unitKey(put.signature, -1)) ?? new Map<number, number>()
    const [usual, ...more] = [...known].filter(([units]) => units !== own)
    if (!usual || more.length > 0 || (known.get(own) ?? 0) > 1) return undefined
    const [units, lifetimes] = usual
    return lifetimes >= ENOUGH ? { units, lifetimes } : undefined
  }
}
