// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Which callers a call site has to be named with. Where several parts of a driver share a helper, laws tell its calls apart by
 * their callers, and one function with its offset would stand for two call sites that a report says different things of.
 */
import type { Frame } from '../../trace/events.ts'
import type { CallSites } from '../callsites/call-sites.ts'
import { isPut, signatureOf, type UnitKey } from '../learn/call-site-laws.ts'
import type { LawBook } from '../learn/law-book.ts'

/** Returns the callers that tell a call site from others at the same address, innermost first; none where it needs none. */
export function tellingCallers(sites: CallSites, book: LawBook, key: UnitKey): Frame[] {
  const signature = signatureOf(key)
  const others = othersAt(sites, book, key)
  if (others.length === 0) return []
  let depth = 2
  const looksAlike = (other: number) => sites.at(other, depth) === sites.at(signature, depth)
  while (depth < sites.depth && others.some(looksAlike)) depth++
  return sites.framesFromActing(sites.exampleStack(signature)).slice(1, depth)
}

/** Signatures with the same acting frame that are not the same call site: of another law, or another site of the same one. */
function othersAt(sites: CallSites, book: LawBook, key: UnitKey): number[] {
  const signature = signatureOf(key)
  const side = key & 1
  const law = book.lawOf(key)
  const isHere = (other: number) => other !== signature && sites.site(other) === sites.site(signature)
  const others: number[] = []
  for (let other = 0; other < sites.size; other++)
    if (isHere(other) && book.lawOf(other * 2 + side) !== law) others.push(other)
  if (law < 0) return others
  const own = book.laws[law]!.sites.filter(each => isPut(each) === isPut(key)).map(signatureOf)
  const sharing = own.filter(each => each === signature || isHere(each))
  return sharing.length < 2 ? others : [...others, ...sharing.filter(each => each !== signature)]
}
