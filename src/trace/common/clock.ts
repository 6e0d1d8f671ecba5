// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What the stamps of a recording count, and how far their order may be trusted.
 *
 * Facts of the clocks: `trace_clocks` in kernel/trace/trace.c (`in_ns`), kernel/trace/trace_clock.c, kernel/time/time.c
 * (`jiffies_64_to_clock_t`), asm/trace_clock.h of x86, powerpc and s390, asm/timex.h of s390 (`tod_to_ns`).
 */
import type { EventBatch, SourceInfo } from '../events.ts'

/** Counts of a clock as nanoseconds: `ticks * mul / div`. */
export interface TickScale {
  mul: bigint
  div: bigint
}

/** What the name of a trace clock says of its stamps. */
export interface Clock {
  /** Nanoseconds of a count; undefined where only the machine knows. */
  scale: TickScale | undefined
  /** Whether all CPUs read one counter: of two stamps that differ, the smaller one was taken first. */
  shared: boolean
  /** Counts of a clock without `scale` in a nanosecond, at most; where CPUs share it, those that one of them makes. */
  perNs: number
}

const NS: TickScale = { mul: 1n, div: 1n }
const IN_NS: Clock = { scale: NS, shared: false, perNs: 1 }

/** Cycles: no CPU has more than six in a nanosecond. */
const CYCLES: Clock = { scale: undefined, shared: false, perNs: 6 }

/** By name as in tracefs `trace_clock`. */
const CLOCKS = new Map<string, Clock>([
  ...['local', 'global', 'perf', 'mono', 'mono_raw', 'boot', 'tai'].map(name => [name, IN_NS] as const),
  // jiffies_64_to_clock_t() counts 1/100 s (USER_HZ) whatever HZ is, on all machines that have device pages.
  ['uptime', { scale: { mul: 10_000_000n, div: 1n }, shared: true, perNs: 1 }],
  // One more for each event of any kind, by an atomic operation. No CPU records more than ten events in a microsecond.
  ['counter', { scale: undefined, shared: true, perNs: 0.01 }],
  // The time base: 512 MHz on POWER, but other frequencies elsewhere.
  ['ppc-tb', { scale: undefined, shared: false, perNs: 1 }],
  // get_tod_clock(): 4096 counts in a microsecond, since 1900.
  ['s390-tod', { scale: { mul: 125n, div: 512n }, shared: false, perNs: 1 }],
])

/**
 * What is known of a clock by its name. Those that every kernel has are known, so another one is some machine's own, and
 * counts cycles: x86-tsc, or tsc2nsec, which is the same with an option of trace-cmd's that tells its scale.
 */
export function clockOf(name: string): Clock {
  return CLOCKS.get(name) ?? CYCLES
}

/** A count of ticks as nanoseconds, rounded down. */
export function toNs(ticks: bigint, { mul, div }: TickScale): bigint {
  return (ticks * mul) / div
}

/** Whether stamps are nanoseconds as they stand. */
export function isNs({ mul, div }: TickScale): boolean {
  return mul === div
}

/** A time since some base as nanoseconds, rounded down, which keeps the order of times. */
export function scaled(time: number, { mul, div }: TickScale): number {
  // In this order what is a whole number of nanoseconds stays one.
  return Math.floor((time * Number(mul)) / Number(div))
}

/** Makes the times of a batch, which count ticks, count nanoseconds. */
export function scaleBatch({ time, length, lost }: EventBatch, scale: TickScale): void {
  for (let row = 0; row < length; row++) time[row] = scaled(time[row]!, scale)
  for (const gap of lost) {
    gap.from = scaled(gap.from, scale)
    gap.to = scaled(gap.to, scale)
  }
}

/** What decides how far stamps reach. */
export type StampInfo = Pick<SourceInfo, 'clock' | 'unit' | 'resolution' | 'cpus' | 'isWatch'>

/** Clocks that CPUs have for themselves differ by up to this, in ns. */
export const CPU_SKEW = 20_000

/** Less than any step of a clock, and not nothing, lest stamps of two CPUs that are equal pass for stamps in order. */
const NO_SLACK = 0.5

/**
 * Of two stamps of different CPUs, the first is surely the earlier one when `first + stampSlack(info) < second`. In units of
 * `EventBatch.time`. Equal stamps of two CPUs say nothing; stamps of one CPU are in order as they stand in the batch, equal
 * or not. Ask again with each batch: `info.resolution` may have changed.
 */
export function stampSlack(info: StampInfo): number {
  return clockOf(info.clock).shared ? NO_SLACK : spanOf(CPU_SKEW, info)
}

/**
 * The most by which stamps can move on while so many nanoseconds pass, in units of `EventBatch.time`: what took longer by
 * its stamps surely took longer. Of a clock whose frequency nobody knows, by the highest that there is.
 */
export function spanOf(ns: number, { clock, unit, resolution, cpus }: StampInfo): number {
  const { perNs, shared } = clockOf(clock)
  const counts = unit === 'ns' ? ns : Math.ceil(ns * perNs * (shared ? Math.max(1, cpus) : 1))
  // A first stamp may be as old as a step of the clock, when the second one is new.
  return counts + resolution - 1
}
