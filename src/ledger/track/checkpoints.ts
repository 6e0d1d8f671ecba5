// SPDX-License-Identifier: GPL-2.0-or-later
/** When to repeat work whose cost grows with a counter, so that the total cost stays proportional to the counter. */

/** True for every number below 32, then for eight numbers in each range from one power of two to the next. */
export function isCheckpoint(n: number): boolean {
  const octave = 31 - Math.clz32(n)
  return octave < 5 || n % (1 << (octave - 3)) === 0
}

/** True for numbers that are one below a power of two. */
export function isBelowPowerOfTwo(n: number): boolean {
  return (n & (n + 1)) === 0
}
