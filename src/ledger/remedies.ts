// SPDX-License-Identifier: GPL-2.0-or-later
/** Which single event, taken out or put in, makes a life that went wrong like others that did not. */

import type { CallSites as Sites } from './callsites/call-sites.ts'
import { Compositions, MAX_COMPOSED, type Remedy } from './compositions.ts'
import { asLife } from './lives.ts'
import { type Costs, solve } from './matching.ts'
import type { Life, PairModel, Reference } from './pairs.ts'
import type { Anomaly as Incident } from './track/anomalies.ts'
import type { LifetimeEvent as LifeEvent } from './track/lifetime-event.ts'
import type { LifetimeShapes as Shapes } from './track/lifetime-shapes.ts'

/** How many times as many lives must speak for one culprit as for the next. */
const CLEARLY = 4

/** How many times fewer lives speak for an explanation that leaves another odd life unexplained. */
const ODD = 64

/** A put that was one too many, or a hand-out that was left out. */
export interface Explanation {
  what: 'surplus put' | 'no hand-out'
  /** The put; where the hand-out is missing, the first event. */
  event: LifeEvent
  /** Of the missing hand-out. */
  signature: number
  /** Lives that are like this one with the remedy. */
  lives: number
  /** Lives that are alike with the remedy that fits next best. */
  next: number
}

/** The get whose reference stayed out, and how that is known. */
export interface LeakExplanation {
  position: number
  lives: number
  /** Signature of the put that is missing; undefined where the get is one too many. */
  missing: number | undefined
}

export class Remedies {
  readonly #model: PairModel
  readonly #sites: Sites
  /** By what counts as alike, the strictest first. */
  readonly #levels: Compositions[]
  readonly #known = new Map<string, LeakExplanation | undefined>()

