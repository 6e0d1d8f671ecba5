// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The state of a page: a set of bits, which of them may occur together, and what may be said of a page in each state.
 *
 * A page is *idle* or *in use*: in use while a lifetime is open, from the event that takes it into use to the one that
 * makes it idle again. All other bits qualify that: how well the count is known, what the page waits for, what was found
 * on it, and what probes and memunmap_pages() have done to it.
 */

export const PageBit = {
  /** The count is known: set at initialisation, or deduced from an event. Without it the page was never tracked. */
  countKnown: 1,
  /** A lifetime is open. */
  open: 2,
  /** The reorder buffer holds events of the page. */
  waiting: 4,
  /** Events of the open lifetime may be lost. */
  lossy: 8,
  /** An anomaly was found on the page: whatever follows may be its consequence. */
  anomalous: 16,
  /** page_ref_freeze() took all references for a moment. */
  frozen: 32,
  /** memunmap_pages() has put the page's base reference: its idle count is 0 from now on. */
  basePut: 64,
  /** The open lifetime began before the recording, or its page's count was first read in its middle. */
  begunEarlier: 128,
  /** The page was handed out by a set since the anomaly was found. Means nothing without `anomalous`. */
  handedOutAgain: 256,
  /** The count was read from an event that may have included others: it is to be confirmed. */
  countUncertain: 512,
  /** The count was read off an event a moment ago: stamps may still come of operations that it includes. */
  resyncing: 1024,
  /** A probe says that the page was given back to its driver, and nobody took a reference since it was handed out. */
  freed: 2048,
  /** memunmap_pages() of the page's pagemap has been entered. */
  unmapping: 4096,
  /** memunmap_pages() of the page's pagemap has returned. */
  unmapped: 8192,
  /** Events of the page were skipped, since it was not known to be one of those accounted for. */
  skipped: 16384,
  /** Its count was known when the recording began: the references that it had then are no part of its lifetimes. */
  rested: 32768,
} as const

const {
  countKnown,
  open,
  waiting,
  lossy,
  anomalous,
  frozen,
  basePut,
  begunEarlier,
  countUncertain,
  resyncing,
  freed,
  unmapping,
  unmapped,
  rested,
} = PageBit

/** Bits that describe the open lifetime and end with it. */
export const LIFETIME_BITS = open | lossy | begunEarlier

/** Bits that only tracking sets, so that they need a known count. */
const NEEDS_COUNT =
  LIFETIME_BITS | waiting | anomalous | frozen | basePut | countUncertain | resyncing | PageBit.handedOutAgain | rested

/** Bits of which none may be set, and `countKnown` has to be, for a get or put to be ordinary. */
const EXTRAORDINARY =
  waiting | anomalous | frozen | basePut | countUncertain | resyncing | freed | unmapping | unmapped | rested

/** Returns the rule that a combination of bits breaks; undefined for a legal state. */
export function illegalState(bits: number): string | undefined {
  if ((bits & open) === 0 && (bits & (lossy | begunEarlier)) !== 0) return 'no lifetime is open that could lack events'
  if ((bits & unmapping) !== 0 && (bits & unmapped) !== 0) return 'memunmap_pages() has returned or it has not'
  if ((bits & countKnown) === 0 && (bits & NEEDS_COUNT) !== 0) return 'nothing is known of a page without its count'
  return undefined
}

/** True if gets and puts of the page need no closer look than their own results. */
export function isOrdinary(bits: number): boolean {
  return (bits & (EXTRAORDINARY | countKnown)) === countKnown
}

/** True if the open lifetime is known from its first event on, and its count with it: anything may be claimed of it. */
export function canClaim(bits: number): boolean {
  return (bits & (lossy | begunEarlier | countUncertain)) === 0
}

/** True if a set that finds the count it sets may wait for a put that is stamped later. */
export function canAwaitPut(bits: number): boolean {
  return (bits & (anomalous | frozen | basePut | countUncertain)) === 0
}

/** True if the count and the last event of the page are known at the stamp of a probe. */
export function isFollowed(bits: number): boolean {
  return (bits & (lossy | countUncertain | frozen | resyncing | anomalous)) === 0
}

/** True if every reference that the count of the page shows is surely out. */
export function canCountReferences(bits: number): boolean {
  return canClaim(bits) && (bits & (waiting | frozen | anomalous | resyncing)) === 0
}

/** True if the events of the open lifetime are known, though not all that came before it. */
export function hasAllEvents(bits: number): boolean {
  return (bits & (lossy | countUncertain)) === 0
}
