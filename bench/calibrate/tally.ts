// SPDX-License-Identifier: GPL-2.0-or-later
/** Adds up the scores of recordings. */
import type { Scored } from './score.ts'

export interface Verdicts {
  right: number
  wrong: number
  /** For faults: consequences of another fault. For culprits: nobody is named. */
  neither: number
}

export interface FaultTally {
  planted: number
  decidable: number
  found: number
  functionFound: number
  /** Decidable faults that were not found, but whose page has another accusation. */
  pageOnly: number
  /** Faults that were found although the recorded events do not decide them. */
  foundUndecidable: number
}

export interface TagTally {
  recordings: number
  correct: number
  correctCertain: number
  correctAccused: number
  certainWrong: number
  likelyRight: number
  likelyWrong: number
  decidable: number
  found: number
}

export interface Tally {
  recordings: number
  events: number
  reports: number
  crashed: { seed: number; error: string }[]
  fault: Record<string, Verdicts>
  culprit: Record<string, Verdicts>
  faults: Record<string, FaultTally>
  tags: Record<string, TagTally>
  ms: { make: number; judge: number }
}

export const emptyTally = (): Tally => ({
  recordings: 0,
  events: 0,
  reports: 0,
  crashed: [],
  fault: {},
  culprit: {},
  faults: {},
  tags: {},
  ms: { make: 0, judge: 0 },
})

export function add(tally: Tally, scored: Scored): void {
  tally.recordings++
  tally.events += scored.events
  tally.reports += scored.reports
  tally.ms.make += scored.ms.make
  tally.ms.judge += scored.ms.judge
  if (scored.error !== undefined) tally.crashed.push({ seed: scored.seed, error: scored.error })
  for (const { certainty, fault, culpritCertainty, culprit } of scored.findings) {
    count((tally.fault[certainty] ??= { right: 0, wrong: 0, neither: 0 }), fault)
    // The culprit of a consequence is not scored, since it may have acted correctly.
    if (fault !== 'consequence')
      count((tally.culprit[culpritCertainty] ??= { right: 0, wrong: 0, neither: 0 }), culprit)
  }
  for (const fault of scored.faults) {
    addFault(tally, fault.kind, fault)
    addFault(tally, `  ${`${fault.subsystem.replace(/\d+$/, '')} ${fault.mode}`.trim()}`, fault)
  }
  for (const bug of bugsOf(scored)) addFault(tally, `bug: ${bug.kind}`, bug)
  for (const tag of scored.tags) addTag(tally, tag, scored)
}

/**
 * Returns one entry per bug of the driver. A bug that struck several times counts as found if one of its faults was found; if
 * some of its faults are decidable, only these count.
 */
function bugsOf({ faults }: Scored): Scored['faults'] {
  const bugs = new Map<string, Scored['faults'][number]>()
  for (const fault of faults) {
    const key = `${fault.kind} ${fault.subsystem} ${fault.mode}`
    const bug = bugs.get(key)
    if (bug === undefined || (fault.decidable && !bug.decidable)) bugs.set(key, { ...fault })
    else if (fault.decidable === bug.decidable) {
      bug.found ||= fault.found
      bug.functionFound ||= fault.functionFound
      bug.pageAccused ||= fault.pageAccused
    }
  }
  return [...bugs.values()]
}

function count(verdicts: Verdicts, verdict: string): void {
  if (verdict === 'right' || verdict === 'wrong') verdicts[verdict]++
  else verdicts.neither++
}

function addFault(tally: Tally, key: string, fault: Scored['faults'][number]): void {
  const sum = (tally.faults[key] ??= {
    planted: 0,
    decidable: 0,
    found: 0,
    functionFound: 0,
    pageOnly: 0,
    foundUndecidable: 0,
  })
  sum.planted++
  if (!fault.decidable) {
    if (fault.found) sum.foundUndecidable++
    return
  }
  sum.decidable++
  if (fault.found) sum.found++
  else if (fault.pageAccused) sum.pageOnly++
  if (fault.functionFound) sum.functionFound++
}

function addTag(tally: Tally, tag: string, { correct, findings, faults }: Scored): void {
  const sum = (tally.tags[tag] ??= {
    recordings: 0,
    correct: 0,
    correctCertain: 0,
    correctAccused: 0,
    certainWrong: 0,
    likelyRight: 0,
    likelyWrong: 0,
    decidable: 0,
    found: 0,
  })
  sum.recordings++
  if (correct) sum.correct++
  if (correct && findings.length > 0) sum.correctAccused++
  if (correct && findings.some(({ certainty }) => certainty === 'certain')) sum.correctCertain++
  sum.certainWrong += findings.filter(({ certainty, fault }) => certainty === 'certain' && fault === 'wrong').length
  sum.likelyRight += findings.filter(({ certainty, fault }) => certainty === 'likely' && fault === 'right').length
  sum.likelyWrong += findings.filter(({ certainty, fault }) => certainty === 'likely' && fault === 'wrong').length
  const decidable = faults.filter(fault => fault.decidable)
  sum.decidable += decidable.length
  sum.found += decidable.filter(({ found }) => found).length
}
