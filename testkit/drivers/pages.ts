// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The pages of a pagemap: the history of their counts and map counts, so that the values that an event reads can be determined
 * once all operations are known, and the references that are truly held.
 */
import type { Site } from './stacks.ts'

/** One reference, or several that were taken at once: its owner, its call site, and its puts. */
export interface Reference {
  readonly page: Page
  /** Number of the page's lifetime, as the driver counts them. */
  life: number
  /** Name of the subsystem. */
  readonly owner: string
  readonly site: Site
  taken: number
  readonly units: number
  /** Units that have not been put yet. */
  left: number
  /** True for the reference that the page was allocated with. */
  root: boolean
  /** When the last unit was put. */
  returned: number | undefined
  /** Call sites that put units, in order. */
  readonly putSites: Site[]
  /** True if, by a fault, the remaining units will never be put. */
  leaked: boolean
}

export class Page {
  readonly pfn: number
  readonly index: number
  count = 0
  mapcount = -1
  /** Number of lifetimes so far. */
  lives = 0
  /** True between the allocation and the release by the user that it was allocated for. */
  live = false
  /** Time of the first fault or consequence on the page, from which on its references are not what the driver believes. */
  taintedAt: number | undefined
  /** References that were taken and not put, intentionally or not. */
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

/** Returns the last value that was set at or before `time`. */
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
