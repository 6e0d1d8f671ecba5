// SPDX-License-Identifier: GPL-2.0-or-later
/** Whether a reference that is out when the recording ends is leaked or held: by order, never by the time that passed. */
import type { Certainty, HeldReference } from '../findings/finding.ts'

/** What the recording shows about one reference that is out at its end. */
export interface LeakFacts {
  /** Complete lifetimes that touched its law. */
  lawLifetimes: number
  /** References of its law that came back, and the most that one of those was overtaken. */
  returned: number
  most: number
  /** References of its law that were taken later and have come back. */
  since: number
  /** The same of whole lifetimes of the pagemap: from hand-out to free. */
  lifetimes: number
  mostLifetimes: number
  sinceLifetimes: number
  /** References of the law that are out and were overtaken like that, this one included. */
  alike: number
  /** Only some of what came back is remembered: these numbers are the least that they can be. */
  isPartial: boolean
  /** One of several ways back may not have got to it yet. */
  mayWait: boolean
  /** References of the law that are out, this one included. */
  outOfLaw: number
  /** References of the law that came back and were taken between the first and the last of these. */
  between: number
  /** The law is the one by which pages are handed out. */
  isHandOut: boolean
  /** A task that gives back such references and has given back none that was taken later: it may still work on this one. */
  maybeWith: number | undefined
  /**
   * One of those is a task that mostly gives back what others took: neither a worker of a queue nor the one who took this one.
   */
  maybeWithConsumer: boolean
  /** References of the law came back by the task that took them, all of them. */
  isOwnTask: boolean
  /** Of those: references that the same task took later and gave back, and the most that overtook one of any task's. */
  sinceByTask: number
  mostByTask: number
  /** Times that all references of the law that came back were back, and the most of them that were out at once. */
  drains: number
  peak: number
  /** References of the law that were taken later and are out, too. */
  outLater: number
  /**
   * Pages of the pagemap that are in use at the end; Infinity where only some pages were watched, which tells nothing of the
   * others.
   */
  openPages: number
  /** References taken at its call site in the whole recording. */
  takenHere: number
  /** False for a call site that no law has: what is taken there is not known to come back. */
  hasLaw: boolean
  /** Another law fits the lifetimes as well, or call sites of the law are known by their operation only. */
  isVague: boolean
  hasStack: boolean
  /** Taken by a get for holders that outlive the call by design, or by an attempt to evict the page. */
  isPin: boolean
  isEviction: boolean
  /** An attempt to evict the page came after it. */
  wasEvicted: boolean
  /** Its task's last event was at its exit. */
  exited: boolean
  /** Later events of its task. */
  taskEvents: number
  /** memunmap_pages() has put the base reference, or was entered, and waits. */
  waits: boolean
  /** The lifetime began before the recording. */
  isHeadless: boolean
  /** The reference that handed the page out came back, and no other is out. */
  isGivenUp: boolean
  /** The lifetime shows who was handed the page. */
  hasHandOut: boolean
  /** A page table may hold it. */
  isMapped: boolean
  /** References out of page tables, and of others, in the same lifetime. */
  tables: number
  others: number
  /** What is out by the laws is what the count says: no reference went another way than the laws have it. */
  isEven: boolean
  /** References that an eviction took and that are out, too. */
  evictions: number
  /** A put that no law has came later, which may have given it back in a rare way. */
  mayBeBack: boolean
  /** Events are known to be missing without a mark, so that a put may be, too. */
  mayBeMissing: boolean
}

/** References or lifetimes that must have gone one way before "always" means something. */
export const ALWAYS = 3

/** References that must have come back before their order is a discipline. */
export const ENOUGH = 20

/** Complete lifetimes that must have obeyed a law before its order says something. */
const KNOWN_LAW = 10

/** How much further than any that came back a reference must have been overtaken. */
const FACTOR = 2
const MARGIN = 20

/** References that a call site took and that are all out, up to which they are exceptions. */
const SEVERAL = 2

/** One in so many of a law's references may stay out as an exception. */
const RARELY = 50

/** References that must have come back before all ways back are known. */
const ALL_WAYS = 500

/** Later events of a task that count as "went on". */
const WENT_ON = 50

/** True if it was overtaken by so many that it is not waiting its turn. */
export function isOvertaken({ returned, most, since, lawLifetimes }: LeakFacts): boolean {
  return lawLifetimes >= KNOWN_LAW && returned >= ENOUGH && isFar(since, most)
}

/** True if its task has since taken and given back so many others that it does not keep this one for later. */
export function isPassedByItsTask(facts: LeakFacts): boolean {
  const { isOwnTask, isHandOut, sinceByTask, mostByTask, returned, lawLifetimes } = facts
  if (!isOwnTask || lawLifetimes < KNOWN_LAW || returned < ENOUGH) return false
  // A page that a task was handed it may keep for longer than what it merely uses.
  return isHandOut ? isFar(sinceByTask, mostByTask) : sinceByTask > FACTOR * mostByTask + 1
}

/** References that are out at once in a cache or table, at least. */
const CACHED = 4

/**
 * True if it is all that is left of a driver that has come to rest: hardly a page is in use, all references of its law that were
 * taken later are back, and the law's references used to come back all at once, or are many where now there is this one.
 */
