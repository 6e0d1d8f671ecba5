// SPDX-License-Identifier: GPL-2.0-or-later
/** Aligns the lives of a page under two protocols, so that corresponding steps stand side by side. */
import type { LifeStepJson } from './documents.ts'

/** The steps of a life, and the count of an idle page. Counts are compared by how far they are above it. */
export interface Life {
  idle: number
  steps: readonly LifeStepJson[]
}

/**
 * - `same`: the other side has the same step.
 * - `varies`: the other side has the step in another function, or at another count.
 * - `only`: the other side has no corresponding step.
 */
export type Likeness = 'same' | 'varies' | 'only'

/** A step of one side; undefined where only the other side has a step. */
export type Aligned = { step: LifeStepJson; likeness: Likeness } | undefined

/** Weight from which on two steps are `same`. */
const SAME = 4

/**
 * Aligns two lives: of all alignments that keep the order of steps, returns one with the greatest sum of weights.
 *
 * @returns both sides, of equal length
 */
export function aligned(left: Life, right: Life): [Aligned[], Aligned[]] {
  const [a, b] = [left.steps, right.steps]
  const weights = a.map(one => b.map(other => weightOf(one, left.idle, other, right.idle)))
  const best = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1))
  const together = (i: number, j: number) => weights[i]![j]! + best[i + 1]![j + 1]!
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const apart = Math.max(best[i + 1]![j]!, best[i]![j + 1]!)
      best[i]![j] = weights[i]![j]! > 0 ? Math.max(apart, together(i, j)) : apart
    }
  }
  const sides: [Aligned[], Aligned[]] = [[], []]
  const add = (one: Aligned, other: Aligned) => {
    sides[0].push(one)
    sides[1].push(other)
  }
  for (let [i, j] = [0, 0]; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && weights[i]![j]! > 0 && best[i]![j] === together(i, j)) {
      const likeness = weights[i]![j]! >= SAME ? 'same' : 'varies'
      add({ step: a[i++]!, likeness }, { step: b[j++]!, likeness })
    } else if (j === b.length || (i < a.length && best[i]![j] === best[i + 1]![j]))
      add({ step: a[i++]!, likeness: 'only' }, undefined)
    else add(undefined, { step: b[j++]!, likeness: 'only' })
  }
  return sides
}

/** Similarity of two steps; 0: they do not correspond. */
function weightOf(a: LifeStepJson, idleA: number, b: LifeStepJson, idleB: number): number {
  if (a.thread !== b.thread || a.told !== b.told) return 0
  const [changeA, changeB] = [changeOf(a.count), changeOf(b.count)]
  const [pagemapA, pagemapB] = [changeOf(a.pagemapRef), changeOf(b.pagemapRef)]
  if (changeA !== changeB || pagemapA !== pagemapB) return 0
  const from = (step: LifeStepJson, idle: number) => (step.count ? step.count.from - idle : 0)
  const isAsFarFromIdle = from(a, idleA) === from(b, idleB)
  if (a.function === b.function) return isAsFarFromIdle || a.count?.from === b.count?.from ? SAME : 3
  // Different functions take or put references on the pagemap for different reasons, so that only equal ones correspond.
  if (a.count === undefined && a.told === undefined) return 0
  return isAsFarFromIdle ? 2 : 1
}

function changeOf(change: { from: number; to: number } | undefined): number {
  return change ? change.to - change.from : 0
}
