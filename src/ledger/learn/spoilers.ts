// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds call sites whose puts free pages early. Such a put seems to give back what was out of another law at that time, as an
 * error path does. But what an error path gives back nobody puts any more; here it is put later, and may find the page free.
 */
import type { CallSiteDepths } from '../callsites/depths.ts'
import { isPut, type LifetimeCounts, signatureOf, type UnitKey } from '../track/unit-key.ts'

/** Number of impossible events that must follow lifetimes with a put before the put is taken for what made them impossible. */
const MIN_SPOILT = 2

/** Share of the put's lifetimes that they must follow, and how many times more often than lifetimes at large. */
const SPOILT = 0.5
const MORE_OFTEN = 5

/**
 * Returns the call sites that put, as `CallSiteDepths.at` of one frame, after whose lifetimes something impossible mostly happens
 * to the page.
 *
 * @param before for each impossible event, the keys of the page's lifetime that had ended right before
 */
export function spoilers(
  counts: LifetimeCounts,
  sites: CallSiteDepths,
  before: readonly ReadonlySet<UnitKey>[],
): Set<number> {
  const putsOf = (keys: Iterable<UnitKey>) => new Set([...keys].filter(isPut).map(key => sites.at(signatureOf(key), 1)))
  const spoilt = new Map<number, number>()
  for (const keys of before) for (const site of putsOf(keys)) spoilt.set(site, (spoilt.get(site) ?? 0) + 1)
  for (const [site, times] of spoilt) if (times < MIN_SPOILT) spoilt.delete(site)
  if (spoilt.size === 0) return new Set()
  let all = 0
  const own = new Map<number, number>()
  counts.forEach((units, lifetimes) => {
    all += lifetimes
    for (const site of putsOf(units.keys())) own.set(site, (own.get(site) ?? 0) + lifetimes)
  })
  const isSpoiler = (site: number, times: number) => {
    const lifetimes = own.get(site) ?? 0
    return times >= SPOILT * lifetimes && times * all >= MORE_OFTEN * before.length * lifetimes
  }
  return new Set([...spoilt].filter(([site, times]) => isSpoiler(site, times)).map(([site]) => site))
}
