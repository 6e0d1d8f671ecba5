// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * In which order references of a law come back. A queue, a stack and a cache each let later references overtake earlier ones
 * by so many and no more; a reference that was overtaken by far more than any that came back is not waiting its turn. Only
 * order counts: time that passes while nothing moves proves nothing.
 */

/** One reference that came back, by the numbers of the events that took it and gave it back, and the task that took it. */
export interface Returned {
  taken: number
  given: number
  pid: number
  /** True if another get of the page may have taken what this put gave back, so that it is not known for how long it was out. */
  isGuess?: boolean
}

export class Overtaking {
  /** Ordinals of the events that took the references that came back, ascending. */
  readonly #taken: Float64Array
  /** Ordinals of the events that gave them back, ascending. */
  readonly #given: Float64Array
  /** Of the references that surely came back like that: the largest number of later ones that came back before it. */
  readonly most: number
  /** Number of such references. */
  readonly sure: number

  constructor(returned: readonly Returned[]) {
    const sorted = [...returned].sort((a, b) => a.taken - b.taken)
    this.#taken = Float64Array.from(sorted, ({ taken }) => taken)
    this.#given = Float64Array.from(returned, ({ given }) => given).sort()
    this.most = mostOvertaken(sorted)
    this.sure = returned.filter(({ isGuess }) => !isGuess).length
    this.drains = drainsOf(sorted)
    this.peak = peakOf(sorted)
  }

  /** How often none of these references was out. */
  readonly drains: number

  /** Largest number of these references that were out at once. */
  readonly peak: number

  /** Number of references that came back. */
  get returned(): number {
    return this.#taken.length
  }

  /** Returns the number of references that were taken between two events and came back. */
  between(from: number, to: number): number {
    return this.since(from) - this.since(to)
  }

  /** Returns the number of references that were taken after an event and came back. */
  since(taken: number): number {
    return this.#taken.length - upTo(this.#taken, taken)
  }

  /** Returns the number of references that were out right after an event and came back later. */
  outAt(event: number): number {
    return upTo(this.#taken, event) - upTo(this.#given, event)
  }
}

/** Returns how many of the ascending numbers are at most `last`. */
function upTo(numbers: Float64Array, last: number): number {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (numbers[middle]! <= last) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Returns the most by which any reference was overtaken, by counting inversions.
 *
 * @param sorted in the order in which they were taken
 */
function mostOvertaken(sorted: readonly Returned[]): number {
  const byGiven = sorted.map((_, i) => i).sort((a, b) => sorted[a]!.given - sorted[b]!.given)
  const rank = new Int32Array(sorted.length)
  byGiven.forEach((i, place) => {
    rank[i] = place
  })
  // From the last one taken to the first: those already counted were taken later.
  const counted = new Int32Array(sorted.length + 1)
  let most = 0
  for (let i = sorted.length - 1; i >= 0; i--) {
    let earlier = 0
    for (let at = rank[i]!; at > 0; at &= at - 1) earlier += counted[at]!
    if (!sorted[i]!.isGuess) most = Math.max(most, earlier)
    for (let at = rank[i]! + 1; at <= sorted.length; at += at & -at) counted[at]!++
  }
  return most
}

function drainsOf(sorted: readonly Returned[]): number {
  let drains = 0
  let back = -1
  for (const { taken, given } of sorted) {
    if (back >= 0 && taken > back) drains++
    back = Math.max(back, given)
  }
  return drains + (sorted.length > 0 ? 1 : 0)
}

function peakOf(sorted: readonly Returned[]): number {
  const given = sorted.map(each => each.given).sort((a, b) => a - b)
  let back = 0
  let peak = 0
  sorted.forEach(({ taken }, i) => {
    while (back < given.length && given[back]! < taken) back++
    peak = Math.max(peak, i + 1 - back)
  })
  return peak
}
