// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Which put gave back which get. Lives in which it is obvious teach how likely each pair of sites is; by that, lives
 * in which it is not are solved as a matching of least cost. Costs are bits: -log2 of a probability.
 */

import type { CallSites as Sites } from './callsites/call-sites.ts'
import { MAPPED, SHAPE_STRIDE, SHAPE_TASK_SHIFT, type LifetimeShapes as Shapes } from './track/lifetime-shapes.ts'

/** One event of a life that is to be matched. */
export interface Reference {
  signature: number
  /** References taken or given back, positive. */
  units: number
  /** Place in the life; a put gives back an earlier get. */
  position: number
  /** Any number that tells the tasks of one life apart. */
  task: number
  /** The reference belongs to a page table: the map count rose with it (a get) or fell before it (a put). */
  mapped: boolean
}

export interface Life {
  gets: Reference[]
  puts: Reference[]
}

export interface Match {
  get: number
  put: number
  units: number
}

export interface Matching {
  /** Indices into `gets` and `puts`, with the units that flow. */
  matches: Match[]
  /** Units that stay out, by index. */
  unmatchedGets: number[]
  unmatchedPuts: number[]
  /** Bits. */
  cost: number
}

/** Bits that a pair costs when only one side belongs to a page table, when its tasks differ, when its units differ. */
const MAPPED_BITS = 2.3
const TASK_BITS = 1
const UNITS_BITS = 1

/** Bits that a pair of sites costs while nothing is known of the get: for having no caller in common, for being of a page table
 * on one side only, for not nesting. */
const STRANGERS_BITS = 3
const UNMAPPED_BITS = 6
const NESTING_BITS = 0.25

/** Bits for leaving a reference without partner, on top of log2(1 + lives in which its site had one). */
const UNMATCHED_BITS = 4

/** How much dearer the lives may be under the estimate that nests, which is right where they do not tell. */
const EVEN = 1.02

/** Pseudo-lives that the site-level estimate weighs in the estimate of a pair of signatures. */
const BACKOFF = 1
const ROUNDS = 20

/** Lives with more gets than this are solved but do not teach: their expectation would cost 2^n steps. */
const MAX_TAUGHT = 10

const SIGNATURE_LIMIT = 2 ** 20

/** Expected number of lives in which a site's put gave back a site's get. */
class PairCounts {
  readonly #pairs = new Map<number, number>()
  readonly #gets = new Map<number, number>()
  readonly #puts = new Map<number, number>()

  add(get: number, put: number, weight: number): void {
    const key = get * SIGNATURE_LIMIT + put
    this.#pairs.set(key, (this.#pairs.get(key) ?? 0) + weight)
    this.#gets.set(get, (this.#gets.get(get) ?? 0) + weight)
    this.#puts.set(put, (this.#puts.get(put) ?? 0) + weight)
  }

  pair(get: number, put: number): number {
    return this.#pairs.get(get * SIGNATURE_LIMIT + put) ?? 0
  }

  get(get: number): number {
    return this.#gets.get(get) ?? 0
  }

  put(put: number): number {
    return this.#puts.get(put) ?? 0
  }

  get putSites(): number {
    return this.#puts.size
  }

  *entries(): Iterable<{ get: number; put: number; lives: number }> {
    for (const [key, lives] of this.#pairs)
      yield { get: Math.floor(key / SIGNATURE_LIMIT), put: key % SIGNATURE_LIMIT, lives }
  }
}

/** Weight of a pair in a life's matchings, 0 for none. */
type Weight = (get: Reference, put: Reference) => number

/** A shape that teaches, with the number of lives that had it. */
interface Taught {
  life: Life
  lives: number
}

/** What speaks for a pair apart from its sites. */
function pairWeight(get: Reference, put: Reference): number {
  if (put.position < get.position || get.units !== put.units) return 0
  return 2 ** -((get.mapped === put.mapped ? 0 : MAPPED_BITS) + (get.task === put.task ? 0 : TASK_BITS))
}

/** How likely it is that a put gives back a get, learned from the shapes of closed lives. */
export class PairModel {
  #bySignature = new PairCounts()
  #bySite = new PairCounts()
  readonly #sites: Pick<Sites, 'site' | 'related'>

  constructor(sites: Pick<Sites, 'site' | 'related'>) {
    this.#sites = sites
  }

