// SPDX-License-Identifier: GPL-2.0-or-later
/** Whom a finding names, for tests that hold it against the truth. */
import { baseName } from '../../src/ledger/callsites/symbol-lists.ts'
import type { Finding } from '../../src/ledger/index.ts'

/** Functions that a finding names as its culprit or, where nobody is accused alone, as candidates. */
export function namesOf({ culprit, candidates }: Pick<Finding, 'culprit' | 'candidates'>): string[] {
  const actors = culprit ? [culprit] : candidates.map(({ actor }) => actor)
  return actors.flatMap(({ frame }) => (frame ? [baseName(frame.name)] : []))
}

/** True if the finding names one of these functions. */
export function namesAny(finding: Pick<Finding, 'culprit' | 'candidates'>, functions: readonly string[]): boolean {
  return namesOf(finding).some(name => functions.some(other => baseName(other) === name))
}
