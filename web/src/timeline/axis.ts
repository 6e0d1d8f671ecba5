// SPDX-License-Identifier: GPL-2.0-or-later
/** Ticks of the time axis, at round times of the recording's clock. */

/** A labelled time on the axis. */
export interface Tick {
  /** In the timeline's time, which counts from the recording's time base. */
  time: number
  /** The label: the time of the recording's clock, with its unit. */
  text: string
}

/** The recording's clock. */
export interface AxisClock {
  /** Origin of the timeline's times, in ns or in ticks of the clock. */
  timeBase: bigint
  unit: 's' | 'ticks'
}

/** Number of decimals of a second in nanoseconds. */
const DIGITS = 9
const SECOND = 10n ** BigInt(DIGITS)

/**
 * Returns ticks between two times of the timeline, at least the fraction `least` of the span apart. They are computed from the
 * recording's clock: the timeline's origin is not round, so that times round to the timeline are not round to the clock. The
 * clock's times are bigints because they need more digits than a number has.
 */
export function axisTicks(from: number, to: number, least: number, { timeBase, unit }: AxisClock): Tick[] {
  const { step, power } = roundStep((to - from) * least)
  const digits = Math.max(0, DIGITS - power)
  const ticks: Tick[] = []
  const end = timeBase + BigInt(Math.floor(to))
  for (let at = ceilTo(timeBase + BigInt(Math.ceil(from)), step); at <= end; at += step)
    ticks.push({ time: Number(at - timeBase), text: unit === 'ticks' ? String(at) : secondsText(at, digits) })
  return ticks
}

/** Returns the least of 1, 2, 5, 10, 20, ... that is at least `rough`, and its power of ten. */
function roundStep(rough: number): { step: bigint; power: number } {
  const power = Math.max(0, Math.floor(Math.log10(Math.max(1, rough))))
  const unit = 10 ** power
  const factor = [1, 2, 5, 10].find(each => each * unit >= rough) ?? 10
  return { step: BigInt(factor * unit), power: factor === 10 ? power + 1 : power }
}

function ceilTo(time: bigint, step: bigint): bigint {
  const rest = ((time % step) + step) % step
  return rest === 0n ? time : time + step - rest
}

/** Formats ns as seconds with `digits` decimals. The digits beyond these have to be zero. */
function secondsText(ns: bigint, digits: number): string {
  const [sign, size] = ns < 0n ? ['-', -ns] : ['', ns]
  const fraction = String(size % SECOND)
    .padStart(DIGITS, '0')
    .slice(0, digits)
  return `${sign}${size / SECOND}${digits > 0 ? `.${fraction}` : ''} s`
}