  /**
   * Learns from all shapes by expectation maximisation: where a life leaves several matchings open, each counts by its
   * probability under the estimate so far. A choice that the data do not decide stays undecided. Since an estimate can
   * come to rest where every reference is given back one put too late, it is made from two beginnings, and the one under
   * which the lives are likelier is kept.
   */
  learn(shapes: Shapes): void {
    const taught: Taught[] = []
    for (let shape = 0; shape < shapes.size; shape++) {
      const life = mergePins(lifeOfShape(shapes, shape))
      if (isTeachable(life)) taught.push({ life, lives: shapes.lives[shape]! })
    }
    const open = this.#estimate(taught, () => 1)
    const nested = this.#estimate(taught, (get, put) => this.#nestingWeight(get, put))
    this.#adopt(nested.bits <= open.bits * EVEN + 1 ? nested.counts : open.counts)
  }

  /** An estimate from a beginning, and the bits that the lives cost under it. */
  #estimate(taught: readonly Taught[], beginning: Weight): { counts: PairCounts; bits: number } {
    this.#adopt(new PairCounts())
    let weight: Weight = (get, put) => beginning(get, put) * pairWeight(get, put)
    let counts = new PairCounts()
    let bits = 0
    for (let round = 0; round < ROUNDS; round++) {
      counts = new PairCounts()
      bits = 0
      for (const { life, lives } of taught) bits += expect(life, lives, weight, counts)
      this.#adopt(counts)
      weight = (get, put) => this.probability(get.signature, put.signature) * pairWeight(get, put)
    }
    return { counts, bits }
  }

  /** References come back to where they were taken, to who took them, the last one first. */
  #nestingWeight(get: Reference, put: Reference): number {
    const bits =
      (this.#sites.related(get.signature, put.signature) ? 0 : STRANGERS_BITS) +
      (get.task === put.task ? 0 : STRANGERS_BITS) +
      2 * NESTING_BITS * Math.max(0, put.position - get.position - 1)
    return 2 ** -bits
  }

  /** Bits that it costs to say that `put`, which came later, gave back `get`. */
  cost(get: Reference, put: Reference): number {
    const penalty =
      (get.mapped === put.mapped ? 0 : MAPPED_BITS) +
      (get.task === put.task ? 0 : TASK_BITS) +
      (get.units === put.units ? 0 : UNITS_BITS)
    return -Math.log2(this.probability(get.signature, put.signature)) + penalty + this.#prior(get, put)
  }

  /** What is likely before anything was learned: references come back where they were taken, the last one first. */
  #prior(get: Reference, put: Reference): number {
    const strangers = this.#sites.related(get.signature, put.signature) ? 0 : STRANGERS_BITS
    const nesting = NESTING_BITS * Math.min(4, Math.max(0, put.position - get.position - 1))
    const unmapped = get.mapped === put.mapped ? 0 : UNMAPPED_BITS
    return (strangers + unmapped + nesting) / (1 + this.#bySignature.get(get.signature))
  }

