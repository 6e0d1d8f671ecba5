// SPDX-License-Identifier: GPL-2.0-or-later
import type { Finding } from '../findings/finding.ts'

const MAX_CONSEQUENCES = 16

/** Makes a finding a consequence of another. @param isSame true if both are about the same event */
export function addConsequence(cause: Finding, finding: Finding, isSame = false): void {
  if (isSame) {
    cause.evidence.push(...finding.evidence)
    return
  }
  const actor = finding.culprit ?? finding.candidates[0]?.actor
  if (!actor || cause.consequences.length >= MAX_CONSEQUENCES) {
    cause.moreConsequences++
    return
  }
  cause.consequences.push({
    kind: finding.kind === 'leak' ? 'held-at-end' : finding.kind,
    pfn: finding.pfn,
    time: actor.time,
    count: finding.count,
    actor,
  })
}
