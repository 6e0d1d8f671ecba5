// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What complete lives are made of: which references were taken and given back where, in any order, since tasks that run
 * side by side leave many. A life with one fault is like others but for one event, and that event is the fault.
 */
import { type Life, lifeOfShape, mergePins, type Reference } from './pairs.ts'
import type { LifetimeShapes as Shapes } from './track/lifetime-shapes.ts'

/** Lives of more references have so many orders and numbers that two are hardly ever alike. */
export const MAX_COMPOSED = 64

/** Share of a site's lives that it begins, from which it is one that hands out pages. */
const BEGINS = 0.3

/** Places tried for a missing event; real recordings have dozens. */
const MAX_PLACES = 256

/** An event that makes a life like others, when it is taken out or put in. */
export interface Remedy {
  /** The event to take out, or one like the event to put in. */
  reference: Reference
  /** Complete lives that are then alike. */
  lives: number
}

/** A composition: one token a reference, sorted. */
type Composition = readonly string[]

export class Compositions {
  readonly #siteOf: (signature: number) => number
  readonly #lives = new Map<string, number>()
  /** Every kind of put, and every kind of get that began a life. */
  readonly #puts = new Map<string, Reference>()
  readonly #handOuts = new Map<string, Reference>()
  /** By site, lives that a get there began, and all lives with one. */
  readonly #begun = new Map<number, number>()
  readonly #with = new Map<number, number>()

  /** @param siteOf what two signatures have in common that count as alike */
  constructor(shapes: Shapes, siteOf: (signature: number) => number) {
    this.#siteOf = siteOf
    const lives: { life: Life; lives: number }[] = []
    for (let shape = 0; shape < shapes.size; shape++) {
      const life = mergePins(lifeOfShape(shapes, shape))
      if (life.gets.length + life.puts.length > MAX_COMPOSED) continue
      lives.push({ life, lives: shapes.lives[shape]! })
      this.#noteBeginning(life, shapes.lives[shape]!)
    }
    for (const each of lives) this.#note(each.life, each.lives)
  }

  #noteBeginning({ gets }: Life, lives: number): void {
    if (gets.length === 0) return
    add(this.#begun, this.#siteOf(gets[0]!.signature), lives)
    for (const site of new Set(gets.map(get => this.#siteOf(get.signature)))) add(this.#with, site, lives)
  }

  /** A life that began with what mostly comes in the middle is the rest of one that a put too many had ended. */
  #note(life: Life, lives: number): void {
    const first = life.gets[0]
    if (!first || !this.isHandOut(first.signature)) return
    const key = this.of(life).join(' ')
    add(this.#lives, key, lives)
    for (const put of life.puts) note(this.#puts, this.#token(put, 'p'), put)
    note(this.#handOuts, this.#token(first, 'g'), first)
  }

  /** Whether a get of that signature is one that takes pages into use; true where nothing is known of it. */
  isHandOut(signature: number): boolean {
    const site = this.#siteOf(signature)
    const all = this.#with.get(site)
    return all === undefined || (this.#begun.get(site) ?? 0) >= BEGINS * all
  }

  of({ gets, puts }: Life): Composition {
    return [...gets.map(get => this.#token(get, 'g')), ...puts.map(put => this.#token(put, 'p'))].sort()
  }

  /** Complete lives with that composition. */
  lives(composition: Composition): number {
    return this.#lives.get(composition.join(' ')) ?? 0
  }

  /** Gets without which the life would be like others, by what they have in common the latest of each. */
  withoutGet(life: Life, but: readonly Composition[] = []): Remedy[] {
    return this.#without(life, life.gets, 'g', but)
  }

  /** Puts without which the life would be like others. */
  withoutPut(life: Life, but: readonly Composition[] = []): Remedy[] {
    return this.#without(life, life.puts, 'p', but)
  }

  /** Puts that the life lacks to be like others. */
  withPut(life: Life): Remedy[] {
    return this.#lacking(life, this.#puts)
  }

  /** Hand-outs that the life lacks to be like others. */
  withHandOut(life: Life): Remedy[] {
    return this.#lacking(life, this.#handOuts)
  }

  #without(life: Life, side: readonly Reference[], letter: string, but: readonly Composition[]): Remedy[] {
    const all = this.of(life)
    const remedies = new Map<string, Remedy>()
    for (const reference of side) {
      const token = this.#token(reference, letter)
      const at = all.indexOf(token)
      const rest = all.filter((_, i) => i !== at)
      const key = rest.join(' ')
      const own = but.filter(other => other.join(' ') === key).length
      const lives = this.lives(rest) - own
      if (lives > 0) remedies.set(token, { reference, lives })
    }
    return [...remedies.values()]
  }

  #lacking(life: Life, kinds: ReadonlyMap<string, Reference>): Remedy[] {
    const all = this.of(life)
    const remedies: Remedy[] = []
    for (const [token, reference] of [...kinds].slice(0, MAX_PLACES)) {
      const lives = this.lives([...all, token].sort())
      if (lives > 0) remedies.push({ reference, lives })
    }
    return remedies
  }

  #token({ signature, units }: Reference, letter: string): string {
    return `${letter}${this.#siteOf(signature)}*${units}`
  }
}

function note(kinds: Map<string, Reference>, token: string, reference: Reference): void {
  if (!kinds.has(token)) kinds.set(token, reference)
}

function add<K>(counts: Map<K, number>, key: K, n: number): void {
  counts.set(key, (counts.get(key) ?? 0) + n)
}
