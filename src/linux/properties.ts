// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Which promises the model checks, and by which searches. A driver has rules of its own beside them: whatever name its steps
 * give to `s.warn()` and `s.fail()`.
 */

import type { CheckOptions } from '../checker/index.ts'
import { type KernelPromise, type PromiseId, promiseOf } from '../promises/promises.ts'

/** Promises that the model checks, in the order in which they are listed wherever they are. */
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

/** The promises behind the names of properties. */
export const properties: Readonly<Record<string, KernelPromise>> = Object.fromEntries(
  CHECKED.map(id => [id, promiseOf(id)!]),
)

const LIVENESS = 'finishes'

/**
 * What is searched for together: liveness allows no reduction, and would slow the others down.
 * @param selected all unless said, those of the driver's own included, but `except`.
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
