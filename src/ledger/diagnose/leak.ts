// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decides whether a reference that is out when the recording ends is leaked or held, by the order of events and never by elapsed
 * time.
 */
import type { Certainty, HeldReference } from '../findings/finding.ts'

/** The evidence about one reference that is out when the recording ends. */
export interface LeakFacts {
  /** Number of complete lifetimes with a reference of its law. */
  lawLifetimes: number
  /**
   * Number of references of its law that came back; of those of them of which it is known for how long they were out; and the most
   * others by which one of these was overtaken.
   */
  returned: number
  sure: number
  most: number
  /** Number of references of its law that were taken later and have come back. */
  since: number
  /** The same three numbers for whole lifetimes of the pagemap's pages, from hand-out to free. */
  lifetimes: number
  mostLifetimes: number
  sinceLifetimes: number
  /** Number of references of the law that are out and were overtaken by more than any that came back. */
  alike: number
  /** True if not all that came back is remembered, so that the numbers of returned references are lower bounds. */
  isPartial: boolean
  /** True if one of several ways back may not have reached it yet. */
  mayWait: boolean
  /**
   * Number of pages in use with such references, of those of them on which references of another law are such, too, and of those
   * on which these were overtaken by far more than any that came back.
   */
  alikePages: number
  alikeKept: number
  alikeFar: number
  /** True if references of other laws on this page were overtaken by far more than any that came back; the same of many on other pages. */
  isKeptHere: boolean
  isHabit: boolean
  /** Number of references of the law that are out, this one included. */
  outOfLaw: number
  /**
   * Number of references of the law that came back, and were taken between the first and the last of the `alike` ones; and of those
   * that were taken before the first of them.
   */
  between: number
  earlier: number
  /** Number of pages in use with references of the law that are out. */
  pagesOfLaw: number
  /**
   * True if one holder who stopped may have all references of the law that were overtaken by more than any that came back; the
   * same of all that are out on pages in use.
   */
  mayBeWithOne: boolean
  mayAllBeWithOne: boolean
  /** True if pages are handed out under this law. */
  isHandOut: boolean
  /** Pid of a task that gives back references of the law, but none yet that was taken later: it may still work on this one. */
  maybeWith: number | undefined
  /** True if a worker may be such a task, though another of its pool has given back one that was taken later. */
  mayBeBlocked: boolean
  /**
   * True if such a task mostly gives back what others took, and is neither a worker of a work queue nor the task that took this
   * one.
   */
  maybeWithConsumer: boolean
  /** True if all references of the law came back by the task that took them. */
  isOwnTask: boolean
  /** In that case: whether it is one task that took them all, number of references that its task took later and gave back, and the most that overtook one of any task. */
  isOnlyTask: boolean
  sinceByTask: number
  mostByTask: number
  /** How often none of the law's returned references was out, and the most of them that were out at once. */
  drains: number
  peak: number
  /** Number of references of the law that were taken later and are out, too, on pages in use. */
  outLater: number
  /**
   * Number of the pagemap's pages in use at the end; Infinity if only some pages were watched, because the others are unknown.
   */
  openPages: number
  /** Number of references taken at its call site in the whole recording. */
  takenHere: number
  /** False if no law has its call site, so that references taken there are not known to come back. */
  hasLaw: boolean
  /** True if another law fits the lifetimes as well, or if call sites of the law are known by their operation only. */
  isVague: boolean
  hasStack: boolean
  /** True if it was taken for a holder that outlives the call by design (GUP), or by an attempt to evict the page. */
  isPin: boolean
  isEviction: boolean
  /** True if a lookup took it, which fails on a free page and so needs nobody who holds the page already. */
  isLookup: boolean
  /** True if an attempt to evict the page came after it. */
  wasEvicted: boolean
  /** True if the last event of its task was at the task's exit. */
  exited: boolean
  /** Number of later events of its task. */
  taskEvents: number
  /** True if memunmap_pages() waits: it has put the base reference, or was entered and has not returned. */
  waits: boolean
  /** True if the lifetime began before the recording. */
  isHeadless: boolean
  /** True if the reference of the hand-out came back and this is the only one that is out. */
  isGivenUp: boolean
  /** True if the page's lifetime includes its hand-out. */
  hasHandOut: boolean
  /** True if a page table may hold it. */
  isMapped: boolean
  /** Number of references of the same lifetime that page tables hold, and of those that others hold. */
  tables: number
  others: number
  /** True if the laws and the count agree on the number of references that are out: none came back by a way that no law has. */
  isEven: boolean
  /** Number of references that an eviction took and that are out, too. */
  evictions: number
  /**
   * True if another put may have given it back: a later one that no law has, by a rare way, or of another law of which nothing was
   * out, or one in a lifetime before, by the order of stamps.
   */
  mayBeBack: boolean
  /** True if events are known to be missing although no gap is reported, so that its put may be missing. */
  mayBeMissing: boolean
}

