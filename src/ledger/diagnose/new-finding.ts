// SPDX-License-Identifier: GPL-2.0-or-later
import type { Finding } from '../findings/finding.ts'
import type { FindingKind } from '../findings/registry.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import { PageBit } from '../track/page-state.ts'

/** Makes a finding about a page: fields that `told` does not have get defaults. */
export function newFinding(ledger: LearningTracker, kind: FindingKind, row: number, told: Partial<Finding>): Finding {
  const { pages } = ledger
  return {
    kind,
    pfn: pages.pfn[row]!,
    pagemap: pages.pagemap[row]!,
    life: { began: undefined, ended: undefined },
    history: [],
    count: 0,
    expected: told.expected ?? ledger.idleCount(row) ?? 0,
    ...(pages.has(row, PageBit.rested) ? { isRest: true as const } : {}),
    certainty: 'likely',
    culprit: undefined,
    culpritCertainty: undefined,
    candidates: [],
    law: undefined,
    references: 0,
    consequences: [],
    moreConsequences: 0,
    evidence: [],
    ...told,
  }
}
