// SPDX-License-Identifier: GPL-2.0-or-later
/** Laws as sentences. */

import type { LearningTracker } from '../learn/learning-tracker.ts'
import { isPut, signatureOf } from '../track/unit-key.ts'
import type { Naming } from './naming.ts'

/** Call sites of one side of a law that are named; of more only the number is told. */
const MAX_NAMED = 4

/** `n(ring_submit+0x9a) = n(ring_complete+0x5d)`, with units instead of numbers of calls where they differ. */
export function lawEquation(ledger: LearningTracker, naming: Naming, law: number): string {
  const { keys: all } = ledger.book.laws[law]!
  const side = (keys: readonly number[]) => {
    // Calls by several callers are one call site, unless another law has it as well.
    const names = [...new Set(keys.map(key => naming.site(signatureOf(key), isPut(key) ? -1 : 1)))]
    const more = names.length > MAX_NAMED ? [`${names.length - MAX_NAMED} more`] : []
    return [...names.slice(0, MAX_NAMED), ...more].join(' + ')
  }
  return `${side(all.filter(key => !isPut(key)))} = ${side(all.filter(isPut))}`
}

/** How often the law held. */
export function lawSentence(ledger: LearningTracker, naming: Naming, law: number): string {
  const { held, touched } = ledger.book.laws[law]!
  const how = held === touched ? `in all ${touched}` : `in ${held} of ${touched}`
  return `what ${lawEquation(ledger, naming, law).replace(' = ', ' take, ')} give back: as many references ${how} complete lifetimes`
}
