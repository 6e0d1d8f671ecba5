// SPDX-License-Identifier: GPL-2.0-or-later
/** A life's events as the references that the solver matches. */

import { BEFORE } from './callsites/call-sites.ts'
import { type Costs, NEVER_BITS, solve } from './matching.ts'
import { type Life, type Matching, mergePins, type PairModel, type Reference } from './pairs.ts'
import type { LifetimeEvent as LifeEvent } from './track/lifetime-event.ts'

/** Bits of margin below which an attribution is not called certain. */
export const CLEAR_MARGIN = 3

/** A get that found no put, with the event that took it. */
export interface Unreturned {
  /** undefined: held since before the recording. */
  event: LifeEvent | undefined
  reference: Reference
  units: number
}

export interface SolvedLife {
  unreturned: Unreturned[]
  /** Puts that gave back nothing. */
  surplus: { event: LifeEvent; reference: Reference }[]
  matching: Matching
  life: Life
  /** Of each event, the place of its partner. A fast pin is known by its first event. */
  partners: (number | undefined)[]
}

const EARLIER: Omit<Reference, 'units'> = { signature: BEFORE, position: -1, task: -1, mapped: false }

/**
 * Matches the references of a life.
 *
 * @param held references that were held when the life's first event came
 */
export function solveLife(events: readonly LifeEvent[], held: number, model: PairModel): SolvedLife {
  return solved(events, asLife(events, held), model)
}

/** The same where it is known which get has no partner, by its place in the life. */
export function solveLeak(events: readonly LifeEvent[], position: number, model: PairModel): SolvedLife {
  return solved(events, asLife(events, 0), model, get => get.position === position)
}

/** The references of a life. */
export function asLife(events: readonly LifeEvent[], held: number): Life {
  return mergePins(lifeOf(events, held))
}

function solved(
  events: readonly LifeEvent[],
  life: Life,
  model: PairModel,
  mayStay?: (get: Reference) => boolean,
): SolvedLife {
  const matching = solve(life, costsOf(life, model), mayStay)
  const event = (reference: Reference) => (reference.position < 0 ? undefined : events[reference.position])
  const unreturned = life.gets.flatMap((reference, g) => {
    const units = matching.unmatchedGets[g]!
    return units > 0 ? [{ event: event(reference), reference, units }] : []
  })
  const surplus = life.puts.flatMap((reference, p) =>
    matching.unmatchedPuts[p]! > 0 ? [{ event: event(reference)!, reference }] : [],
  )
  return { unreturned, surplus, matching, life, partners: partnersOf(events.length, life, matching) }
}

/**
 * Bits by which the best solution without that signature among the unreturned gets is worse; undefined when there is
 * no other candidate.
 */
export function marginOf(solved: SolvedLife, signature: number, model: PairModel): number | undefined {
  if (solved.life.gets.every(get => get.signature === signature)) return undefined
  const other = solve(solved.life, costsOf(solved.life, model), get => get.signature !== signature)
  return difference(other.cost, solved.matching.cost)
}

/** The same for a put that gave back nothing. */
export function putMarginOf(solved: SolvedLife, signature: number, model: PairModel): number | undefined {
  if (solved.life.puts.every(put => put.signature === signature)) return undefined
  const costs = costsOf(solved.life, model)
  const other = solve(solved.life, {
    ...costs,
    costUnmatchedPut: put => (put.signature === signature ? NEVER_BITS : costs.costUnmatchedPut(put)),
  })
  return difference(other.cost, solved.matching.cost)
}

/** The count says how many references are out or too many: all of the smaller side have a partner. */
function costsOf(life: Life, model: PairModel): Costs {
  const units = (side: readonly Reference[]) => side.reduce((sum, each) => sum + each.units, 0)
  const more = units(life.gets) - units(life.puts)
  return {
    cost: (get, put) => model.cost(get, put),
    costUnmatchedGet: get => (more < 0 ? NEVER_BITS : model.costUnmatchedGet(get)),
    costUnmatchedPut: put => (more < 0 ? model.costUnmatchedPut(put) : NEVER_BITS),
  }
}

/** undefined where the other solution had to leave what it must not. */
function difference(other: number, best: number): number | undefined {
  return other - best > NEVER_BITS / 2 ? undefined : Math.max(0, other - best)
}

function lifeOf(events: readonly LifeEvent[], held: number): Life {
  const gets: Reference[] = held > 0 ? [{ ...EARLIER, units: held }] : []
  const puts: Reference[] = []
  events.forEach((event, position) => {
    // Adding 0, as folio_ref_add() does for the other pages of a folio of one, takes no reference.
    if (event.delta === 0) return
    const side = event.delta > 0 ? gets : puts
    side.push({
      signature: event.signature,
      units: Math.abs(event.delta),
      position,
      task: event.pid,
      mapped: event.mapped,
    })
  })
  return { gets, puts }
}

function partnersOf(events: number, life: Life, matching: Matching): (number | undefined)[] {
  const partners = new Array<number | undefined>(events).fill(undefined)
  for (const { get, put } of matching.matches) {
    const from = life.gets[get]!.position
    const to = life.puts[put]!.position
    partners[to] = from < 0 ? undefined : from
    if (from >= 0) partners[from] = to
  }
  return partners
}
