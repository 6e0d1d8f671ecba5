// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The clocks of recordings: what timestamps count, and how far their order can be trusted.
 *
 * Facts of the clocks: `trace_clocks` in kernel/trace/trace.c (`in_ns`), kernel/trace/trace_clock.c, kernel/time/time.c
 * (`jiffies_64_to_clock_t`), asm/trace_clock.h of x86, powerpc and s390, asm/timex.h of s390 (`tod_to_ns`).
 */
import type { EventBatch, SourceInfo } from '../events.ts'

/** Conversion of clock counts to nanoseconds: `ticks * mul / div`. */
export interface TickScale {
  mul: bigint
  div: bigint
}

/** The properties of a trace clock that its name implies. */
export interface Clock {
  /** Conversion to nanoseconds; undefined if it depends on the machine. */
  scale: TickScale | undefined
  /** True if all CPUs read one counter: of two different timestamps, the smaller one was taken first. */
  shared: boolean
  /**
   * For a clock without `scale`, the maximum number of counts in a nanosecond. If CPUs share the clock, the maximum that one CPU
   * causes.
   */
  perNs: number
}

const NS: TickScale = { mul: 1n, div: 1n }
const IN_NS: Clock = { scale: NS, shared: false, perNs: 1 }

/** A cycle counter. No CPU has more than six cycles in a nanosecond. */
const CYCLES: Clock = { scale: undefined, shared: false, perNs: 6 }

/** By name as in tracefs `trace_clock`. */
const CLOCKS = new Map<string, Clock>([
  ...['local', 'global', 'perf', 'mono', 'mono_raw', 'boot', 'tai'].map(name => [name, IN_NS] as const),
  // jiffies_64_to_clock_t() counts 1/100 s (USER_HZ) whatever HZ is, on all machines that have device pages.
  ['uptime', { scale: { mul: 10_000_000n, div: 1n }, shared: true, perNs: 1 }],
  // A counter that each event of any kind increments atomically. No CPU records more than ten events in a microsecond.
  ['counter', { scale: undefined, shared: true, perNs: 0.01 }],
  // The time base: 512 MHz on POWER, but other frequencies elsewhere.
  ['ppc-tb', { scale: undefined, shared: false, perNs: 1 }],
  // get_tod_clock(): 4096 counts in a microsecond, since 1900.
  ['s390-tod', { scale: { mul: 125n, div: 512n }, shared: false, perNs: 1 }],
])

/**
 * Returns the properties of a clock by its name. All clocks that every kernel has are listed. Any other clock is specific to a
 * machine and counts cycles: x86-tsc, or tsc2nsec, which is x86-tsc with its scale recorded by an option of trace-cmd.
 */
export function clockOf(name: string): Clock {
  return CLOCKS.get(name) ?? CYCLES
}

/** Converts ticks to nanoseconds, rounded down. */
export function toNs(ticks: bigint, { mul, div }: TickScale): bigint {
  return (ticks * mul) / div
}

/** True if timestamps are nanoseconds already. */
export function isNs({ mul, div }: TickScale): boolean {
  return mul === div
}

/** Converts a time since some base to nanoseconds. Rounding down preserves the order of times. */
export function scaled(time: number, { mul, div }: TickScale): number {
  // Multiplying before dividing keeps times exact that are a whole number of nanoseconds.
  return Math.floor((time * Number(mul)) / Number(div))
}

/** Converts the times of a batch from ticks to nanoseconds. */
export function scaleBatch({ time, length, lost }: EventBatch, scale: TickScale): void {
  for (let row = 0; row < length; row++) time[row] = scaled(time[row]!, scale)
  for (const gap of lost) {
    gap.from = scaled(gap.from, scale)
    gap.to = scaled(gap.to, scale)
  }
}

/** The information that decides how precise timestamps are. */
export type StampInfo = Pick<SourceInfo, 'clock' | 'unit' | 'resolution' | 'cpus' | 'isWatch'>

/** Maximum difference in ns between clocks that each CPU has for itself. */
export const CPU_SKEW = 20_000

/** Less than any step of a clock, but not 0, so that equal timestamps of two CPUs do not count as ordered. */
const NO_SLACK = 0.5

/**
 * Returns the slack of timestamps, in units of `EventBatch.time`. Of two timestamps of different CPUs, the first is certainly
 * earlier if `first + stampSlack(info) < second`. Equal timestamps of two CPUs have no order. Those of one CPU are in the order
 * of the batch, whether equal or not. Call again for each batch, because `info.resolution` may have changed.
 */
export function stampSlack(info: StampInfo): number {
  return clockOf(info.clock).shared ? NO_SLACK : spanOf(CPU_SKEW, info)
}

/**
 * Returns the most by which timestamps can advance in `ns` nanoseconds, in units of `EventBatch.time`. Events whose timestamps
 * differ by more are certainly more than `ns` nanoseconds apart. For a clock of unknown frequency, the highest possible one is
 * assumed.
 */
export function spanOf(ns: number, { clock, unit, resolution, cpus }: StampInfo): number {
  const { perNs, shared } = clockOf(clock)
  const counts = unit === 'ns' ? ns : Math.ceil(ns * perNs * (shared ? Math.max(1, cpus) : 1))
  // The clock may have advanced just before the second timestamp, so that the first one is up to one step too old.
  return counts + resolution - 1
}
