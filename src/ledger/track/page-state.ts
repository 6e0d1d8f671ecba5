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
  /** page_ref_freeze() took all references of the page. */
  frozen: 32,
  /** memunmap_pages() has put the page's base reference: its idle count is 0 from now on. */
  basePut: 64,
  /** The open lifetime began before the recording, or its page's count was first read in its middle. */
  begunEarlier: 128,
  /** The page was handed out by a set since the anomaly was found. Meaningful only with `anomalous`. */
  handedOutAgain: 256,
  /** The count was taken from an event that may have read operations of others, too. Further events have to confirm it. */
  countUncertain: 512,
  /** The count was taken from a recent event. Operations that it includes may be stamped only later. */
  resyncing: 1024,
  /**
   * A probe told of a return or hand-out of the page, and no event has taken a reference since. Takes the page off the fast path.
   */
  freed: 2048,
  /** memunmap_pages() of the page's pagemap has been entered. */
  unmapping: 4096,
  /** memunmap_pages() of the page's pagemap has returned. */
  unmapped: 8192,
  /** Events of the page were skipped, since it was not known to be one of those accounted for. */
  skipped: 16384,
  /** The page has a rest level: the references that it had when the recording began are no part of its lifetimes. */
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

/** Bits that are set only for tracked pages, and so require `countKnown`. */
const NEEDS_COUNT =
  LIFETIME_BITS | waiting | anomalous | frozen | basePut | countUncertain | resyncing | PageBit.handedOutAgain | rested

/** A get or put is ordinary if `countKnown` is set and none of these bits is. */
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

/** True if the open lifetime and its count are known from its first event on, so that a fault may be claimed. */
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