/** Number of references or lifetimes that must have gone one way before it counts as "always". */
export const ALWAYS = 3

/** Number of references that must have come back before their order is evidence. */
export const ENOUGH = 20

/** Number of complete lifetimes that must have obeyed a law before its order is evidence. */
const KNOWN_LAW = 10

/** Factor by which a reference must have been overtaken further than any that came back. */
const FACTOR = 2
const MARGIN = 20

/** If a call site's references are all out, they count as exceptions up to this number. */
const SEVERAL = 2

/** One in this many of a law's references may stay out as an exception. */
const RARELY = 50

/** True for so many references that are out that they are no exceptions among those that came back. */
export function areMany(out: number, returned: number): boolean {
  return out > Math.max(SEVERAL, returned / RARELY)
}

/**
 * If more than one reference of a law is overtaken for each so many that come back, somebody keeps them. A fault that strikes so
 * often leaves a driver without pages before long, and is found without a recording.
 */
const OFTEN = 5

/** Of a habit, less than this many times as many come back before the first that is kept as between two of them. */
const BEGUN_LATE = 8

/** Number of references that must have come back before all ways back are taken to be known. */
const ALL_WAYS = 500

/**
 * Of what is lost at once: how many of the law must have come back, what share of them before it (one in so many), and by how many times
 * the most that overtook any of these it must have been overtaken. Whoever is slow is so with all that it has.
 */
const MANY = 100
const LATE = 4
const MUCH_FURTHER = 4

/** Later events of a task that count as "went on". */
const WENT_ON = 50

/** True if of so many references it is known how they came back, in so many lifetimes, that their order is evidence. */
export function isKnownOrder(lifetimes: number, sure: number): boolean {
  return lifetimes >= KNOWN_LAW && sure >= ENOUGH
}

/** True if so many references overtook it that it is not just waiting its turn. */
export function isOvertaken({ sure, most, since, lawLifetimes }: LeakFacts): boolean {
  return isKnownOrder(lawLifetimes, sure) && isFar(since, most)
}

/** True if its task has since taken and given back so many other references that it is not just keeping this one for later. */
export function isPassedByItsTask(facts: LeakFacts): boolean {
  const { isOwnTask, isHandOut, sinceByTask, mostByTask, sure, lawLifetimes } = facts
  if (!isOwnTask || !isKnownOrder(lawLifetimes, sure)) return false
  // A page that a task was handed it may keep for longer than what it merely uses.
  return isHandOut ? isFar(sinceByTask, mostByTask) : sinceByTask > FACTOR * mostByTask + 1
}

/** Least number of references out at once from which on they may be those of a cache or table. */
const CACHED = 4

/**
 * True if it is a remainder of a driver that has become idle: hardly any page is in use, all later references of its law are
 * back, and the law's references either used to come back completely, or were many at once where now only this one is left.
 */
export function isLeftOver(facts: LeakFacts): boolean {
  const { openPages, lifetimes, drains, peak, since, outLater, lawLifetimes, mayBeMissing } = facts
  if (openPages > SEVERAL || lifetimes < ENOUGH || lawLifetimes < KNOWN_LAW || mayBeMissing) return false
  // A consumer task that gives such references back may still be processing this one. A page's owner has it as long as others use it.
  if (facts.maybeWithConsumer || (facts.isHandOut && facts.others > 0)) return false
  // Where few are out at once, all may come back time and again while one is just slow, as others were before it.
  const comesToRest = peak >= CACHED || (drains >= KNOWN_LAW && since > facts.most)
  return comesToRest && outLater === 0 && since > SEVERAL + 1
}

