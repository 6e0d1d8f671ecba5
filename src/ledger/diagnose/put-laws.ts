// SPDX-License-Identifier: GPL-2.0-or-later
/** Laws of puts that need not stand where the others of their law do: one too many is often at a place of its own. */
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LedgerEvent } from '../track/lifetime-event.ts'
import { isPut, signatureOf, unitKey } from '../track/unit-key.ts'
import type { Naming } from './naming.ts'

/**
 * Returns the law of an event. A put that no law has is taken for one of the puts of the same function: of several, of those
 * which have most callers in common with it.
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

/** The laws, the call sites, and the functions on a stack without what the compiler made of their names (`submitter.cold`). */
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
