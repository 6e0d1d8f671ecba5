// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Recognises the rule of a pagemap's pages by their events instead of by a version number: the counts they are initialised with,
 * what takes an idle page into use, and which operations give it back.
 */
import type { PageRule } from '../../linux/protocols/rules.ts'
import type { Limits } from './op-semantics.ts'

/** Number of gets from zero, with no hand-out by a set, from which on a pagemap is recognised as FS_DAX. */
const ENOUGH = 4

/**
 * In place of the count at which a lifetime ends: it ends only with the core's reset of the count to 1. A hand-out does not
 * change the count of such pages, so a page in use may have the count of an idle one.
 */
export const NEVER_CLOSES = Number.MIN_SAFE_INTEGER

export interface Votes {
  /** Number of times an idle page at 0 was taken into use by a set, and by a get. */
  setAtZero: number
  getAtZero: number
  /** Number of gets from zero in a DAX fault. */
  daxFault: number
  /** Number of puts by an operation that returns the new value, and that returned 1. */
  returnedOne: number
  /** Number of resets to 1 by the core after the last put. */
  coreReset: number
  /** Number of puts by memunmap_pages(). */
  teardown: number
  /** Number of page_ref_freeze() calls, as the core makes them to split or migrate large folios. */
  frozen: number
}

/** Returns the count at which a lifetime ends under a rule. */
export function closesAt(rule: PageRule | undefined): number {
  return rule?.coreResets ? NEVER_CLOSES : (rule?.idle ?? 0)
}

/** Returns the limits that a rule sets on the counts of its pages. */
export function limitsOf(rule: PageRule): Limits {
  if (rule.idle === 0) return { getFrom: rule.handOut === 'get' ? 0 : 1, putTo: 0, setOn: 0 }
  return { getFrom: 1, putTo: rule.coreResets ? 0 : 1, setOn: 0 }
}

/** Returns the rule that explains what was seen of a pagemap's pages; undefined while too little was seen. */
export function observedRule(votes: Votes, initialCount: 0 | 1 | undefined): PageRule | undefined {
  const idle = initialCount ?? idleByBehaviour(votes)
  if (idle === undefined) return undefined
  if (idle === 1) {
    return {
      idle,
      handOut: votes.coreReset > 0 ? 'none' : 'get',
      coreResets: votes.coreReset > 0,
      teardownPuts: votes.teardown > 0,
    }
  }
  const bySet = votes.setAtZero * 4 >= votes.getAtZero && votes.setAtZero > 0 && votes.daxFault === 0
  const byGet = !bySet && (votes.daxFault > 0 || votes.getAtZero >= ENOUGH || votes.setAtZero === 0)
  return { idle, handOut: byGet ? 'get' : 'set', coreResets: false, teardownPuts: false }
}

function idleByBehaviour(votes: Votes): 0 | 1 | undefined {
  const zero = votes.setAtZero + votes.getAtZero
  const one = votes.returnedOne + votes.coreReset
  if (zero === 0 && one === 0) return undefined
  return one > zero ? 1 : 0
}