/** Returns a reason for doubt about a reference that is reported as held, not as leaked. */
export function doubtOf(facts: LeakFacts): HeldReference['doubt'] {
  const { exited, isOwnTask, isPin, returned } = facts
  if (exited && (isPin || (isOwnTask && returned >= ENOUGH))) return 'exited'
  return facts.hasLaw && (isOvertaken(facts) || isPassedByItsTask(facts)) ? 'overtaken' : undefined
}

/** True if `since` references that overtook one are far more than the most that ever overtook one that came back. */
export function isFar(since: number, most: number): boolean {
  return since > FACTOR * most + MARGIN
}

/** True if so many whole lifetimes overtook that of its page that the page is not just waiting its turn. */
export function isLifetimeOvertaken({ lifetimes, mostLifetimes, sinceLifetimes }: LeakFacts): boolean {
  return lifetimes >= ENOUGH && isFar(sinceLifetimes, mostLifetimes)
}

/** Returns how certain it is that the reference is leaked; undefined if it may well come back. */
export function leakCertainty(facts: LeakFacts): Certainty | undefined {
  const certainty = certaintyByOrder(facts)
  return certainty === 'likely' && facts.isVague && !facts.waits ? 'possible' : certainty
}

/**
 * True if memunmap_pages() waits for references of this law and hardly for others. If many pages are in use, their users are
 * still at work.
 */
function isAwaited({ waits, openPages, pagesOfLaw }: LeakFacts): boolean {
  return waits && openPages <= Math.max(SEVERAL, pagesOfLaw)
}

function certaintyByOrder(facts: LeakFacts): Certainty | undefined {
  const { hasStack, isHeadless, isEviction, isMapped, isPin, lifetimes } = facts
  if (isAwaited(facts)) {
    if (facts.maybeWithConsumer || facts.mayAllBeWithOne) return undefined
    if (!hasStack) return 'possible'
    // A call site that takes often and has no law may belong to a user who gives back later.
    if (!facts.hasLaw && facts.takenHere > SEVERAL) return undefined
    const isLast = facts.openPages <= SEVERAL
    if (facts.mayBeMissing && !isLast) return undefined
    return isLast && lifetimes >= ENOUGH && !isHeadless && !facts.mayBeMissing ? 'certain' : 'likely'
  }
  if (isHeadless || isEviction || isMapped) return undefined
  // A rightful holder prevents eviction, too. Only a reference for which no way back is known counts as leaked.
  if (facts.wasEvicted && !facts.hasLaw) return 'likely'
  if (facts.mayBeMissing || facts.mayBeBack) return undefined
  if (!facts.hasLaw) return isPin ? undefined : neverReturned(facts)
  if (isPassedByItsTask(facts)) return passed(facts)
  const isPassed = !facts.isOwnTask && isOvertaken(facts) && facts.maybeWith === undefined && !facts.mayWait
  const certainty = isPassed ? overtaken(facts) : undefined
  if (certainty !== undefined) return certainty
  if (isLeftOver(facts)) return facts.mayAllBeWithOne ? 'possible' : 'likely'
  return holderIsGone(facts) ?? (isPassed ? lostAtOnce(facts) : undefined)
}

/**
 * Judges a reference that was overtaken by more others than any that came back. If many are out like that, some holders may keep
 * their references for good, or a slower way back has not been seen yet. If it is the reference of the hand-out, the owner still
 * has the page, and rightfully so as long as others use it.
 */
function overtaken(facts: LeakFacts): Certainty | undefined {
  const { isHandOut, others, alike, returned, lawLifetimes, hasStack } = facts
  const isDoubtful = facts.isPin || facts.mayBeBlocked
  if (areWithOne(facts)) return undefined
  // Without stacks a law has all references of an operation, whoever takes them, and one of those may keep several.
  if (!hasStack && alike > SEVERAL) return undefined
  // Of references of hand-outs, each lifetime has one, whatever else its law has.
  const isException = !areMany(alike, isHandOut ? Math.min(returned, lawLifetimes) : returned)
  if (isHandOut) return others > 0 || !isException ? undefined : facts.mayBeBlocked ? 'possible' : 'likely'
  if (areKept(facts, isException)) return undefined
  if (!isException) return returned >= ALL_WAYS && mayBeFault(facts) ? 'possible' : undefined
  return isDoubtful ? 'possible' : 'likely'
}

/**
 * True if one holder who stopped, and may go on, explains what was overtaken as well as a fault does: references that were taken one
 * right after the other, or hardly any of which were taken since.
 */
