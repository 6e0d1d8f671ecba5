// SPDX-License-Identifier: GPL-2.0-or-later
/** What `lastput trace` makes of a counterexample that was written as ftrace text: whether it sees the promise broken. */
import type { Account } from '../ledger/account.ts'
import { ACCUSATIONS, type ErrorReport, type Finding, type FindingKind } from '../ledger/findings.ts'
import type { Verified } from '../linux/verify.ts'
import { replay } from './check.ts'
import { sentence } from './sentence.ts'
import { frameText, pfnText } from './words.ts'

/** The kinds of findings that say of a recording what a property says of the model; a report of the kernel's is a kind too. */
const SAYS: Readonly<Record<string, readonly (FindingKind | 'report')[]>> = {
  'free-once': ['free-twice'],
  'get-on-free': ['get-on-free-page'],
  'touch-after-free': ['touch-after-free'],
  'pte-on-free': ['freed-in-use'],
  // Also of a page that is handed out when memunmap_pages() has returned: its first wrong is that it is handed out.
  'pagemap-outlives': ['pagemap-gone', 'alloc-after-kill'],
  count: ['leak', 'surplus-put', 'put-on-free-page', 'count-mismatch'],
  'alloc-after-kill': ['alloc-after-kill'],
  warn: ['report'],
  bounds: ['report', 'surplus-put', 'put-on-free-page'],
  deadlock: ['teardown-waits'],
  finishes: ['teardown-waits', 'fault-retries'],
}

export interface Condemned {
  /** Findings that name the promise that the counterexample breaks. */
  readonly findings: readonly Finding[]
  readonly reports: readonly ErrorReport[]
}

/** @param account of the counterexample's text */
export function condemned({ verdict }: Verified, account: Account): Condemned {
  const kinds = SAYS[verdict.property ?? ''] ?? []
  return {
    findings: account.findings.filter(f => kinds.includes(f.kind)),
    reports: kinds.includes('report') ? account.reports : [],
  }
}

/** One sentence without a full stop. */
export function condemnedText(checked: Verified, account: Account): string {
  const same = signText(condemned(checked, account))
  if (same !== undefined) return `lastput trace says: ${same}`
  const other = signText({ findings: account.findings.filter(f => ACCUSATIONS.has(f.kind)), reports: account.reports })
  if (other !== undefined) return `lastput trace says something else: ${other}`
  return `lastput trace cannot tell: ${eventless(checked)}`
}

function signText({ findings: [finding], reports: [report] }: Condemned): string | undefined {
  if (finding) return findingText(finding)
  return report && `the kernel warned${report.frame ? ` in ${frameText(report.frame)}` : ''}`
}

function findingText({ kind, pfn, references, culprit }: Finding): string {
  const known = culprit !== undefined
  return `${kind}, ${sentence({ kind, pfn: pfnText(pfn), references, who: culprit?.frame?.name, known })}`
}

/** Why a recording does not show it: of the last step, or of what is done again and again. */
function eventless(checked: Verified): string {
  const { loop } = checked.verdict
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
