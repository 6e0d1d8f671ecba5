// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decides for which planted faults the recording suffices to name the culprit. The truth is used for that: a fault is decidable
 * if no other function explains the lifetime equally well, given which functions were ever seen to put the references of which
 * others. The decision is conservative: a decidable fault should be found, an undecidable one may be found.
 */
import type { LostEvents } from '../../src/trace/events.ts'
import type { Conditions } from './conditions.ts'
import type { Memory, Plant } from './memory.ts'
import type { Operation, Token } from './operation.ts'

/** Number of correct examples of a reference that a recording needs before a wrong one can be distinguished. */
const EXAMPLES = 3

interface End {
  function: string
  time: number
  units: number
}

export interface Evidence {
  conditions: Conditions
  memory: Memory
  /** The operations whose events the recording has. */
  seen: ReadonlySet<Operation>
  lost: readonly LostEvents[]
  /** When the recording ended. */
  end: number
}

export class Judge {
  readonly #evidence: Evidence
  readonly #takes = new Map<Token, Operation[]>()
  readonly #puts = new Map<Token, Operation>()
  /** By function that took references: the functions that put them, the number of pairs, and the longest time between. */
  readonly #ways = new Map<string, { by: Set<string>; count: number; longest: number }>()

  constructor(evidence: Evidence) {
    this.#evidence = evidence
    const { memory, seen } = evidence
    for (const operation of memory.log) {
      for (const token of operation.take) {
        if (!token.phantom) this.#takes.set(token, [...(this.#takes.get(token) ?? []), operation])
      }
      for (const token of operation.give) this.#puts.set(token, operation)
    }
    for (const [token, put] of this.#puts) {
      if (!seen.has(put) || !this.#takes.get(token)?.every(take => seen.has(take))) continue
      const way = this.#ways.get(token.function) ?? { by: new Set(), count: 0, longest: 0 }
      way.by.add(put.function)
      way.count++
      way.longest = Math.max(way.longest, put.time - token.taken)
      this.#ways.set(token.function, way)
    }
  }

  decidable(plant: Plant): boolean {
    const { conditions, seen } = this.#evidence
    if (!conditions.clocks.stacks || plant.spoilt || !this.#whole(plant)) return false
    switch (plant.kind) {
      case 'leak':
        return this.#overdue(plant) && !this.#otherGet(plant)
      case 'surplus-put':
        return conditions.clocks.grain <= 1000 && seen.has(plant.operation!) && !this.#otherPut(plant)
      default:
        // Under protocols with an idle count of 1, a get on a free page is indistinguishable from an allocation.
        return conditions.protocol === 'private' && conditions.clocks.grain <= 1000
    }
  }

  #tokens({ page, life }: Plant): Token[] {
    return [...this.#takes.keys()].filter(token => token.page === page && token.life === life)
  }

  /** True if the recording has the whole lifetime, and no event is missing that might belong to it. */
  #whole(plant: Plant): boolean {
    const { memory, seen, lost } = this.#evidence
    const { page, life, operation } = plant
    const tokens = this.#tokens(plant)
    const own = memory.log.filter(other => other.page === page && other.life === life)
    const given = tokens.map(token => this.#puts.get(token)).filter(put => put !== undefined)
    const all = [...own, ...given, ...(operation ? [operation] : [])]
    if (all.length === 0 || !all.every(each => seen.has(each))) return false
    const from = Math.min(...all.map(({ time }) => time))
    const to = plant.kind === 'leak' ? Number.POSITIVE_INFINITY : Math.max(...all.map(({ time }) => time))
    return !lost.some(gap => gap.from <= to && gap.to >= from)
  }

  /** True if the reference was held much longer than similar ones, or if all others were put. */
  #overdue({ functions, time }: Plant): boolean {
    const { conditions, end } = this.#evidence
    const way = this.#ways.get(functions[0]!)
    if (way === undefined || way.count < EXAMPLES) return false
    return conditions.end === 'drained' || end - time > 2 * way.longest
  }

  /** True if a reference of another function may be the one that was not put. */
  #otherGet(plant: Plant): boolean {
    const tokens = this.#tokens(plant)
    const gets = tokens.map(({ function: name, taken: time, units }) => ({ function: name, time, units }))
    const puts = tokens.flatMap(token => this.#putOf(token))
    const others = new Set(gets.map(get => get.function).filter(name => !plant.functions.includes(name)))
    // A reference that is still held at the end has no put either.
    if (tokens.some(token => !token.leaked && !this.#puts.has(token))) return true
    return [...others].some(name => {
      const without = gets.findIndex(get => get.function === name)
      const rest = gets.filter((_, i) => i !== without)
      return allMatched(puts, rest, (put, get) => this.#goes(get, put))
    })
  }

  /** True if a put by another function may be the surplus one. */
  #otherPut(plant: Plant): boolean {
    const tokens = this.#tokens(plant)
    const back = tokens.filter(token => this.#puts.has(token))
    if (back.length < tokens.length) return true
    const gets = back.map(({ function: name, taken: time, units }) => ({ function: name, time, units }))
    const { function: name, time, val } = plant.operation!
    const puts = [...back.flatMap(token => this.#putOf(token)), { function: name, time, units: -val }]
    const others = new Set(puts.map(put => put.function).filter(other => !plant.functions.includes(other)))
    return [...others].some(other => {
      const without = puts.findIndex(put => put.function === other)
      const rest = puts.filter((_, i) => i !== without)
      return allMatched(gets, rest, (get, put) => this.#goes(get, put))
    })
  }

  #putOf(token: Token): End[] {
    const put = this.#puts.get(token)
    return put ? [{ function: put.function, time: put.time, units: token.units }] : []
  }

  #goes(get: End, put: End): boolean {
    return get.time < put.time && get.units === put.units && this.#ways.get(get.function)?.by.has(put.function) === true
  }
}

/** True if each of `as` can be matched to one of `bs`. Augmenting paths are fast enough for the size of a lifetime. */
export function allMatched<A, B>(as: readonly A[], bs: readonly B[], fits: (a: A, b: B) => boolean): boolean {
  if (as.length > bs.length) return false
  const partner = new Array<number>(bs.length).fill(-1)
  const find = (a: number, tried: Set<number>): boolean =>
    bs.some((b, i) => {
      if (tried.has(i) || !fits(as[a]!, b)) return false
      tried.add(i)
      if (partner[i]! >= 0 && !find(partner[i]!, tried)) return false
      partner[i] = a
      return true
    })
  return as.every((_, a) => find(a, new Set()))
}
