// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Chooses between laws that all lifetimes obey equally well. If every lifetime takes one reference at each of two call sites and
 * gives one back at each of two others, both ways of pairing them are laws. The choice is made by hints: the order of events,
 * tasks, page tables and names of functions. Such a law is marked as ambiguous, and nobody is accused by it alone.
 */

import type { CallSiteDepths } from '../callsites/depths.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import type { UnitKey } from '../track/unit-key.ts'
import type { Law } from './find-laws.ts'

export interface PreferredLaw {
  law: Law
  /** True if the lifetimes allow other laws equally well. */
  isAmbiguous: boolean
  /** Columns of other call sites that would be in one law with some of these if another choice were the right one. */
  rivals: number[]
}

/** Weights of the hints that one call site gives back what another took, each for full agreement. */
const RELATED = 2
const SAME_TASK = 1
const SAME_MAPPING = 3
const NESTED = 1

/** Most overlapping laws of which every choice is tried; of more, the best are taken greedily. */
const MAX_OVERLAPPING = 16

/** True if two laws have a call site in common. */
type Shares = (a: Law, b: Law) => boolean

/**
 * Returns laws that share no call site.
 *
 * @param keysOf keys of a column; columns of different depths may have some in common
 * @param affinity how well a taking column and a giving one go together
 */
export function preferredLaws(
  laws: readonly Law[],
  keysOf: (column: number) => readonly UnitKey[],
  affinity: (get: number, put: number) => number,
): PreferredLaw[] {
  const keys = new Map(laws.map(law => [law, new Set(law.columns.flatMap(keysOf))]))
  const shares: Shares = (a, b) => [...keys.get(a)!].some(key => keys.get(b)!.has(key))
  const scores = new Map<string, number>()
  const score = (law: Law) => {
    const key = law.columns.join()
    if (!scores.has(key)) scores.set(key, scoreOf(law, affinity))
    return scores.get(key)!
  }
  return components(laws, shares).flatMap(component => {
    if (component.length === 1) return [{ law: component[0]!, isAmbiguous: false, rivals: [] }]
    return bestChoice(component, score, shares).map(law => {
      const others = component.filter(other => other !== law && shares(other, law))
      const isOwn = (column: number) => keysOf(column).every(key => keys.get(law)!.has(key))
      const columns = [...new Set(others.flatMap(other => other.columns))]
      return { law, isAmbiguous: others.length > 0, rivals: columns.filter(column => !isOwn(column)) }
    })
  })
}

/**
 * Returns how well a get and a put match, in [0, 7]; -1 if the put comes before the get in most lifetimes that have both.
 *
 * @param samples lifetimes, each in order
 */
export function affinity(
  gets: readonly UnitKey[],
  puts: readonly UnitKey[],
  sites: CallSiteDepths,
  samples: readonly (readonly LifetimeEvent[])[],
): number {
  const getSignatures = new Set(gets.map(key => key >> 1))
  const putSignatures = new Set(puts.map(key => key >> 1))
  const seen = { both: 0, ordered: 0, task: 0, mapping: 0, nested: 0 }
  for (const lifetime of samples) {
    const get = lifetime.findIndex(({ delta, signature }) => delta > 0 && getSignatures.has(signature))
    const put = lifetime.findLastIndex(({ delta, signature }) => delta < 0 && putSignatures.has(signature))
    if (get < 0 || put < 0) continue
    seen.both++
    if (get > put) continue
    const [from, to] = [lifetime[get]!, lifetime[put]!]
    const between = lifetime.slice(get + 1, put).reduce((sum, event) => sum + event.delta, 0)
    seen.ordered++
    if (from.pid === to.pid) seen.task++
    if (from.mapped === to.mapped) seen.mapping++
    if (between === 0) seen.nested++
  }
  const related = sites.related(gets[0]! >> 1, puts[0]! >> 1) ? RELATED : 0
  if (seen.both === 0) return related
  if (2 * seen.ordered < seen.both) return -1
  return related + (SAME_TASK * seen.task + SAME_MAPPING * seen.mapping + NESTED * seen.nested) / seen.both
}

/** Returns the mean over the law's columns of the affinity of each with its best partner. */
function scoreOf({ columns, signs }: Law, affinityOf: (get: number, put: number) => number): number {
  const gets = columns.filter((_, i) => signs[i]! > 0)
  const puts = columns.filter((_, i) => signs[i]! < 0)
  const best = [
    ...gets.map(get => Math.max(...puts.map(put => affinityOf(get, put)))),
    ...puts.map(put => Math.max(...gets.map(get => affinityOf(get, put)))),
  ]
  return best.reduce((sum, each) => sum + each, 0) / best.length
}

/** Returns the connected components of laws: no two groups share a call site. */
function components(laws: readonly Law[], shares: Shares): Law[][] {
  let groups: Law[][] = []
  for (const law of laws) {
    const touching = groups.filter(group => group.some(other => shares(other, law)))
    groups = [...groups.filter(group => !touching.includes(group)), [...touching.flat(), law]]
  }
  return groups
}

/** Returns laws without a common call site that cover as many columns as possible and, of such choices, have the best score. */
function bestChoice(laws: readonly Law[], score: (law: Law) => number, shares: Shares): Law[] {
  const sorted = [...laws].sort((a, b) => score(b) - score(a))
  if (sorted.length > MAX_OVERLAPPING) return greedy(sorted, shares)
  let best: { chosen: Law[]; covered: number; score: number } = { chosen: [], covered: 0, score: 0 }
  const extend = (from: number, chosen: Law[]) => {
    const covered = chosen.reduce((sum, law) => sum + law.columns.length, 0)
    const total = chosen.reduce((sum, law) => sum + score(law) * law.columns.length, 0)
    if (covered > best.covered || (covered === best.covered && total > best.score))
      best = { chosen, covered, score: total }
    for (let i = from; i < sorted.length; i++)
      if (!chosen.some(law => shares(law, sorted[i]!))) extend(i + 1, [...chosen, sorted[i]!])
  }
  extend(0, [])
  return best.chosen
}

function greedy(sorted: readonly Law[], shares: Shares): Law[] {
  const chosen: Law[] = []
  for (const law of sorted) if (!chosen.some(other => shares(other, law))) chosen.push(law)
  return chosen
}
