// SPDX-License-Identifier: GPL-2.0-or-later
/** How times are written, but in `lastput events` of a trace.dat file, which writes them as trace-cmd does (src/print/trace-cmd-report.ts). */

import type { SourceInfo } from '../events.ts'
import { clockOf } from './clock.ts'

/** What says how times are written. */
export type TimeStyle = Pick<SourceInfo, 'clock' | 'unit'>

/** What times are of: a recording, or the account of one. */
export interface Timed {
  timeBase: bigint
  info: TimeStyle
}

const SECOND = 1_000_000_000n

/** Digits of a second that are shown: those that trace-cmd shows, but none that the clock does not have. */
export function decimals({ clock }: TimeStyle): 2 | 6 {
  const { scale } = clockOf(clock)
  return scale && scale.mul >= 10_000_000n * scale.div ? 2 : 6
}

/** What the last digit of `timeText` stands for, in units of `EventBatch.time`. */
export function shownStep(style: TimeStyle): number {
  return style.unit === 'ticks' ? 1 : 10 ** (9 - decimals(style))
}

/**
 * A time of the recording in seconds, rounded as by trace-cmd report, or in ticks, where nobody knows how long they are.
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

/** Rounded to so many digits. */
function secondsText(ns: bigint, digits: number): string {
  const step = 10n ** BigInt(9 - digits)
  const [sign, size] = ns < 0n ? ['-', -ns] : ['', ns]
  const shown = (size + step / 2n) / step
  const second = SECOND / step
  return `${sign}${shown / second}.${String(shown % second).padStart(digits, '0')}`
}

/** A time as a number of seconds, or of ticks; null for no time. */
export function timeNumber(time: number, { timeBase, info }: Timed): number | null {
  if (!Number.isFinite(time)) return null
  const total = Number(timeBase + BigInt(Math.round(time)))
  return info.unit === 'ticks' ? total : total / 1e9
}

/** A time that somebody gave in seconds, here as ns, in the recording's unit: where it counts ticks, they gave ticks. */
export function givenTime(ns: bigint, { unit }: TimeStyle): bigint {
  return unit === 'ticks' ? ns / SECOND : ns
}

/** A span of time in the unit that fits it. @param span in units of `EventBatch.time` */
export function spanText(span: number, style: TimeStyle): string {
  if (style.unit === 'ticks') return `${span} tick${span === 1 ? '' : 's'}`
  if (span < 1e6) return `${(span / 1e3).toFixed(0)} us`
  if (span >= 1e9) return `${(span / 1e9).toFixed(1)} s`
  return `${(span / 1e6).toFixed(decimals(style) === 2 ? 0 : 1)} ms`
}
