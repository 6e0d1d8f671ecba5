// SPDX-License-Identifier: GPL-2.0-or-later
/** Numbers at which work that grows with a number is done again, so that its total stays in proportion. */

/** True for every number below 32, then for eight numbers in each octave. */
export function isCheckpoint(n: number): boolean {
  const octave = 31 - Math.clz32(n)
  return octave < 5 || n % (1 << (octave - 3)) === 0
}

/** True for numbers that are one below a power of two. */
export function isBelowPowerOfTwo(n: number): boolean {
  return (n & (n + 1)) === 0
}
