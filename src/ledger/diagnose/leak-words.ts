// SPDX-License-Identifier: GPL-2.0-or-later
/** The evidence for and against a leak, as sentences. */
import { NO_LAW } from '../learn/law-book.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { lawSentence } from './law-words.ts'
import {
  areMany,
  areWithOne,
  isLeftOver,
  isLifetimeOvertaken,
  isOvertaken,
  isPassedByItsTask,
  type LeakFacts,
} from './leak.ts'
import type { Naming } from './naming.ts'
import type { OpenReference } from './references.ts'

/** @param isLeak true if the reference is called leaked, false if it is reported as held */
export function leakSentences(
  ledger: LearningTracker,
  naming: Naming,
  event: LifetimeEvent,
  reference: OpenReference,
  facts: LeakFacts,
  isLeak: boolean,
): string[] {
  const order = orderSentence(facts)
  const isWithLifetimes = isLifetimeOvertaken(facts) && (order === '' || isAmbiguous(ledger, reference))
  return [
    facts.hasLaw
      ? lawSentence(ledger, naming, reference.law)
      : `no law of the recording says what gives back a reference that ${naming.site(event.signature, event.delta)} took`,
    order,
    isWithLifetimes ? lifetimesSentence(facts) : '',
    !isLeak && facts.maybeWith !== undefined && isOvertaken(facts)
      ? `${naming.task(facts.maybeWith)}, which gives back such references, has given back none that was taken later: it may still work on this one`
      : '',
    isLeak ? withOneSentence(facts) : '',
    isLeak ? keptSentence(facts) : '',
    aloneSentence(facts),
    facts.exited ? `its task ${naming.task(event.pid)} exited` : '',
    facts.wasEvicted ? 'an attempt to evict the page came later and could not free it' : '',
    facts.waits ? 'memunmap_pages() has put the base reference and waits for this page' : '',
  ].filter(sentence => sentence !== '')
}

function orderSentence(facts: LeakFacts): string {
  const atLeast = facts.isPartial ? 'at least ' : ''
  const remembered = facts.isPartial ? ' that are remembered' : ''
  if (facts.hasLaw && isPassedByItsTask(facts))
    return `its task took ${atLeast}${facts.sinceByTask} others of that law later and gave them back; a task gives back what it took, and${facts.isPartial ? ' as far as is remembered' : ''} never kept one while it gave back ${moreThan(facts.mostByTask)} that it took later${butFor(facts)}`
  // Where the order of its law leaves a doubt, it is what is left in use that decides.
  const isDoubtful = facts.maybeWith !== undefined || facts.mayWait || facts.isOwnTask
  if (facts.hasLaw && isOvertaken(facts) && !(isDoubtful && isLeftOver(facts)))
    return `${atLeast}${facts.since} references of that law were taken later and have come back; of the ${facts.sure} that came back${facts.isPartial ? ' and are remembered' : ''}${facts.sure < facts.returned ? ' by puts that can be of no other' : ''} ${overtakenText(facts.most)}`
  if (facts.hasLaw && isLeftOver(facts))
    return `${facts.openPages <= 1 ? 'this is the only page' : `these are the only ${facts.openPages} pages`} in use at the end; all ${facts.since} references of that law${remembered} that were taken later have come back, and up to ${facts.peak} were out at once before`
  return ''
}

/** Says that a holder who stopped explains it as well, where only the order of the law speaks for a leak. */
function withOneSentence(facts: LeakFacts): string {
  if (!areWithOne(facts) || !isOvertaken(facts) || facts.isOwnTask || isLeftOver(facts) || facts.waits) return ''
  return `${facts.alike} gets of that law were overtaken by more than any whose references came back: one holder who stopped may have what they took, and give it back yet`
}

/** Says that somebody may keep what so many gets took, where only the order of the law speaks for a leak. */
function keptSentence(facts: LeakFacts): string {
  const { alike, returned, hasLaw, waits } = facts
  const isByOrder = hasLaw && !waits && (isOvertaken(facts) || isPassedByItsTask(facts)) && !isLeftOver(facts)
  if (!isByOrder || !areMany(alike, returned) || withOneSentence(facts) !== '') return ''
  return `${alike} gets of that law were overtaken by more than any whose references came back: a fault that strikes again and again looks like that, and so does a table that keeps what it takes`
}

function lifetimesSentence({ isPartial, sinceLifetimes, lifetimes, mostLifetimes }: LeakFacts): string {
  const [atLeast, remembered] = isPartial ? ['at least ', ' that are remembered'] : ['', '']
  return `${atLeast}${sinceLifetimes} pages were handed out later and are free again; of ${lifetimes} lifetimes${remembered} ${overtakenText(mostLifetimes)}`
}

function isAmbiguous({ book }: LearningTracker, { law }: OpenReference): boolean {
  return law !== NO_LAW && book.laws[law]!.isAmbiguous
}

/** Others that are out, too, may have been kept like that as well. */
const butFor = ({ pagesOfLaw }: LeakFacts): string =>
  pagesOfLaw > 1 ? `, but for those that are out on ${pagesOfLaw} pages` : ''

/** "more than 3", or "any" where none was ever seen. */
export const moreThan = (most: number): string => (most === 0 ? 'any' : `more than ${most}`)

/** Says by how many others the references that came back were overtaken, at most. */
export function overtakenText(most: number): string {
  return most === 0 ? 'none was overtaken' : `none was overtaken by more than ${most}`
}

function aloneSentence({ isEven, others, tables, evictions, isGivenUp, isHandOut, hasHandOut }: LeakFacts): string {
  if (!isEven || others > 0 || evictions > 0) return ''
  if (tables > 0)
    return `all other references of this lifetime came back, but for ${tables} of page tables that map the page`
  return isGivenUp && hasHandOut && !isHandOut
    ? 'all other references of this lifetime came back, that of the hand-out, too'
    : 'all other references of this lifetime came back'
}
