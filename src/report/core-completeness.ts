// SPDX-License-Identifier: GPL-2.0-or-later
/** Tells whether all of a dump was judged. If something may have been missed, "nothing was found" is no proof. */
import type { Examination } from '../core/examine.ts'
import { plural } from './words.ts'

/**
 * Why something may have been missed:
 * - `damaged`: the file is cut off, or does not make sense somewhere; or memory in it does not
 * - `not-in-the-dump`: memory that was needed was filtered out
 * - `no-rule`: no protocol says what the counts of a pagemap mean
 * - `not-searched`: holders were not looked for, or not in all of memory
 */
export type CoreReason = 'damaged' | 'not-in-the-dump' | 'no-rule' | 'not-searched'

export interface CoreIncompleteness {
  reason: CoreReason
  /** In words. */
  text: string
}

/** Returns why something may have been missed; empty where all was judged. */
export function coreIncompleteness(found: Examination): CoreIncompleteness[] {
  const { kernel, pagemaps, holders, inUse } = found
  const all: CoreIncompleteness[] = []
  for (const damage of kernel.dump.damage) all.push({ reason: 'damaged', text: `the file is damaged: ${damage}` })
  for (const damage of kernel.damage) all.push({ reason: 'damaged', text: damage })
  for (const [why, reason, text] of [
    ['excluded', 'not-in-the-dump', 'not in the dump'],
    ['unmapped', 'damaged', 'at an address that is not mapped'],
  ] as const) {
    const whats = [...new Set(kernel.gaps.filter(({ absent }) => absent.why === why).map(({ what }) => what))]
    for (const what of whats.slice(0, 5)) all.push({ reason, text: `a part of ${what} is ${text}` })
    if (whats.length > 5) all.push({ reason, text: `and ${whats.length - 5} more kinds of structures are ${text}` })
  }
  const absent = pagemaps.reduce((sum, { pages }) => sum + pages.absent, 0)
  if (absent > 0) all.push({ reason: 'not-in-the-dump', text: `${plural(absent, 'device page')} not in the dump` })
  for (const { rule, recognisedBy, ranges, type } of pagemaps) {
    if (rule || !ranges[0]) continue
    const why = type === undefined ? 'its type is not known' : recognisedBy
    const text = `counts are not judged in the pagemap at 0x${ranges[0].first.toString(16)}: ${why}`
    all.push({ reason: 'no-rule', text })
  }
  if (inUse.length > 0) {
    if (!holders) all.push({ reason: 'not-searched', text: 'who holds pages was not looked for' })
    for (const why of holders?.incomplete ?? [])
      all.push({ reason: reasonOf(why), text: `no leak can be told: ${why}` })
  }
  return all
}

function reasonOf(why: string): CoreReason {
  if (why.includes('not in the dump')) return 'not-in-the-dump'
  return why.includes('not searched') ? 'not-searched' : 'damaged'
}
