// SPDX-License-Identifier: GPL-2.0-or-later
import type { FunctionJson, TraceJson } from './documents.ts'
import { functionText } from './words.ts'

/** Two functions as a key; neither text has a line break in it. */
export function pairKey(get: FunctionJson, put: FunctionJson): string {
  return `${functionText(get)}\n${functionText(put)}`
}

/** Lives in which a reference went from one function to the other: of all callers together, most first. */
export function livesByPair(trace: TraceJson): Map<string, number> {
  const lives = new Map<string, number>()
  for (const pair of trace.pairs ?? []) {
    const key = pairKey(pair.get, pair.put)
    lives.set(key, (lives.get(key) ?? 0) + pair.lives)
  }
  return new Map([...lives].sort((a, b) => b[1] - a[1]))
}
