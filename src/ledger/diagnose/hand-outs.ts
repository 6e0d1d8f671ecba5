// SPDX-License-Identifier: GPL-2.0-or-later
import type { LifetimeEvent } from '../track/lifetime-event.ts'

/** Share of the lifetimes with a get of that kind that it begins, from which on it hands out pages. */
const BEGINS = 0.3

/** Tells the call sites that take idle pages into use from those that take further references, by some lifetimes. */
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
