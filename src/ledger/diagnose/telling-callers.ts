// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the callers with which reports have to name a call site. If several parts of a driver share a helper, laws tell its calls
 * apart by their callers. Function and offset alone would then name two call sites of which a report says different things.
 */
import type { Frame } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import type { LawBook } from '../learn/law-book.ts'
import { signatureOf, type UnitKey } from '../track/unit-key.ts'

/**
 * Returns the callers that tell a call site from those at the same address that its law does not have, innermost first; none
 * where it needs none.
 */
export function tellingCallers(sites: CallSites, book: LawBook, key: UnitKey): Frame[] {
  const signature = signatureOf(key)
  const others = ofOtherLaws(sites, book, key)
  if (others.length === 0) return []
  let depth = 2
  const looksAlike = (other: number) => sites.at(other, depth) === sites.at(signature, depth)
  while (depth < sites.depth && others.some(looksAlike)) depth++
  return sites.framesFromActing(sites.exampleStack(signature)).slice(1, depth)
}

/** Returns the signatures with the same acting frame and direction that have another law, or none. */
function ofOtherLaws(sites: CallSites, book: LawBook, key: UnitKey): number[] {
  const signature = signatureOf(key)
  const law = book.lawOf(key)
  const others: number[] = []
  for (let other = 0; other < sites.size; other++) {
    if (other === signature || sites.site(other) !== sites.site(signature)) continue
    if (book.lawOf(other * 2 + (key & 1)) !== law) others.push(other)
  }
  return others
}
