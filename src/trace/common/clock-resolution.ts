// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * How slow a clock is, as its stamps show. Where a machine has no usable cycle counter, clocks that count nanoseconds stand
 * still for a whole period of the timer interrupt (1 to 10 ms), or of a slow timer (30.5 us at 32768 Hz).
 */
import { grown } from '../../util/growable.ts'
import type { EventBatch, SourceInfo } from '../events.ts'

/** Events that are looked at: a clock that has not shown to be slow by then is not. */
const MOST_LOOKED_AT = 1 << 16

/** Stamps that are all multiples of less than this are no sign: clocks count in steps of some hundred ns, and texts in us. */
const LEAST_PERIOD = 900_000

/** No timer interrupt comes less often than 24 times in a second, in ns. */
const LONGEST_PERIOD = 42_000_000

/** Stamps that must differ before a divisor that they have in common is no chance. */
const MANY_STAMPS = 32

/** Events that must have the stamp of the one before them, and one in how many: nested ones have, on kernels before 5.9. */
const MANY_EQUAL = 8
const ONE_IN = 8

/** Looks at stamps in the order of each CPU. */
export class GrainObserver {
  readonly #base: bigint
  /** By CPU: its last stamp. */
  #last = new Float64Array(64).fill(Number.NaN)
  #seen = 0
  /** Events with another stamp than the one before them on their CPU, and with the same. */
  #steps = 0
  #equal = 0
  #leastStep = Number.POSITIVE_INFINITY
  #first = Number.POSITIVE_INFINITY
  #end = Number.NEGATIVE_INFINITY
  /** Greatest common divisor of all stamps, and what of the base it leaves. */
  #divisor = 0
  #baseRest = 0

  /** @param base as `Recording.timeBase`, without what was added to it: periods of the timer count from the clock's 0 */
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
    // Not a number for the first stamp of a CPU. Clocks that go back are no measure.
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

  /** By how much stamps move on at least; 0 where nothing says that the clock is slow. */
  get grain(): number {
    const isPeriod = this.#divisor >= LEAST_PERIOD && this.#divisor <= LONGEST_PERIOD
    if (isPeriod && this.#steps >= MANY_STAMPS) return this.#divisor
    // A CPU needs longer from one event to the next than a clock from one tick to the next, but for a slow clock.
    if (this.#equal < MANY_EQUAL || this.#equal * ONE_IN < this.#steps) return 0
    // A clock that no CPU has seen move on tells no order of CPUs at all.
    return this.#steps > 0 ? this.#leastStep : this.#end - this.#first + 1
  }
}

/**
 * The batches of a recording. Before each is delivered, `info.resolution` is what the stamps up to its end show.
 *
 * @param timeBase asked for with the first batch
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