export function isLeftOver(facts: LeakFacts): boolean {
  const { openPages, lifetimes, drains, peak, since, outLater, lawLifetimes, mayBeMissing } = facts
  if (openPages > SEVERAL || lifetimes < ENOUGH || lawLifetimes < KNOWN_LAW || mayBeMissing) return false
  // Whoever gives such references back may have this one before it.
  if (facts.maybeWithConsumer) return false
  return (drains >= KNOWN_LAW || peak >= CACHED) && outLater === 0 && since > SEVERAL + 1
}

/** Why a reference that nobody is accused of may be forgotten, though. */
export function doubtOf(facts: LeakFacts): HeldReference['doubt'] {
  const { exited, isOwnTask, isPin, returned } = facts
  if (exited && (isPin || (isOwnTask && returned >= ENOUGH))) return 'exited'
  return facts.hasLaw && (isOvertaken(facts) || isPassedByItsTask(facts)) ? 'overtaken' : undefined
}

/** True if so many references that overtook one are far more than the most that ever overtook one that came back. */
export function isFar(since: number, most: number): boolean {
  return since > FACTOR * most + MARGIN
}

/** The same for the lifetime of its page. */
export function isLifetimeOvertaken({ lifetimes, mostLifetimes, sinceLifetimes }: LeakFacts): boolean {
  return lifetimes >= ENOUGH && isFar(sinceLifetimes, mostLifetimes)
}

/** How sure it is that the reference is leaked; undefined: it may well come back. */
export function leakCertainty(facts: LeakFacts): Certainty | undefined {
  const certainty = certaintyByOrder(facts)
  return certainty === 'likely' && facts.isVague && !facts.waits ? 'possible' : certainty
}

/**
 * True if a teardown waits for what is out of this law, and hardly for anything else: where many are in use, users are still at
 * work.
 */
function isAwaited({ waits, openPages, outOfLaw }: LeakFacts): boolean {
  return waits && openPages <= Math.max(SEVERAL, outOfLaw)
}

function certaintyByOrder(facts: LeakFacts): Certainty | undefined {
  const { hasStack, isHeadless, isEviction, isMapped, isPin, lifetimes } = facts
  if (isAwaited(facts)) {
    if (facts.maybeWithConsumer) return undefined
    if (!hasStack) return 'possible'
    // A call site that takes often, and of which no law says what gives back, may be a user's who has not come to it yet.
    if (!facts.hasLaw && facts.takenHere > SEVERAL) return undefined
    const isLast = facts.openPages <= SEVERAL
    return isLast && lifetimes >= ENOUGH && !isHeadless && !facts.mayBeMissing ? 'certain' : 'likely'
  }
  if (isHeadless || isEviction || isMapped) return undefined
  // Whoever holds the page by right keeps it from being evicted, too: only what nothing is known to give back is leaked.
  if (facts.wasEvicted && !facts.hasLaw) return 'likely'
  if (facts.mayBeMissing || facts.mayBeBack) return undefined
  if (!facts.hasLaw) return isPin ? undefined : neverReturned(facts)
  if (isPassedByItsTask(facts)) return passed(facts)
  if (!facts.isOwnTask && isOvertaken(facts) && facts.maybeWith === undefined && !facts.mayWait) return overtaken(facts)
  return isLeftOver(facts) ? 'likely' : holderIsGone(facts)
}

/**
 * A reference that was overtaken by more than any. Where many are out like that, some holders may keep what they take for good,
 * or a slower way back has not shown itself yet; and a page that its owner keeps, which is what the hand-out's reference says, is
 * kept by right as long as others use it.
 */
function overtaken({ isHandOut, others, alike, between, returned, isPin }: LeakFacts): Certainty | undefined {
  // Those that were taken one after the other are with one who stopped, and who may go on.
  if (alike > SEVERAL && between < FACTOR * alike) return undefined
  const isException = alike <= Math.max(SEVERAL, returned / RARELY)
  if (isHandOut) return others === 0 && isException ? 'likely' : undefined
  if (!isException) return returned >= ALL_WAYS ? 'possible' : undefined
  return isPin ? 'possible' : 'likely'
}

/** A reference that its own task passed over. Where many of the law are out, the task leaks often, or keeps some on purpose. */
function passed({ outOfLaw, returned, isPin }: LeakFacts): Certainty {
  const isException = outOfLaw <= Math.max(SEVERAL, returned / RARELY)
  return isException && !isPin ? 'likely' : 'possible'
}

/** A reference that only its task can give back, and the task has exited. */
function holderIsGone({ isOwnTask, exited, returned }: LeakFacts): Certainty | undefined {
  return isOwnTask && exited && returned >= ENOUGH ? 'likely' : undefined
}

/**
 * A reference from a call site of which none ever came back, on a page that its driver has given up. A site that took several is
 * one that keeps what it takes, as a table does.
 */
function neverReturned(facts: LeakFacts): Certainty | undefined {
  const { isGivenUp, others, taskEvents, exited, lifetimes, sinceLifetimes, mostLifetimes, takenHere } = facts
  if (others > 0 || takenHere > SEVERAL || !isGivenUp) return undefined
  const wentOn = taskEvents >= WENT_ON || exited
  if (isLifetimeOvertaken(facts)) return wentOn ? 'likely' : 'possible'
  return wentOn && lifetimes >= ENOUGH && sinceLifetimes > mostLifetimes ? 'likely' : undefined
}
