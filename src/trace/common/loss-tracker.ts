// SPDX-License-Identifier: GPL-2.0-or-later
/** Tracks where events were lost on each CPU. */
import type { LostEvents } from '../events.ts'

/** Number of CPUs that `EventBatch.cpu` can distinguish. */
export const MAX_CPUS = 1 << 16

/** Events missed before the next one. The count is known only if it is known for all parts of the gap. */
export interface OpenGap {
  count: number | undefined
}

/** Joins two gaps without an event between them. */
export function joinGaps(gap: OpenGap | undefined, count: number | undefined): OpenGap {
  if (gap === undefined) return { count }
  return { count: gap.count === undefined || count === undefined ? undefined : gap.count + count }
}

/** Gaps in the events of each CPU, for readers that meet all CPUs in one stream. */
export class LossTracker {
  /** Gaps that an event has ended, until `take` returns them. */
  found: LostEvents[] = []
  /** One more than the highest CPU seen. */
  cpus = 0
  readonly #lastTime = new Float64Array(MAX_CPUS).fill(Number.NEGATIVE_INFINITY)
  readonly #open = new Map<number, OpenGap>()
  /**
   * Number of losses on an unknown CPU, and for each CPU the number of them at its last event. A difference means that the CPU
   * has an open gap.
   */
  #everywhere = 0
  readonly #ended = new Uint32Array(MAX_CPUS)

  /** Notes that events are missing here on one CPU. */
  lose(cpu: number, count: number | undefined): void {
    if (cpu < MAX_CPUS) this.#open.set(cpu, joinGaps(this.#open.get(cpu), count))
  }

  /** Notes that events are missing here on an unknown CPU. */
  loseAnywhere(): void {
    this.#everywhere++
  }

  /** Notes that events are missing on an unknown CPU, all of them between two events of a stream in order of time. */
  loseBetween(from: number, to: number, cpu: number): void {
    this.found.push({ cpu, from, to, count: undefined })
  }

  /** Notes an event, which ends the gaps of its CPU. */
  event(cpu: number, time: number): void {
    if (this.#open.size > 0 || this.#ended[cpu] !== this.#everywhere) this.#end(cpu, time)
    this.#lastTime[cpu] = time
    if (cpu >= this.cpus) this.cpus = cpu + 1
  }

  /** Ends all open gaps. The recording has at least `cpus` CPUs. */
  finish(cpus: number): void {
    for (let cpu = Math.max(cpus, this.cpus) - 1; cpu >= 0; cpu--) this.#end(cpu, Number.POSITIVE_INFINITY)
    for (const cpu of this.#open.keys()) this.#end(cpu, Number.POSITIVE_INFINITY)
  }

  take(): LostEvents[] {
    const { found } = this
    this.found = []
    return found
  }

  #end(cpu: number, to: number): void {
    let gap = this.#open.get(cpu)
    this.#open.delete(cpu)
    if (this.#ended[cpu] !== this.#everywhere) gap = joinGaps(gap, undefined)
    this.#ended[cpu] = this.#everywhere
    if (gap) this.found.push({ cpu, from: this.#lastTime[cpu]!, to, count: gap.count })
  }
}
