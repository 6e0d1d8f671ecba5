// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Checks every sentence of an account against the recording. Each sentence has a pattern, and its numbers are recomputed from the
 * events (evidence/reading.ts) without the ledger's code. A sentence that matches no pattern is an error as well, so that each
 * new sentence needs a check.
 */
import type { Account } from '../src/ledger/account.ts'
import type { Finding } from '../src/ledger/findings/finding.ts'
import type { Recording } from '../src/trace/events.ts'
import { COUNT_CHECKS } from './evidence/count-checks.ts'
import { LAW_CHECKS } from './evidence/law-checks.ts'
import { LEAK_CHECKS } from './evidence/leak-checks.ts'
import { LIFETIME_CHECKS } from './evidence/lifetime-checks.ts'
import { ORDER_CHECKS } from './evidence/order-checks.ts'
import { PROBE_CHECKS } from './evidence/probe-checks.ts'
import { Reading } from './evidence/reading.ts'
import { REASON_CHECKS } from './evidence/reason-checks.ts'
import { REST_CHECKS } from './evidence/rest-checks.ts'
import { type Problem, pagemapOf, type Subject, UNCHECKED } from './evidence/subject.ts'

export interface FalseSentence {
  kind: string
  pfn: number
  sentence: string
  problem: string
}

export interface EvidenceResult {
  /** Number of sentences that were recomputed; below, those that are false, and those that this recording cannot decide. */
  checked: number
  wrong: FalseSentence[]
  unchecked: string[]
}

const CHECKS = [
  ...[...LAW_CHECKS, ...ORDER_CHECKS, ...LEAK_CHECKS, ...COUNT_CHECKS],
  ...[...PROBE_CHECKS, ...LIFETIME_CHECKS, ...REST_CHECKS],
]

/**
 * Checks all sentences of an account.
 *
 * @param recording the recording of the account, opened again and not yet read
 */
export async function checkEvidence(recording: Recording, account: Account): Promise<EvidenceResult> {
  const reading = await Reading.of(recording, pfn => pagemapOf(account, pfn))
  const result: EvidenceResult = { checked: 0, wrong: [], unchecked: [] }
  for (const finding of account.findings) {
    const { pfn, expected } = finding
    const subject: Subject = {
      reading,
      account,
      finding,
      page: reading.page(pfn),
      idle: pagemapOf(account, pfn)?.idleCount ?? expected,
    }
    for (const sentence of finding.evidence) note(result, finding, sentence, outcome(subject, sentence))
    for (const candidate of finding.candidates)
      for (const reason of candidate.reasons) {
        const check = REASON_CHECKS.get(reason)
        note(result, finding, reason, check ? check(subject, candidate) : 'no pattern knows this reason')
      }
  }
  return result
}

function outcome(subject: Subject, sentence: string): Problem | typeof UNCHECKED {
  for (const { pattern, recompute } of CHECKS) {
    const match = pattern.exec(sentence)
    if (match) return recompute(subject, match)
  }
  return 'no pattern knows this sentence'
}

function note(
  result: EvidenceResult,
  { kind, pfn }: Finding,
  sentence: string,
  problem: Problem | typeof UNCHECKED,
): void {
  if (problem === UNCHECKED) result.unchecked.push(sentence)
  else {
    result.checked++
    if (problem !== undefined) result.wrong.push({ kind, pfn, sentence, problem })
  }
}
