// SPDX-License-Identifier: GPL-2.0-or-later
/** Tells whether `lastput trace` finds the broken promise in a counterexample that was written as ftrace text. */
import type { Account } from '../ledger/account.ts'
import type { ErrorReport, Finding } from '../ledger/findings/finding.ts'
import { ACCUSATIONS, breaks } from '../ledger/findings/kinds.ts'
import type { Verified } from '../linux/scenario/verify.ts'
import { replay } from './check.ts'
import { byWhom, findingSentence } from './finding-words.ts'
import { frameText, functionName, pfnText } from './words.ts'

/** Promises whose violation shows as a report of the kernel's own. */
const SHOWN_BY_REPORTS: ReadonlySet<string> = new Set(['warn', 'bounds'])

export interface Condemned {
  /** Findings of the promise that the counterexample breaks, or with a consequence that breaks it. */
  readonly findings: readonly Finding[]
  readonly reports: readonly ErrorReport[]
}

/** @param account of the counterexample's text */
export function condemned({ verdict }: Verified, account: Account): Condemned {
  const property = verdict.property ?? ''
  return {
    findings: account.findings.filter(
      ({ kind, consequences }) => breaks(kind, property) || consequences.some(each => breaks(each.kind, property)),
    ),
    reports: SHOWN_BY_REPORTS.has(property) ? account.reports : [],
  }
}

/** Returns the answer as one sentence without a full stop. */
export function condemnedText(checked: Verified, account: Account): string {
  const named = condemned(checked, account)
  const same = signText(named)
  if (same !== undefined) return `lastput trace says: ${same}${consequenceText(named, checked.verdict.property ?? '')}`
  const other = signText({ findings: account.findings.filter(f => ACCUSATIONS.has(f.kind)), reports: account.reports })
  if (other !== undefined) return `lastput trace says something else: ${other}`
  return `lastput trace cannot tell: ${eventless(checked)}`
}

/** Returns the consequence of a finding, if only that breaks the promise. */
function consequenceText({ findings: [finding] }: Condemned, property: string): string {
  if (!finding || breaks(finding.kind, property)) return ''
  const led = finding.consequences.find(each => breaks(each.kind, property))
  return led ? `, which led to ${led.kind}` : ''
}

function signText({ findings: [finding], reports: [report] }: Condemned): string | undefined {
  if (finding) return findingText(finding)
  return report && `the kernel warned${report.frame ? ` in ${frameText(report.frame)}` : ''}`
}

function findingText({ kind, pfn, references, culprit, candidates }: Finding): string {
  const by = byWhom(culprit, candidates)
  const names = candidates.map(({ actor }) => (actor.frame ? functionName(actor.frame) : 'an unknown site'))
  const who = culprit?.frame && functionName(culprit.frame)
  const sentence = findingSentence({ kind, pages: pfnText(pfn), references, by, who })
  return `${kind}, ${sentence}${by === 'candidates' ? ` (${names.join(' or ')})` : ''}`
}

/** Why a recording does not show it: of the last step, or of what is done again and again. */
function eventless(checked: Verified): string {
  const { loop, property, message } = checked.verdict
  if (property === 'deadlock') return `that nothing moves any more (${message}) is no event`
  const steps = replay(checked)
  const last = loop === undefined ? steps.slice(-1) : steps.slice(loop - 1)
  const names = [...new Set(last.map(s => s.operation))]
  const what = `${names.slice(0, 2).join(', ')}${names.length > 2 ? ', ...' : ''}`
  const told = last.some(s => s.trace.length > 0)
  if (loop !== undefined)
    return told
      ? `each event of what goes on for ever (${what}) is right`
      : `what goes on for ever (${what}) is no event`
  return told
    ? `its events, to the last (${what}), might all be right`
    : `what breaks the promise (${what}) is no event`
}
