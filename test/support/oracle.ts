// SPDX-License-Identifier: GPL-2.0-or-later
/** Exhaustive search: every matching of a small life, every order of a few events. What the ledger's solvers must equal. */
import type { Costs } from '../../src/ledger/matching.ts'
import type { Life, Match, Reference } from '../../src/ledger/pairs.ts'
import type { OrderedEvent } from '../../src/ledger/track/lifetime-event.ts'
import type { Limits } from '../../src/ledger/track/op-semantics.ts'
import { Op } from '../../src/trace/events.ts'

/** Clocks of two CPUs differ by up to this, in ns. */
export const CLOCK_SLACK = 20_000

/**
 * Least cost in bits over all ways to give units of puts back to units of earlier gets. A unit carries its share of the
 * cost of its pair, or of its get or put left alone. Infinity if a get that must not stay has to.
 */
export function leastCost(life: Life, costs: Costs, mayStay: (get: Reference) => boolean = () => true): number {
  const { gets, puts } = life
  const getLeft = gets.map(get => get.units)
  const putLeft = puts.map(put => put.units)
  let best = Number.POSITIVE_INFINITY
  const alone = () =>
    gets.reduce((sum, get, g) => sum + (getLeft[g] ? stay(get, getLeft[g]) : 0), 0) +
    puts.reduce((sum, put, p) => sum + (costs.costUnmatchedPut(put) * putLeft[p]!) / put.units, 0)
  const stay = (get: Reference, units: number) =>
    mayStay(get) ? (costs.costUnmatchedGet(get) * units) / get.units : Number.POSITIVE_INFINITY
  const visit = (cell: number, cost: number): void => {
    if (cell === gets.length * puts.length) {
      best = Math.min(best, cost + alone())
      return
    }
    const g = Math.floor(cell / puts.length)
    const p = cell % puts.length
    const get = gets[g]!
    const put = puts[p]!
    const share = Math.min(get.units, put.units)
    const most = mayPair(life, get, put) ? Math.min(getLeft[g]!, putLeft[p]!) : 0
    for (let units = 0; units <= most; units++) {
      getLeft[g]! -= units
      putLeft[p]! -= units
      visit(cell + 1, cost + (units === 0 ? 0 : (costs.cost(get, put) * units) / share))
      getLeft[g]! += units
      putLeft[p]! += units
    }
  }
  visit(0, 0)
  return best
}

/** A put gives back earlier gets; only one of its own size, where there is one. */
function mayPair({ gets }: Life, get: Reference, put: Reference): boolean {
  const earlier = gets.filter(other => other.position >= 0 && other.position < put.position)
  const sameSize = earlier.some(other => other.units === put.units)
  return get.position < put.position && (get.position < 0 || !sameSize || get.units === put.units)
}

/** Cost of a matching by the same definition; throws if it matches what cannot be. */
export function costOf(life: Life, costs: Costs, matches: readonly Match[]): number {
  const getLeft = life.gets.map(get => get.units)
  const putLeft = life.puts.map(put => put.units)
  let cost = 0
  for (const { get: g, put: p, units } of matches) {
    const get = life.gets[g]!
    const put = life.puts[p]!
    if (!mayPair(life, get, put)) throw new Error(`put ${p} cannot give back get ${g}`)
    cost += (costs.cost(get, put) * units) / Math.min(get.units, put.units)
    getLeft[g]! -= units
    putLeft[p]! -= units
  }
  if ([...getLeft, ...putLeft].some(left => left < 0)) throw new Error('more units matched than there are')
  life.gets.forEach((get, g) => {
    cost += (costs.costUnmatchedGet(get) * getLeft[g]!) / get.units
  })
  life.puts.forEach((put, p) => {
    cost += (costs.costUnmatchedPut(put) * putLeft[p]!) / put.units
  })
  return cost
}

/** The count after an event found it at `count`; undefined if its result, or the page's rule, contradicts. */
function step(count: number, event: OrderedEvent, limits: Limits, young: number): number | undefined {
  const { op, val, ret } = event
  const possible = (next: number, allowed: boolean) => (allowed ? next : undefined)
  const ruled = (next: number) => possible(next, val > 0 ? count >= limits.getFrom : next >= limits.putTo)
  // A driver that fails after its set of 1 sets 0 again.
  if (op === Op.SET)
    return possible(
      val,
      limits.setOn === undefined ||
        limits.setOn === count ||
        (count === val && event.time < young) ||
        (count === 1 && val === 0),
    )
  if (op === Op.FREEZE) return ret === 0 ? count : possible(0, count === val)
  if (op === Op.UNFREEZE) return possible(val, count === 0)
  if (op === Op.MOD_UNLESS)
    return ret === 0 ? count : count === 0 && val > 0 ? undefined : possible(count + val, count >= limits.getFrom)
  if (op === Op.MOD_AND_TEST && (count + val === 0) !== (ret === 1)) return undefined
  if (op === Op.MOD_AND_RETURN && count + val !== ret) return undefined
  return ruled(count + val)
}

/**
 * All orders, as lists of indices, that no result and no rule contradicts, in which the events of one task keep their
 * order and no operation comes before a stamp that it surely followed.
 *
 * @param events sorted by time
 * @param young sets from this time on may not find the count that they set, unless pages are handed out at it
 */
export function consistentOrders(
  start: number,
  events: readonly OrderedEvent[],
  limits: Limits,
  young = Infinity,
): number[][] {
  const mustPrecede = (i: number, j: number): boolean =>
    (events[i]!.pid === events[j]!.pid && i < j) || events[i]!.time <= events[j]!.since - CLOCK_SLACK
  const found: number[][] = []
  const order: number[] = []
  const extend = (count: number): void => {
    if (order.length === events.length) found.push([...order])
    events.forEach((event, next) => {
      if (order.includes(next)) return
      if (events.some((_, other) => other !== next && !order.includes(other) && mustPrecede(other, next))) return
      const after = step(count, event, limits, young)
      if (after === undefined) return
      order.push(next)
      extend(after)
      order.pop()
    })
  }
  extend(start)
  return found
}
