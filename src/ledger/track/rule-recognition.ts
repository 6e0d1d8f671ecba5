// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads the rule of a pagemap's pages off what happens to them, not off a version number: which counts they are initialised
 * with, what takes an idle page into use, which operations give it back.
 */
import type { PageRule } from '../../linux/protocols/rules.ts'
import type { Limits } from './op-semantics.ts'

/** Gets from zero by which FS_DAX is known when nothing is ever handed out by a set. */
const ENOUGH = 4

/**
 * Of pages whose count the core sets back: being handed out does not change the count, so a page in use can stand at
 * the count of an idle one.
 */
export const NEVER_CLOSES = Number.MIN_SAFE_INTEGER

export interface Votes {
  /** Idle pages at 0 taken into use by a set, and by a get. */
  setAtZero: number
  getAtZero: number
  /** Gets from zero in a DAX fault. */
  daxFault: number
  /** Puts that returned 1 to a caller that asks for the new value. */
  returnedOne: number
  /** Counts set back to 1 by the function that put the last reference. */
  coreReset: number
  /** Puts by memunmap_pages(). */
  teardown: number
  /** Device pages split or frozen (large folios). */
  frozen: number
}

/** Returns the count at which a lifetime ends under a rule. */
export function closesAt(rule: PageRule | undefined): number {
  return rule?.coreResets ? NEVER_CLOSES : (rule?.idle ?? 0)
}

/** Returns the counts between which a rule allows gets and puts. */
export function limitsOf(rule: PageRule): Limits {
  if (rule.idle === 0) return { getFrom: rule.handOut === 'get' ? 0 : 1, putTo: 0, setOn: 0 }
  return { getFrom: 1, putTo: rule.coreResets ? 0 : 1, setOn: 0 }
}

/** Returns the rule that explains what was seen of the pages of a pagemap; undefined while too little was. */
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
