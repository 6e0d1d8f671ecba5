// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Infers from the timestamps how coarse a clock is. On a machine without a usable cycle counter, clocks that count nanoseconds
 * advance only with the timer interrupt (every 1 to 10 ms) or with a slow timer (every 30.5 us at 32768 Hz).
 */
import { grown } from '../../util/growable.ts'
import type { EventBatch, SourceInfo } from '../events.ts'

/** Number of events that are examined. A clock that has not turned out to be coarse by then is not. */
const MOST_LOOKED_AT = 1 << 16

/**
 * Smallest period in ns that counts as a sign. Smaller common divisors are normal: clocks advance in steps of some hundred ns,
 * and text has microseconds.
 */
const LEAST_PERIOD = 900_000

/** Largest possible period in ns: no timer interrupt comes less often than 24 times a second. */
const LONGEST_PERIOD = 42_000_000

/** Number of timestamps that must differ before their common divisor can no longer be chance. */
const MANY_STAMPS = 32

/**
 * Number of events that must have the same timestamp as the one before them, and the share of events that it must be (one in
 * `ONE_IN`). Some equal timestamps are normal: before 5.9, nested events have the timestamp of the event that they interrupt.
 */
const MANY_EQUAL = 8
const ONE_IN = 8

/** Observes timestamps in the order of each CPU. */
export class GrainObserver {
  readonly #base: bigint
  /** Last timestamp by CPU. */
  #last = new Float64Array(64).fill(Number.NaN)
  #seen = 0
  /**
   * Number of events whose timestamp differs from that of the previous event on their CPU, and number of those whose timestamp is
   * equal.
   */
  #steps = 0
  #equal = 0
  #leastStep = Number.POSITIVE_INFINITY
  #first = Number.POSITIVE_INFINITY
  #end = Number.NEGATIVE_INFINITY
  /** Greatest common divisor of all timestamps, and the remainder of the base modulo it. */
  #divisor = 0
  #baseRest = 0

  /** @param base as `Recording.timeBase`, without later offsets, because timer periods count from the clock's zero */
  constructor(base: bigint) {
    this.#base = base
  }

  add({ order, time, cpu, length }: EventBatch): void {
    if (this.#seen >= MOST_LOOKED_AT && this.grain === 0) return
    this.#seen += length
    for (let k = 0; k < length; k++) {
      const row = order[k]!
      this.#stamp(cpu[row]!, time[row]!)
    }
  }

  #stamp(cpu: number, time: number): void {
    if (cpu >= this.#last.length) this.#grow(cpu)
    const step = time - this.#last[cpu]!
    this.#last[cpu] = time
    if (step === 0) {
      this.#equal++
      return
    }
    if (time < this.#first) this.#first = time
    if (time > this.#end) this.#end = time
    // `step` is NaN for the first timestamp of a CPU. Steps of clocks that go back are ignored.
    if (step > 0) {
      this.#steps++
      if (step < this.#leastStep) this.#leastStep = step
    }
    if (this.#divisor === 0 || (this.#divisor >= LEAST_PERIOD && (this.#baseRest + time) % this.#divisor !== 0)) {
      this.#divide(time)
    }
  }

  #divide(time: number): void {
    let [a, b] = [BigInt(this.#divisor), this.#base + BigInt(Math.round(time))]
    while (a !== 0n) [a, b] = [b % a, a]
    this.#divisor = Number(b)
    this.#baseRest = b === 0n ? 0 : Number(this.#base % b)
  }

  #grow(cpu: number): void {
    this.#last = grown(this.#last, cpu * 2, Number.NaN)
  }

  /** Smallest step in which timestamps advance; 0 if nothing indicates a coarse clock. */
  get grain(): number {
    const isPeriod = this.#divisor >= LEAST_PERIOD && this.#divisor <= LONGEST_PERIOD
    if (isPeriod && this.#steps >= MANY_STAMPS) return this.#divisor
    // Only a coarse clock gives many equal timestamps: normally a CPU needs longer for an event than the clock for a tick.
    if (this.#equal < MANY_EQUAL || this.#equal * ONE_IN < this.#steps) return 0
    // If no CPU has seen the clock advance, timestamps say nothing about the order of CPUs.
    return this.#steps > 0 ? this.#leastStep : this.#end - this.#first + 1
  }
}

/**
 * Passes on the batches of a recording. Before each batch, sets `info.resolution` to what the timestamps up to its end show.
 *
 * @param timeBase called when the first batch has arrived
 */
export async function* observed(
  info: SourceInfo,
  timeBase: () => bigint,
  batches: AsyncIterable<EventBatch>,
): AsyncGenerator<EventBatch> {
  const told = info.resolution
  let observer: GrainObserver | undefined
  for await (const batch of batches) {
    observer ??= new GrainObserver(timeBase())
    observer.add(batch)
    info.resolution = Math.max(told, observer.grain)
    yield batch
  }
}