  constructor(model: PairModel, shapes: Shapes, sites: Sites) {
    this.#model = model
    this.#sites = sites
    this.#levels = [
      new Compositions(shapes, signature => signature),
      new Compositions(shapes, signature => sites.site(signature)),
    ]
  }

  /** Complete lives besides this one that are made of the same references. Without stacks all references are the same. */
  alike(events: readonly LifeEvent[]): number {
    if (events.some(event => this.#sites.actingFrame(event.signature) === undefined)) return 0
    const [strict] = this.#levels
    return Math.max(0, strict!.lives(strict!.of(asLife(events, 0))) - 1)
  }

  /**
   * The life that an incident belongs to, with the incident: a put too many can have ended it before its time, so that it
   * went on as if the page had been handed out by what never is a life's first event.
   *
   * @param isUsual whether a life ended as others did
   */
  wholeLife(
    { lastLives, life }: Incident,
    violating: LifeEvent,
    isUsual: (life: readonly LifeEvent[]) => boolean,
  ): LifeEvent[] {
    const least = life.length === 0 ? 1 : 0
    const upTo = (earlier: number) => [...lastLives.slice(0, earlier).toReversed().flat(), ...life, violating]
    for (let earlier = least; earlier <= lastLives.length; earlier++) {
      const events = upTo(earlier)
      if (this.isHandOut(events[0]!)) return events
      const next = lastLives[earlier]
      if (next && isUsual(next)) return events
    }
    return upTo(least)
  }

  /** Whether an event of that signature is one that takes pages into use. */
  isHandOut({ signature, delta }: { signature: number; delta: number }): boolean {
    const [strict] = this.#levels
    return delta > 0 && strict!.isHandOut(signature)
  }

  /** What was wrong, if the page was put once too often or handed out in silence. */
  explain(incident: Incident, violating: LifeEvent): Explanation | undefined {
    return foremost(this.#levels.flatMap(level => explanations(level, incident, violating)))
  }

  /** Whose reference stayed out, by what the page's life lacks or has too much; undefined where that does not tell. */
  leaked(events: readonly LifeEvent[]): LeakExplanation | undefined {
    if (events.length === 0 || events.length > MAX_COMPOSED) return undefined
    const life = asLife(events, 0)
    const key = [...life.gets, ...life.puts].map(
      ({ signature, units, position }) => `${signature}*${units}@${position}`,
    )
    const id = key.join(' ')
    if (!this.#known.has(id)) this.#known.set(id, this.#leakedOf(life))
    return this.#known.get(id)
  }

  #leakedOf(life: Life): LeakExplanation | undefined {
    for (const level of this.#levels) {
      const found = this.#leakedBy(level, life)
      if (found) return found
    }
    return undefined
  }

  #leakedBy(level: Compositions, life: Life): LeakExplanation | undefined {
    const byPlace = new Map<number, LeakExplanation>()
    const add = (position: number | undefined, { lives, reference }: Remedy, isPut: boolean) => {
      if (position === undefined) return
      const known = byPlace.get(position)
      if (!known || known.lives < lives)
        byPlace.set(position, { position, lives, missing: isPut ? reference.signature : undefined })
    }
    for (const remedy of level.withoutGet(life)) add(remedy.reference.position, remedy, false)
    for (const remedy of level.withPut(life)) add(this.#takenBy(life, remedy.reference), remedy, true)
    const ranked = [...byPlace.values()].sort((a, b) => b.lives - a.lives)
    const [best, next] = ranked
    return best && best.lives >= CLEARLY * (next?.lives ?? 0) ? best : undefined
  }

  /** Position of the get that a put at the end of the life would give back. */
  #takenBy(life: Life, put: Reference): number | undefined {
    const last = Math.max(-1, ...life.gets.map(get => get.position), ...life.puts.map(each => each.position))
    const task = life.gets[0]?.task ?? put.task
    const puts = [...life.puts, { ...put, position: last + 1, task }]
    const costs: Costs = {
      cost: (get, each) => this.#model.cost(get, each),
      costUnmatchedGet: get => this.#model.costUnmatchedGet(get),
      costUnmatchedPut: each => this.#model.costUnmatchedPut(each),
    }
    const { matches } = solve({ gets: life.gets, puts }, costs)
    const match = matches.find(each => each.put === puts.length - 1)
    return match && life.gets[match.get]!.position
  }
}

/**
 * All remedies for what happened around the violating event: with up to all earlier lives that are kept, since a put too
 * many can end one, and with what came after.
 */
function explanations(level: Compositions, { lastLives, life, after }: Incident, violating: LifeEvent): Explanation[] {
  const all: Explanation[] = []
  const compositions = lastLives.map(each => level.of(asLife(each, 0)))
  const firstOf = (life: readonly LifeEvent[] | undefined) => asLife(life ?? [], 0).gets[0]
  const isBeginning = (each: readonly LifeEvent[]) => {
    const first = firstOf(each)
    return first?.position === 0 && level.isHandOut(first.signature)
  }
  const whole = lastLives.findIndex(isBeginning) + 1
  for (const earlier of whole > 0 ? [0, whole] : [0]) {
    const known = compositions.slice(0, earlier)
    const left = compositions[earlier]
    const isOdd = left !== undefined && level.lives(left) <= 1
    const events = [...lastLives.slice(0, earlier).toReversed().flat(), ...life, violating]
    for (let later = 0; later <= after.length; later++) {
      if (later > 0) events.push(after[later - 1]!)
      const over = -events.reduce((sum, event) => sum + event.delta, 0)
      if (over <= 0 || events.length > MAX_COMPOSED) continue
      const sequence = asLife(events, 0)
      const add = (what: Explanation['what'], { reference, lives }: Remedy, event: LifeEvent) => {
        if (reference.units !== over) return
        all.push({ what, event, signature: reference.signature, lives: isOdd ? lives / ODD : lives, next: 0 })
      }
      for (const remedy of level.withoutPut(sequence, known))
        add('surplus put', remedy, events[remedy.reference.position]!)
      if (earlier === 0) for (const remedy of level.withHandOut(sequence)) add('no hand-out', remedy, events[0]!)
    }
  }
  return all
}

/** The explanation that most lives speak for. */
function foremost(all: Explanation[]): Explanation | undefined {
  let best: Explanation | undefined
  for (const each of all) if (!best || each.lives > best.lives) best = each
  if (!best) return undefined
  const others = all.filter(each => each.what !== best.what || each.signature !== best.signature)
  return { ...best, next: Math.max(0, ...others.map(each => each.lives)) }
}

/** Whether so many more lives speak for the explanation than for the next that there is no doubt. */
export function isClear({ lives, next }: Explanation): boolean {
  return lives >= CLEARLY * next
}
