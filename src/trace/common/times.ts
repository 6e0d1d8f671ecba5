// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Formats times. `lastput events` does not use this for trace.dat files: it prints times as trace-cmd does
 * (src/print/trace-cmd-report.ts).
 */

import type { SourceInfo } from '../events.ts'
import { clockOf } from './clock.ts'

/** The information that decides how times are formatted. */
export type TimeStyle = Pick<SourceInfo, 'clock' | 'unit'>

/** The context of times: a recording, or the account of one. */
export interface Timed {
  timeBase: bigint
  info: TimeStyle
}

const SECOND = 1_000_000_000n

/** Number of decimal places of a second: as many as trace-cmd shows, but not more than the clock has. */
export function decimals({ clock }: TimeStyle): 2 | 6 {
  const { scale } = clockOf(clock)
  return scale && scale.mul >= 10_000_000n * scale.div ? 2 : 6
}

/** Value of the last digit of `timeText`, in units of `EventBatch.time`. */
export function shownStep(style: TimeStyle): number {
  return style.unit === 'ticks' ? 1 : 10 ** (9 - decimals(style))
}

/**
 * Formats a time in seconds, rounded as by trace-cmd report, or in ticks if their length is unknown.
 *
 * @param time as `EventBatch.time`
 */
export function timeText(time: number, { timeBase, info }: Timed): string {
  if (!Number.isFinite(time)) return '?'
  const total = timeBase + BigInt(Math.round(time))
  return info.unit === 'ticks' ? String(total) : secondsText(total, decimals(info))
}

/** As `timeText`, but with all digits. */
export function exactTimeText(time: number, { timeBase, info }: Timed): string {
  const total = timeBase + BigInt(Math.round(time))
  return info.unit === 'ticks' ? String(total) : secondsText(total, 9)
}

/** Formats nanoseconds as seconds with `digits` decimal places. */
function secondsText(ns: bigint, digits: number): string {
  const step = 10n ** BigInt(9 - digits)
  const [sign, size] = ns < 0n ? ['-', -ns] : ['', ns]
  const shown = (size + step / 2n) / step
  const second = SECOND / step
  return `${sign}${shown / second}.${String(shown % second).padStart(digits, '0')}`
}

/** Returns a time as a number of seconds or ticks; null for infinite times. */
export function timeNumber(time: number, { timeBase, info }: Timed): number | null {
  if (!Number.isFinite(time)) return null
  const total = Number(timeBase + BigInt(Math.round(time)))
  return info.unit === 'ticks' ? total : total / 1e9
}

/**
 * Converts a time that a user gave. The argument is the number given, times 10^9. Where the recording counts ticks, the user gave
 * ticks.
 */
export function givenTime(ns: bigint, { unit }: TimeStyle): bigint {
  return unit === 'ticks' ? ns / SECOND : ns
}

/**
 * Formats a span of time in a suitable unit.
 * @param span in units of `EventBatch.time`
 */
export function spanText(span: number, style: TimeStyle): string {
  if (style.unit === 'ticks') return `${span} tick${span === 1 ? '' : 's'}`
  if (span < 1e6) return `${(span / 1e3).toFixed(0)} us`
  if (span >= 1e9) return `${(span / 1e9).toFixed(1)} s`
  return `${(span / 1e6).toFixed(decimals(style) === 2 ? 0 : 1)} ms`
}