  costUnmatchedGet(get: Reference): number {
    return UNMATCHED_BITS + Math.log2(1 + this.#bySignature.get(get.signature))
  }

  costUnmatchedPut(put: Reference): number {
    return UNMATCHED_BITS + Math.log2(1 + this.#bySignature.put(put.signature))
  }

  /** Estimated probability that a reference taken at `get` is given back at `put`. */
  probability(get: number, put: number): number {
    const getSite = this.#sites.site(get)
    const putSite = this.#sites.site(put)
    const none = 1 / (this.#bySite.putSites + 1)
    const site = (this.#bySite.pair(getSite, putSite) + none) / (this.#bySite.get(getSite) + 1)
    return (this.#bySignature.pair(get, put) + BACKOFF * site) / (this.#bySignature.get(get) + BACKOFF)
  }

  /** Lives in which references of that signature came back, and went back. */
  returned(get: number): number {
    return this.#bySignature.get(get)
  }

  /**
   * The site that most often gave back what this signature took (of a get), or took what it gave back (of a put), as one
   * of its signatures, with the lives of all of them.
   */
  best(side: 'get' | 'put', signature: number): { partner: number; lives: number } | undefined {
    const bySite = new Map<number, { partner: number; lives: number }>()
    for (const { get, put, lives } of this.pairs()) {
      if ((side === 'get' ? get : put) !== signature) continue
      const partner = side === 'get' ? put : get
      const site = this.#sites.site(partner)
      const known = bySite.get(site)
      if (known) known.lives += lives
      else bySite.set(site, { partner, lives })
    }
    let best: { partner: number; lives: number } | undefined
    for (const each of bySite.values()) if (!best || each.lives > best.lives) best = each
    return best
  }

  pairs(): Iterable<{ get: number; put: number; lives: number }> {
    return this.#bySignature.entries()
  }

  #adopt(counts: PairCounts): void {
    this.#bySignature = counts
    this.#bySite = new PairCounts()
    for (const { get, put, lives } of counts.entries())
      this.#bySite.add(this.#sites.site(get), this.#sites.site(put), lives)
  }
}

/** The gets and puts of a shape, in order. */
export function lifeOfShape(shapes: Shapes, shape: number): Life {
  const life: Life = { gets: [], puts: [] }
  const start = shapes.offset[shape]!
  const length = (shapes.offset[shape + 1]! - start) / SHAPE_STRIDE
  for (let position = 0; position < length; position++) {
    const at = start + position * SHAPE_STRIDE
    const delta = shapes.arena[at + 1]!
    const bits = shapes.arena[at + 2]!
    if (delta === 0) continue
    const side = delta > 0 ? life.gets : life.puts
    side.push({
      signature: shapes.arena[at]!,
      units: Math.abs(delta),
      position,
      task: bits >> SHAPE_TASK_SHIFT,
      mapped: (bits & MAPPED) !== 0,
    })
  }
  return life
}

/** A fast pin is two events of one task (+1, then +1023) that one put of 1024 gives back: they are one reference. */
export function mergePins(life: Life): Life {
  const wanted = new Set(life.puts.map(put => put.units))
  const gets: Reference[] = []
  /** Per task, the place of its last get in `gets`, unless the task has put since. */
  const last = new Map<number, number>()
  const events = [...life.gets, ...life.puts].sort((a, b) => a.position - b.position)
  const isGet = new Set(life.gets)
  for (const event of events) {
    if (!isGet.has(event)) {
      last.delete(event.task)
      continue
    }
    const first = last.get(event.task)
    const sum = first === undefined ? 0 : gets[first]!.units + event.units
    if (first !== undefined && event.units > 1 && wanted.has(sum)) {
      gets[first] = { ...gets[first]!, units: sum }
      last.delete(event.task)
    } else {
      last.set(event.task, gets.push(event) - 1)
    }
  }
  return { gets, puts: life.puts }
}

function isTeachable(life: Life): boolean {
  return life.gets.length === life.puts.length && life.gets.length > 0 && life.gets.length <= MAX_TAUGHT
}

/**
 * Adds to `counts` how often each pair is expected in this life, over all its matchings: forward and backward sums over
 * the sets of gets that the first puts have used up.
 *
 * @returns the bits that all lives of this shape cost: -log2 of the sum over its matchings
 */
function expect(life: Life, lives: number, weight: Weight, counts: PairCounts): number {
  const n = life.gets.length
  const weights = new Float64Array(n * n)
  for (let g = 0; g < n; g++) for (let p = 0; p < n; p++) weights[g * n + p] = weight(life.gets[g]!, life.puts[p]!)
  const full = (1 << n) - 1
  const forward = new Float64Array(full + 1)
  const backward = new Float64Array(full + 1)
  forward[0] = 1
  backward[full] = 1
  for (let used = 0; used < full; used++) {
    if (forward[used] === 0) continue
    const p = bitCount(used)
    for (let g = 0; g < n; g++)
      if (!(used & (1 << g))) forward[used | (1 << g)]! += forward[used]! * weights[g * n + p]!
  }
  if (!(forward[full]! > 0)) return 0
  for (let used = full - 1; used >= 0; used--) {
    const p = bitCount(used)
    let sum = 0
    for (let g = 0; g < n; g++) if (!(used & (1 << g))) sum += backward[used | (1 << g)]! * weights[g * n + p]!
    backward[used] = sum
  }
  const expected = new Float64Array(n * n)
  for (let used = 0; used < full; used++) {
    if (forward[used] === 0) continue
    const p = bitCount(used)
    for (let g = 0; g < n; g++) {
      if (used & (1 << g)) continue
      expected[g * n + p]! += (forward[used]! * weights[g * n + p]! * backward[used | (1 << g)]!) / forward[full]!
    }
  }
  for (let g = 0; g < n; g++)
    for (let p = 0; p < n; p++)
      if (expected[g * n + p]! > 1e-9)
        counts.add(life.gets[g]!.signature, life.puts[p]!.signature, lives * expected[g * n + p]!)
  return -lives * Math.log2(forward[full]!)
}

function bitCount(bits: number): number {
  let n = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) n++
  return n
}
