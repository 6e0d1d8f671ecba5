// SPDX-License-Identifier: GPL-2.0-or-later
/** Finds the law of a put at a call site that no law has: a surplus put is often at a call site of its own. */
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LedgerEvent } from '../track/lifetime-event.ts'
import { isPut, signatureOf, unitKey } from '../track/unit-key.ts'
import type { Naming } from './naming.ts'

/**
 * Returns the law of an event. A put that no law has gets the law of puts in the same function; if there are several, that of the
 * puts with most callers in common.
 */
export function lawOfPut(
  { book, sites, functions }: PutSites,
  naming: Naming,
  { signature, stack }: Pick<LedgerEvent, 'signature' | 'stack'>,
  units: number,
): number {
  const law = book.lawOf(unitKey(signature, units))
  const name = naming.frame(signature)?.name
  if (law !== NO_LAW || units > 0 || name === undefined) return law
  const own = new Set(functions(stack))
  let best = { law: NO_LAW, shared: -1 }
  for (const [index, { keys }] of book.laws.entries())
    for (const key of keys) {
      const other = signatureOf(key)
      if (!isPut(key) || naming.frame(other)?.name !== name) continue
      const shared = new Set(functions(sites.exampleStack(other)).filter(each => own.has(each))).size
      if (shared > best.shared) best = { law: index, shared }
    }
  return best.law
}

/** The laws, the call sites, and the functions on a stack without suffixes of the compiler (`.cold`). */
export interface PutSites extends Pick<LearningTracker, 'book' | 'sites'> {
  functions(stack: number): readonly string[]
}

export function putSites(ledger: LearningTracker): PutSites {
  return { book: ledger.book, sites: ledger.sites, functions: stack => ledger.functions(stack) }
}

/** True if a put has the callers that puts of its law usually have. */
export function hasUsualCallers({ book, sites, functions }: PutSites, law: number, stack: number): boolean {
  const own = functions(stack).join(' ')
  return book.laws[law]!.keys.some(
    key => isPut(key) && functions(sites.exampleStack(signatureOf(key))).join(' ') === own,
  )
}
