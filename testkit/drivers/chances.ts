// SPDX-License-Identifier: GPL-2.0-or-later
/** Distributions that the simulated driver draws from, on top of the seeded generator that the tests use. */
import type { Random } from '../random.ts'

/** Draws from [low, high] such that every order of magnitude is equally likely. */
export function logUniform(random: Random, low: number, high: number): number {
  return low * (high / low) ** random()
}

/** Draws a waiting time of the given mean; the tail is cut so that no single wait dominates a recording. */
export function exponential(random: Random, mean: number): number {
  return Math.ceil(Math.min(-Math.log(1 - random()), 8) * mean)
}

/** Picks one of the choices by weight. */
export function weighted<T>(random: Random, choices: readonly (readonly [weight: number, value: T])[]): T {
  let left = random() * choices.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, value] of choices) {
    left -= weight
    if (left < 0) return value
  }
  return choices.at(-1)![1]
}

/** Returns the list in random order. */
export function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const result = [...list]
  for (let i = result.length - 1; i > 0; i--) {
    const other = random.int(0, i)
    ;[result[i], result[other]] = [result[other]!, result[i]!]
  }
  return result
}