export function areWithOne({ mayBeWithOne, alike, between }: LeakFacts): boolean {
  return mayBeWithOne || (alike > SEVERAL && between < FACTOR * alike)
}

/**
 * Judges references that one holder who stopped may have: they may be lost all the same. A reader who stopped before it had given
 * anything back has stopped early, and a table is filled at the start; here many of the law came back before the first of them was taken.
 */
function lostAtOnce(facts: LeakFacts): Certainty | undefined {
  const { isHandOut, isPin, returned, earlier, since, most } = facts
  if (isHandOut || isPin || !areWithOne(facts) || returned < MANY || earlier * LATE < returned) return undefined
  if (since <= MUCH_FURTHER * most + MARGIN) return undefined
  return mayBeFault(facts) && !areKept(facts, false) ? 'possible' : undefined
}

/**
 * True if a fault that goes on may be why so many references of the law are out: they are not too many, or they began to stay out late.
 * Without stacks this cannot be told from what somebody keeps.
 */
function mayBeFault({ returned, alike, earlier, isHabit, hasStack }: LeakFacts): boolean {
  return hasStack && !isHabit && (alike * OFTEN <= returned || earlier * alike >= BEGUN_LATE * returned)
}

/**
 * True if the pages of the references that were overtaken alike are rather kept than lost: on this one those of another law were
 * overtaken by far, too, or on more than a fifth of them by more than any that came back; on half of them by far if there are few, since a
 * single page may happen to have one that is just slow. A fault breaks its own law and leaves the others alone, while who keeps a page
 * keeps all that belongs to it.
 */
function areKept({ alikePages, alikeKept, alikeFar, isKeptHere }: LeakFacts, isException: boolean): boolean {
  if (isKeptHere) return true
  return isException ? alikeFar > 0 && 2 * alikeFar >= alikePages : alikeKept * OFTEN > alikePages
}

/**
 * Judges a reference that its own task passed over. If many of the law are out, the task leaks often, or keeps some on purpose, as
 * in a table whose slots it fills at random; then other laws of which many are out, on the same pages or on others, speak for the
 * latter, and pages that it was handed may be with a holder who stopped. If few are out, they may be in a table that was filled at the
 * start: then hardly any that were taken before them came back.
 */
function passed(facts: LeakFacts): Certainty | undefined {
  const { outOfLaw, returned, isPin, sinceByTask, mostByTask } = facts
  const isException = !areMany(outOfLaw, returned)
  if (isException && facts.mayBeWithOne && facts.earlier < facts.alike) return undefined
  const mayBeKept = areKept(facts, isException) || (facts.isHandOut && facts.mayBeWithOne)
  if (!isException && (mayBeKept || !mayBeFault(facts))) return undefined
  if (!isException && mostByTask > 0 && !isFar(sinceByTask, mostByTask)) return undefined
  // Of calls that nest, none keeps any. A single task does everything in turn, and who is handed pages may use some in a call and keep others.
  const mayNotNest = facts.isOnlyTask || (facts.isHandOut && areMany(facts.alike, returned))
  if (!isException && mostByTask === 0 && mayNotNest) return undefined
  return isException && !isPin ? 'likely' : 'possible'
}

/** Judges a reference that only its own task gives back, where the task has exited. */
function holderIsGone({ isOwnTask, exited, returned }: LeakFacts): Certainty | undefined {
  return isOwnTask && exited && returned >= ENOUGH ? 'likely' : undefined
}

/**
 * Judges a reference from a call site none of whose references ever came back, on a page that its driver has given up. A call
 * site that took several keeps what it takes, as a table does. So may one that took few, but for itself: to own the page, or by a lookup,
 * where no other holder lent it the page.
 */
function neverReturned(facts: LeakFacts): Certainty | undefined {
  const { isGivenUp, hasHandOut, isLookup, others, takenHere } = facts
  const { taskEvents, exited, lifetimes, sinceLifetimes, mostLifetimes } = facts
  if (others > 0 || takenHere > SEVERAL || !isGivenUp || !hasHandOut || isLookup) return undefined
  const wentOn = taskEvents >= WENT_ON || exited
  if (isLifetimeOvertaken(facts)) return wentOn ? 'likely' : 'possible'
  return wentOn && lifetimes >= ENOUGH && sinceLifetimes > mostLifetimes ? 'likely' : undefined
}
