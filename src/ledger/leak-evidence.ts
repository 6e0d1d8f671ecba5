// SPDX-License-Identifier: GPL-2.0-or-later
/** What speaks for it that a reference will not come back, and how much that is worth. */
import type { Certainty } from './findings.ts'
import { duration } from './naming.ts'

/** Lives that must have gone one way before "always" means something. */
export const ALWAYS = 3
/** Times the longest hold of its kind after which a reference has been held for too long. */
const TOO_LONG = 2
/** Later events of a task, and later references of a site, that count as "went on". */
const WENT_ON = 50
export const OVERTAKEN = 30

/** What the recording shows about one reference that is out at its end. Times in ns. */
export interface LeakFacts {
  held: number
  /** Its function, and whether the recording has stacks to tell that by. */
  hasStack: boolean
  /** Taken by a get for holders that outlive the call by design, or by an attempt to evict the page. */
  isPin: boolean
  isEviction: boolean
  /** References of its site that came back, how many of them by which put, and the longest life with one. */
  returned: number
  usualPut: { site: string; lives: number } | undefined
  longestOfSite: number
  /** The longest life of the recording; 0 for none. */
  longest: number
  /** Lives that are like this one without the reference, or with one more put by that site. */
  alike: { lives: number; missing: string | undefined } | undefined
  /** References of page tables that are out, too; whether nothing else is, and no page table may hold this one. */
  tables: number
  isAlone: boolean
  /** Later events of its task, by its name, and whether the last of them was at its exit. */
  task: string
  later: number
  exited: boolean
  /** References of its site that were taken later. */
  passed: number
  /** How long after it was taken an eviction came by. */
  evicted: number | undefined
  /** memunmap_pages() has put the base reference. */
  waits: boolean
  /** The life began before the recording. */
  isHeadless: boolean
  /** The page is handed out by a reference of its own, which came back: it is nobody's any more. */
  isGivenUp: boolean
  /** Lives of the pagemap from idle to idle. */
  lives: number
}

export interface LeakVerdict {
  /** undefined: it may well come back. */
  certainty: Certainty | undefined
  /** Whether the page itself shows it, and not what is usual among others. */
  proven: boolean
}

const isTooLong = ({ returned, held, longestOfSite }: LeakFacts) =>
  returned >= ALWAYS && held > TOO_LONG * longestOfSite
export const isLongest = ({ held, longest }: LeakFacts) => longest > 0 && held > TOO_LONG * longest
const hasGoneOn = ({ later }: LeakFacts) => later >= WENT_ON
const isOvertaken = ({ passed }: LeakFacts) => passed >= OVERTAKEN

/** Whether the reference is leaked. docs/internals/ledger.md has the table. */
export function judgeLeak(facts: LeakFacts): LeakVerdict {
  const { waits, hasStack, isHeadless, isEviction, isPin, isAlone, evicted, returned, later, exited, lives } = facts
  const verdict = (certainty: Certainty | undefined, proven = false): LeakVerdict => ({ certainty, proven })
  if (waits) return verdict(hasStack && lives >= ALWAYS ? 'certain' : 'likely', true)
  if (isHeadless || isEviction || !isAlone) return verdict(undefined)
  if (evicted !== undefined) return verdict('likely', true)
  const holderDone = hasGoneOn(facts) || exited
  if (isTooLong(facts) && (holderDone || isOvertaken(facts))) return verdict('likely')
  if (isPin) return verdict(undefined)
  const isOnlyFault = isLongest(facts) && facts.isGivenUp && facts.alike?.missing === undefined
  if (returned < ALWAYS && isOnlyFault && (facts.alike?.lives ?? 0) >= ALWAYS) return verdict('likely')
  const unusual = isLongest(facts) || later >= 2 * WENT_ON || (exited && (facts.alike?.lives ?? 0) >= ALWAYS)
  if (returned < ALWAYS && holderDone && unusual) return verdict('likely')
  const outlives = !hasStack || facts.held > facts.longestOfSite
  const often = returned >= WENT_ON && facts.passed >= 2 * OVERTAKEN
  return verdict(outlives && hasGoneOn(facts) && often ? 'possible' : undefined)
}

/** The same facts as sentences. */
export function leakWords(facts: LeakFacts): string[] {
  return [
    siteWords(facts),
    alikeWords(facts),
    holdWords(facts),
    facts.isAlone ? aloneWords(facts.tables) : '',
    hasGoneOn(facts) ? `its task went on: ${facts.later} more events of ${facts.task}` : '',
    facts.exited ? `its task ${facts.task} exited` : '',
    isOvertaken(facts) && facts.returned >= ALWAYS
      ? `${facts.passed} references taken here later are no longer out, but for those listed`
      : '',
    facts.evicted === undefined
      ? ''
      : `an eviction of its pagemap came by ${duration(facts.evicted)} later and could not free it`,
    facts.waits ? 'memunmap_pages() has put the base reference and waits for this page' : '',
  ].filter(sentence => sentence !== '')
}

function siteWords({ returned, usualPut }: LeakFacts): string {
  if (returned >= ALWAYS && usualPut)
    return `${returned} other references taken here all came back, ${usualPut.lives} of them by ${usualPut.site}`
  return returned === 0 ? 'no reference taken here ever came back' : ''
}

function alikeWords({ alike }: LeakFacts): string {
  if (!alike) return ''
  const others = `the page's life would be like ${alike.lives} other${alike.lives === 1 ? '' : 's'}`
  return alike.missing === undefined
    ? `without this reference ${others}`
    : `with one more put by ${alike.missing} ${others}`
}

function holdWords(facts: LeakFacts): string {
  const held = `held for ${duration(facts.held)}; no life`
  if (isTooLong(facts)) return `${held} with a reference taken here lasted longer than ${duration(facts.longestOfSite)}`
  return isLongest(facts) ? `${held} in the recording lasted longer than ${duration(facts.longest)}` : ''
}

function aloneWords(mappings: number): string {
  if (mappings === 0) return 'all other references of this life came back, and no page table maps the page'
  return `all other references of this life came back, but for ${mappings} of page tables that map the page`
}
