// SPDX-License-Identifier: GPL-2.0-or-later
/** The times that stand on the axis: round ones of the recording's clock, each exactly where its time is. */

/** A time on the axis. */
export interface Tick {
  /** As the timeline counts, from the recording's time base. */
  time: number
  /** The recording's own time, with its unit. */
  text: string
}

/** What says how the recording counts time. */
export interface AxisClock {
  /** Time that the timeline's times count from: in ns, or in ticks of the clock. */
  timeBase: bigint
  unit: 's' | 'ticks'
}

/** Digits of a second that nanoseconds have. */
const DIGITS = 9
const SECOND = 10n ** BigInt(DIGITS)

/**
 * Round times between two of the timeline's, at least `least` of the span apart. The recording's clock has been going before it
 * began, so what is round for one is not for the other; and its times need more digits than a number has.
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

/** The least of 1, 2, 5, 10, 20, ... that is no less than `rough`, with the power of ten in it. */
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

/** A whole number of ns as seconds with so many digits; it has no others. */
function secondsText(ns: bigint, digits: number): string {
  const [sign, size] = ns < 0n ? ['-', -ns] : ['', ns]
  const fraction = String(size % SECOND)
    .padStart(DIGITS, '0')
    .slice(0, digits)
  return `${sign}${size / SECOND}${digits > 0 ? `.${fraction}` : ''} s`
}
