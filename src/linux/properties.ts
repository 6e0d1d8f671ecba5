// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The promises that the model checks, and how they are divided among searches. A driver may add properties of its own, by the
 * names that its steps pass to `s.warn()` and `s.fail()`.
 */

import type { CheckOptions } from '../checker/index.ts'
import { type KernelPromise, type PromiseId, promiseOf } from '../promises/promises.ts'

/** Ids of the promises that the model checks, in the order of every listing. */
const CHECKED = [
  'free-twice',
  'get-on-free-page',
  'touch-after-free',
  'freed-in-use',
  'pagemap-gone',
  'count-mismatch',
  'alloc-after-kill',
  'warn',
  'bounds',
  'deadlock',
  'finishes',
] as const satisfies readonly PromiseId[]

/** A promise that the model checks. */
export type PropertyId = (typeof CHECKED)[number]

/** By name of a property, its promise. */
export const properties: Readonly<Record<string, KernelPromise>> = Object.fromEntries(
  CHECKED.map(id => [id, promiseOf(id)!]),
)

const LIVENESS = 'finishes'

/**
 * Divides properties among searches: liveness has one of its own, because it allows fewer reductions and would slow the others.
 * @param selected names of properties; if omitted, all but `except`, those of the driver included.
 * @returns for each search, the options that select its properties.
 */
export function searches(
  selected?: readonly string[],
  except: readonly string[] = [],
): Pick<CheckOptions, 'properties' | 'except' | 'also'>[] {
  if (!selected)
    return [
      { except: [...except, LIVENESS], also: Object.keys(properties) },
      ...(except.includes(LIVENESS) ? [] : [{ properties: [LIVENESS] }]),
    ]
  const live = (p: string) => p === LIVENESS
  return [selected.filter(p => !live(p)), selected.filter(live)]
    .filter(group => group.length > 0)
    .map(properties => ({ properties }))
}
