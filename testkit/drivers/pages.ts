// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The pages of a pagemap: their counts and map counts with history, so that what an event read can be settled when all
 * operations are known, and the references that somebody truly holds.
 */
import type { Site } from './stacks.ts'

/** One reference, or several taken at once: who took it where, and what became of it. */
export interface Reference {
  readonly page: Page
  /** Number of the page's lifetime, as the driver counts them. */
  life: number
  /** Name of the subsystem. */
  readonly owner: string
  readonly site: Site
  taken: number
  readonly units: number
  /** Units not given back yet. */
  left: number
  /** The reference that the page was handed out with. */
  root: boolean
  /** When the last unit was given back. */
  returned: number | undefined
  /** Where units were given back, the last one last. */
  readonly putSites: Site[]
  /** Nobody will give the rest back: a fault. */
  leaked: boolean
}

export class Page {
  readonly pfn: number
  readonly index: number
  count = 0
  mapcount = -1
  /** Lifetimes handed out so far. */
  lives = 0
  /** Between hand-out and the release by the user that it was handed out to. */
  live = false
  /** From this time on the page's references are not what the driver believes: a fault, or the consequence of one. */
  taintedAt: number | undefined
  /** References that were taken and not given back, by intent or not. */
  readonly open = new Set<Reference>()
  readonly #countTimes: number[] = []
  readonly #counts: number[] = []
  readonly #mapTimes: number[] = []
  readonly #maps: number[] = []

  constructor(pfn: number, index: number) {
    this.pfn = pfn
    this.index = index
  }

  setCount(count: number, time: number): void {
    this.count = count
    this.#countTimes.push(time)
    this.#counts.push(count)
  }

  setMapcount(mapcount: number, time: number): void {
    this.mapcount = mapcount
    this.#mapTimes.push(time)
    this.#maps.push(mapcount)
  }

  countAt(time: number): number {
    return valueAt(this.#countTimes, this.#counts, time, 0)
  }

  mapcountAt(time: number): number {
    return valueAt(this.#mapTimes, this.#maps, time, -1)
  }

  taint(time: number): void {
    this.taintedAt ??= time
  }
}

/** The last value set at or before `time`. */
function valueAt(times: readonly number[], values: readonly number[], time: number, first: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! <= time) low = middle + 1
    else high = middle
  }
  return low === 0 ? first : values[low - 1]!
}
