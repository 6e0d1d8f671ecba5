// SPDX-License-Identifier: GPL-2.0-or-later
/** Pairs the gets and puts of a lifetime, as far as laws tell which belong together, and finds the references that are out. */

import { type LawBook, NO_LAW } from '../learn/law-book.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { likeness } from '../track/pair-likeness.ts'
import { unitKey } from '../track/unit-key.ts'

/** References of one law that are out. */
export interface OpenReference {
  law: number
  units: number
  /** The get that took them; undefined: held since before the first event. */
  event: LifetimeEvent | undefined
  /** Gets of the same law that may have taken them just as well, `event` included, oldest first. */
  alternatives: LifetimeEvent[]
}

/** A put that gave back more than was out under its law. */
export interface SurplusPut {
  law: number
  units: number
  event: LifetimeEvent
}

export interface References {
  /** The oldest first. */
  open: OpenReference[]
  surplus: SurplusPut[]
  /** Per event, the place of its partner: for a put the get it gave back, for a get the put; undefined: none. */
  partners: (number | undefined)[]
  /** By place of each get all of whose references came back: the places of the puts that gave them back. */
  settled: Map<number, number[]>
}

type Pairing = Pick<References, 'partners' | 'settled'>

interface Taken {
  position: number
  /** Number of its references that are out, and places of the puts that gave back the others. */
  units: number
  by: number[]
}

/** State of one law while the events of a lifetime are paired. */
interface Account {
  out: Taken[]
  /** Gets of the law since none of its references was out. */
  since: number[]
}

/**
 * Pairs the references of a lifetime, law by law.
 *
 * @param held references that were out when the first event came
 */
export function pairReferences(events: readonly LifetimeEvent[], held: number, book: LawBook): References {
  const accounts = new Map<number, Account>()
  const partners = new Array<number | undefined>(events.length).fill(undefined)
  const settled = new Map<number, number[]>()
  const surplus: SurplusPut[] = []
  /** Puts that no law has. They are paired after all others. */
  const lawless: SurplusPut[] = []
  let before = held
  const accountOf = (law: number) => {
    const known = accounts.get(law)
    if (known) return known
    const made: Account = { out: [], since: [] }
    accounts.set(law, made)
    return made
  }
  events.forEach((event, position) => {
    if (event.delta === 0) return
    const law = book.lawOf(unitKey(event.signature, event.delta))
    const account = accountOf(law)
    if (event.delta > 0) {
      account.out.push({ position, units: event.delta, by: [] })
      account.since.push(position)
      return
    }
    if (law === NO_LAW && book.laws.length > 0) {
      lawless.push({ law, units: -event.delta, event })
      return
    }
    let left = giveBack(account, events, position, { partners, settled }, law === NO_LAW || event.stack === 0)
    const fromBefore = Math.min(before, left)
    before -= fromBefore
    left -= fromBefore
    if (left > 0) surplus.push({ law, units: left, event })
    if (account.out.length === 0) account.since = []
  })
  for (const put of lawless) {
    pairAcrossLaws(put, accounts, events, { partners, settled }, book)
    const fromBefore = Math.min(before, put.units)
    before -= fromBefore
    put.units -= fromBefore
    surplus.push(put)
  }
  const open = [...accounts].flatMap(([law, account]) => openOf(law, account, events))
  open.sort((a, b) => a.event!.ordinal - b.event!.ordinal)
  if (before > 0) open.unshift({ law: NO_LAW, units: before, event: undefined, alternatives: [] })
  return { open, surplus: surplus.filter(({ units }) => units > 0), partners, settled }
}

/** Takes a put's units from the references that are out. Returns the number of units for which none was out. */
function giveBack(
  { out }: Account,
  events: readonly LifetimeEvent[],
  position: number,
  { partners, settled }: Pairing,
  isNested: boolean,
): number {
  const put = events[position]!
  let left = -put.delta
  while (left > 0 && out.length > 0) {
    const at = bestPartner(out, events, put, left, isNested)
    const taken = out[at]!
    const units = Math.min(left, taken.units)
    partners[position] ??= taken.position
    partners[taken.position] ??= position
    left -= units
    taken.units -= units
    taken.by.push(position)
    if (taken.units > 0) continue
    settled.set(taken.position, taken.by)
    out.splice(at, 1)
  }
  return left
}

/**
 * Returns the get that a put most likely gave back: one of as many units, of the same task and kind of mapping. Of several it is
 * the oldest, as in a queue; of the same task, or without a law, it is the latest, as in nested calls.
 */
function bestPartner(
  out: readonly Taken[],
  events: readonly LifetimeEvent[],
  put: LifetimeEvent,
  left: number,
  isNested: boolean,
): number {
  let best = 0
  let bestScore = -1
  out.forEach(({ position, units }, i) => {
    const get = events[position]!
    const score = likeness(units === left, get.mapped === put.mapped, get.pid === put.pid)
    const isLater = isNested || get.pid === put.pid ? score >= bestScore : score > bestScore
    if (!isLater) return
    best = i
    bestScore = score
  })
  return best
}

/**
 * Pairs puts without a law. Such a put gives back a reference that was taken without a law, or it is a rare way back of a law's
 * reference, which a related function or the same task took.
 */
function pairAcrossLaws(
  put: SurplusPut,
  accounts: ReadonlyMap<number, Account>,
  events: readonly LifetimeEvent[],
  { partners, settled }: Pairing,
  book: LawBook,
): void {
  const at = events.indexOf(put.event)
  let best: { out: Taken[]; taken: Taken; score: number } | undefined
  for (const [law, { out }] of accounts) {
    for (const taken of out) {
      const get = events[taken.position]!
      const isRelated = book.related(get.signature, put.event.signature)
      const isSameTask = get.pid === put.event.pid
      if (taken.position > at || taken.units < put.units || !(law === NO_LAW || isRelated || isSameTask)) continue
      const score =
        (get.mapped === put.event.mapped ? 4 : 0) +
        (taken.units === put.units ? 2 : 0) +
        (isRelated ? 2 : 0) +
        (isSameTask ? 1 : 0)
      const isLater = best !== undefined && score === best.score && taken.position > best.taken.position
      if (!best || score > best.score || isLater) best = { out, taken, score }
    }
  }
  if (!best) return
  best.taken.units -= put.units
  partners[at] = best.taken.position
  partners[best.taken.position] ??= at
  put.units = 0
  best.taken.by.push(at)
  if (best.taken.units > 0) return
  settled.set(best.taken.position, best.taken.by)
  best.out.splice(best.out.indexOf(best.taken), 1)
}

/**
 * Returns the puts without a law that gave back no reference taken without a law. Each is a rare way back of some law's
 * references; of which law is a guess.
 */
export function strayPuts(
  events: readonly LifetimeEvent[],
  partners: readonly (number | undefined)[],
  book: LawBook,
): LifetimeEvent[] {
  const isLawless = ({ signature, delta }: LifetimeEvent) => book.lawOf(unitKey(signature, delta)) === NO_LAW
  return events.filter((event, i) => {
    const partner = partners[i]
    return event.delta < 0 && isLawless(event) && !(partner !== undefined && isLawless(events[partner]!))
  })
}

function openOf(law: number, { out, since }: Account, events: readonly LifetimeEvent[]): OpenReference[] {
  const all = since.map(position => events[position]!)
  return out.map(({ position, units }) => {
    const event = events[position]!
    // Without a law there is no evidence that a put may give back a reference of another call site.
    return { law, units, event, alternatives: law === NO_LAW ? [event] : all }
  })
}
