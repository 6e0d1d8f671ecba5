// SPDX-License-Identifier: GPL-2.0-or-later
/** Scores the findings about one simulated recording against the known faults: kind, page and culprit. */
import type { Actor, Certainty, Finding } from '../../src/ledger/findings/finding.ts'
import { ACCUSATIONS } from '../../src/ledger/findings/kinds.ts'
import type { Culprit } from '../../testkit/drivers/stacks.ts'
import type { Expected, ExpectedFault } from './simulation.ts'

export interface ScoredFinding {
  kind: string
  pfn: number
  certainty: Certainty
  /** `consequence`: on a page whose count an earlier fault has corrupted, and therefore neither right nor wrong. */
  fault: 'right' | 'wrong' | 'consequence'
  /** Certainty of the culprit; `candidates` if several are named and no single culprit. */
  culpritCertainty: Certainty | 'candidates'
  culprit: 'right' | 'wrong' | 'unnamed'
  /** Functions that the finding names. */
  named: string[]
  /** The true faults on the page, as text. */
  truth: string
}

export interface ScoredFault {
  kind: string
  subsystem: string
  mode: string
  decidable: boolean
  why: string | undefined
  /** True if a finding on the page has a right kind; then, true if one also names a right function. */
  found: boolean
  functionFound: boolean
  /** Highest certainty of the findings that are right about the fault. */
  certainty: Certainty | undefined
  /** True if a finding about the page reports some other fault. */
  pageAccused: boolean
}

export interface Scored {
  seed: number
  events: number
  correct: boolean
  tags: string[]
  findings: ScoredFinding[]
  faults: ScoredFault[]
  /** Number of findings that report and do not accuse. */
  reports: number
  ms: { make: number; judge: number }
  error?: string
}

const LEVELS: readonly Certainty[] = ['certain', 'likely', 'possible']

/** Removes suffixes of the compiler from a function's name, so that it can be compared with the source. */
const plain = (name: string) => name.replace(/\.(isra|constprop|part|cold|llvm)\b.*$/, '')

/** True if the actor is the culprit: it names the culprit's function, with its caller on the stack if need be, or that caller. */
function isCulprit(actor: Actor, culprit: Culprit): boolean {
  if (actor.frame === undefined) return false
  const name = plain(actor.frame.name)
  if (culprit.caller === undefined) return name === plain(culprit.function)
  const caller = plain(culprit.caller)
  if (name === caller) return true
  return name === plain(culprit.function) && actor.stack.some(frame => plain(frame.name) === caller)
}

/**
 * True if everything that the finding is about was over by `time`, so that it cannot be about a fault at that time. The end of
 * the lifetime does not suffice, because a put on a free page comes after it.
 */
function overBefore({ life, culprit, history }: Finding, time: number): boolean {
  if (life.ended === undefined) return false
  return Math.max(life.ended, culprit?.time ?? life.ended, ...history.map(event => event.time)) < time
}

export function score(truth: Expected, findings: readonly Finding[]): Pick<Scored, 'findings' | 'faults' | 'reports'> {
  const accusing = findings.filter(finding => ACCUSATIONS.has(finding.kind))
  const spoilt = new Map(truth.cascade.map(({ pfn, time }) => [pfn, time]))
  const margin = truth.slack
  const matches = accusing.map(finding =>
    truth.faults.filter(
      fault =>
        fault.pfn === finding.pfn && fault.accepted.includes(finding.kind) && !overBefore(finding, fault.time - margin),
    ),
  )
  const scored = accusing.map((finding, i) => scoreOne(finding, matches[i]!, spoilt, margin, truth.faults))
  const faults = truth.faults.map(fault => {
    const about = scored.filter((_, i) => matches[i]!.includes(fault))
    return {
      kind: fault.kind,
      subsystem: fault.subsystem,
      mode: fault.mode,
      decidable: fault.decidable,
      why: fault.why,
      found: about.length > 0,
      functionFound: accusing.some(
        (finding, i) => matches[i]!.includes(fault) && culpritOf(finding, [fault]).culprit === 'right',
      ),
      certainty: LEVELS.find(level => about.some(({ certainty }) => certainty === level)),
      pageAccused: accusing.some(({ pfn }) => pfn === fault.pfn),
    }
  })
  return { findings: scored, faults, reports: findings.length - accusing.length }
}

function scoreOne(
  finding: Finding,
  matching: readonly ExpectedFault[],
  spoilt: ReadonlyMap<number, number>,
  margin: number,
  all: readonly ExpectedFault[],
): ScoredFinding {
  const since = spoilt.get(finding.pfn)
  const consequence = since !== undefined && !overBefore(finding, since - margin)
  const fault = matching.length > 0 ? 'right' : consequence ? 'consequence' : 'wrong'
  const { culprit, named, level } = culpritOf(finding, matching)
  const there = all
    .filter(({ pfn }) => pfn === finding.pfn)
    .map(({ kind, functions }) => `${kind} by ${functions.join(' or ')}`)
  return {
    kind: finding.kind,
    pfn: finding.pfn,
    certainty: finding.certainty,
    fault,
    culpritCertainty: level,
    culprit,
    named,
    truth: there.join('; ') || (consequence ? 'spoilt by a fault' : 'no fault on the page'),
  }
}

function culpritOf(
  finding: Finding,
  faults: readonly ExpectedFault[],
): { culprit: ScoredFinding['culprit']; named: string[]; level: Certainty | 'candidates' } {
  const { culpritCertainty, candidates } = finding
  const several = finding.culprit === undefined && candidates.length > 0
  const actors = several ? candidates.map(({ actor }) => actor) : finding.culprit ? [finding.culprit] : []
  const named = actors.flatMap(({ frame }) => (frame === undefined ? [] : [frame.name]))
  const right = actors.some(actor => faults.some(({ culprits }) => culprits.some(one => isCulprit(actor, one))))
  const culprit = named.length === 0 ? 'unnamed' : right ? 'right' : 'wrong'
  return { culprit, named, level: culpritCertainty ?? (several ? 'candidates' : finding.certainty) }
}
