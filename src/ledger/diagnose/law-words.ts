// SPDX-License-Identifier: GPL-2.0-or-later
/** Laws as sentences. */

import type { LearningTracker } from '../learn/learning-tracker.ts'
import { isPut, signatureOf } from '../track/unit-key.ts'
import type { Naming } from './naming.ts'

/** Most call sites of one side of a law that a sentence names; of further ones it gives the number. */
const MAX_NAMED = 4

/** Returns a sentence on what the law says and how often it held: "what ring_submit takes, ring_complete gives back: ...". */
export function lawSentence(ledger: LearningTracker, naming: Naming, law: number): string {
  const { keys, held, touched } = ledger.book.laws[law]!
  const side = (of: readonly number[], verb: string) => {
    // Calls by several callers are one call site, unless another law has it as well.
    const names = [...new Set(of.map(key => naming.site(signatureOf(key), isPut(key) ? -1 : 1)))]
    const more = names.length > MAX_NAMED ? [`${names.length - MAX_NAMED} more`] : []
    return `${[...names.slice(0, MAX_NAMED), ...more].join(' + ')} ${verb}${names.length === 1 ? 's' : ''}`
  }
  const gets = side(
    keys.filter(key => !isPut(key)),
    'take',
  )
  const puts = side(keys.filter(isPut), 'give')
  const how = held === touched ? `in all ${touched}` : `in ${held} of ${touched}`
  const { recordings } = ledger.added
  const where = recordings > 0 ? ` of ${recordings + 1} recordings` : ''
  return `what ${gets}, ${puts} back: as many references ${how} complete lifetimes${where}`
}
