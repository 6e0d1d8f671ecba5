// SPDX-License-Identifier: GPL-2.0-or-later
import type { LifetimeEvent } from '../track/lifetime-event.ts'

/** A call site hands out pages if, of the lifetimes with a get of it, it begins at least this share. */
const BEGINS = 0.3

/**
 * Returns a predicate for call sites that take idle pages into use rather than further references, learned from sample lifetimes.
 */
export function handOuts(samples: readonly (readonly LifetimeEvent[])[]): (signature: number) => boolean {
  const begun = new Map<number, number>()
  const all = new Map<number, number>()
  const add = (counts: Map<number, number>, signature: number) =>
    counts.set(signature, (counts.get(signature) ?? 0) + 1)
  for (const lifetime of samples) {
    const gets = lifetime.filter(({ delta }) => delta > 0)
    if (gets[0]) add(begun, gets[0].signature)
    for (const signature of new Set(gets.map(get => get.signature))) add(all, signature)
  }
  return signature => (begun.get(signature) ?? 0) >= BEGINS * (all.get(signature) ?? Infinity)
}
