// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The matching of least cost between the gets and the puts of one life, as a flow of references from gets to puts. To
 * match a unit saves what both sides would cost without partner, so the flow grows along shortest paths as long as one
 * is negative (successive shortest paths; Bellman and Ford, since edges cost less than nothing). Lives are small.
 */
import type { Life, Match, Matching, PairModel, Reference } from './pairs.ts'

/** Costs are rounded to 1/1024 bit, so that sums are exact and equal costs compare equal. */
const SCALE = 1024

/** Bits for leaving a get that must not stay. */
export const NEVER_BITS = 1e5

/** Events of a life that are solved exactly; a longer life is cut down before. */
export const MAX_SOLVED = 256

/** Costs that the solver is handed, in bits; see `PairModel` for the learned ones. */
export type Costs = Pick<PairModel, 'cost' | 'costUnmatchedGet' | 'costUnmatchedPut'>

/**
 * Solves one life.
 *
 * @param mayStay whether a get may stay without partner (all may by default)
 */
export function solve(life: Life, costs: Costs, mayStay: (get: Reference) => boolean = () => true): Matching {
  const { gets, puts } = life
  const network = new Network(gets.length + puts.length + 2)
  const source = gets.length + puts.length
  const sink = source + 1
  const alone = gets.map(get => round(mayStay(get) ? costs.costUnmatchedGet(get) : NEVER_BITS, get.units))
  const alonePuts = puts.map(put => round(costs.costUnmatchedPut(put), put.units))
  gets.forEach((get, g) => {
    network.add(source, g, get.units, 0)
  })
  puts.forEach((put, p) => {
    network.add(gets.length + p, sink, put.units, 0)
  })
  const pairs: { edge: number; get: number; put: number; cost: number }[] = []
  puts.forEach((put, p) => {
    const hasEqual = gets.some(get => isEqual(get, put))
    gets.forEach((get, g) => {
      if (put.position < get.position || (hasEqual && get.position >= 0 && !isEqual(get, put))) return
      const cost = round(costs.cost(get, put), Math.min(get.units, put.units))
      const edge = network.add(g, gets.length + p, Math.min(get.units, put.units), cost - alone[g]! - alonePuts[p]!)
      pairs.push({ edge, get: g, put: p, cost })
    })
  })
  network.minimise(source, sink)
  return collect(life, network, pairs, alone, alonePuts)
}

/**
 * A put of many references gives back a get of as many where there is one: it is no sum of others. What was held before
 * the recording (position -1) is a heap of unknown references.
 */
function isEqual(get: Reference, put: Reference): boolean {
  return get.position >= 0 && get.position <= put.position && get.units === put.units
}

/** Cost of one unit such that all `units` together cost `bits`. */
function round(bits: number, units: number): number {
  return Math.round((bits * SCALE) / units)
}

function collect(
  life: Life,
  network: Network,
  pairs: { edge: number; get: number; put: number; cost: number }[],
  alone: number[],
  alonePuts: number[],
): Matching {
  const matches: Match[] = []
  const unmatchedGets = life.gets.map(get => get.units)
  const unmatchedPuts = life.puts.map(put => put.units)
  let cost = 0
  for (const pair of pairs) {
    const units = network.flow(pair.edge)
    if (units === 0) continue
    matches.push({ get: pair.get, put: pair.put, units })
    unmatchedGets[pair.get]! -= units
    unmatchedPuts[pair.put]! -= units
    cost += units * pair.cost
  }
  unmatchedGets.forEach((units, g) => {
    cost += units * alone[g]!
  })
  unmatchedPuts.forEach((units, p) => {
    cost += units * alonePuts[p]!
  })
  return { matches, unmatchedGets, unmatchedPuts, cost: cost / SCALE }
}

/** A flow network with costs, as columns; every edge is followed by its reverse. */
class Network {
  readonly #nodes: number
  readonly #from: number[] = []
  readonly #to: number[] = []
  readonly #capacity: number[] = []
  readonly #cost: number[] = []

  constructor(nodes: number) {
    this.#nodes = nodes
  }

  add(from: number, to: number, capacity: number, cost: number): number {
    this.#from.push(from, to)
    this.#to.push(to, from)
    this.#capacity.push(capacity, 0)
    this.#cost.push(cost, -cost)
    return this.#to.length - 2
  }

  flow(edge: number): number {
    return this.#capacity[edge + 1]!
  }

  /** Drives flow from source to sink as long as that makes the whole cheaper. */
  minimise(source: number, sink: number): void {
    const distance = new Float64Array(this.#nodes)
    const via = new Int32Array(this.#nodes)
    for (;;) {
      this.#shortest(source, distance, via)
      if (!(distance[sink]! < 0)) return
      let units = Infinity
      for (let node = sink; node !== source; node = this.#from[via[node]!]!)
        units = Math.min(units, this.#capacity[via[node]!]!)
      for (let node = sink; node !== source; node = this.#from[via[node]!]!) {
        this.#capacity[via[node]!]! -= units
        this.#capacity[via[node]! ^ 1]! += units
      }
    }
  }

  #shortest(source: number, distance: Float64Array, via: Int32Array): void {
    distance.fill(Infinity)
    via.fill(-1)
    distance[source] = 0
    for (let round = 0; round < this.#nodes; round++) {
      let changed = false
      for (let edge = 0; edge < this.#to.length; edge++) {
        if (this.#capacity[edge] === 0) continue
        const reach = distance[this.#from[edge]!]! + this.#cost[edge]!
        if (reach >= distance[this.#to[edge]!]!) continue
        distance[this.#to[edge]!] = reach
        via[this.#to[edge]!] = edge
        changed = true
      }
      if (!changed) return
    }
  }
}
