// SPDX-License-Identifier: GPL-2.0-or-later
/** What of an account is to be shown. */
import type { Account } from '../ledger/account.ts'
import { causesOf } from '../ledger/diagnose/causes.ts'
import type { Actor, Finding } from '../ledger/findings/finding.ts'
import { ACCUSATIONS } from '../ledger/findings/kinds.ts'
import type { FindingKind } from '../ledger/findings/registry.ts'
import { isInRanges, type PageRange } from '../ledger/track/page-range.ts'
import { endOf } from './trace.ts'

/** What is known of whoever acted. */
type Acting = Pick<Actor, 'stack' | 'task' | 'pid'>

/** Who acted. Of several functions, or tasks, any will do. */
export interface ActorFilter {
  /** Functions, of which one stands in the stack; none: all. */
  functions?: readonly string[] | undefined
  /** Tasks by name, by pid, or by both as `name-pid`; none: all. */
  tasks?: readonly string[] | undefined
}

/** Times as in `Account`. */
export interface TraceFilter extends ActorFilter {
  /** Pages; none: all. */
  pages?: readonly PageRange[] | undefined
  /** A pfn of the pagemap. */
  pagemap?: number | undefined
  /** Kinds of findings; none: all. */
  kinds?: readonly FindingKind[] | undefined
  from?: number | undefined
  to?: number | undefined
  /** References held at the end for less than this, in units of `EventBatch.time`, are left out. */
  older?: number | undefined
}

/** An account of which only a part is shown. */
export interface SelectedAccount extends Account {
  /** Findings that accuse, and reports of the kernel's own, which are not shown. */
  leftOut: number
}

/** The same account with only the findings and the kernel's reports that the filter lets through. */
export function select(account: Account, filter: TraceFilter): SelectedAccount {
  const range = pagemapOf(account, filter.pagemap)
  const end = endOf(account)
  const passes = (pfn: number | undefined, time: number) => {
    if (isGiven(filter.pages) && !(pfn !== undefined && isInRanges(pfn, filter.pages))) return false
    if (filter.pagemap !== undefined && !(range && pfn !== undefined && isInRanges(pfn, [range]))) return false
    return (filter.from === undefined || time >= filter.from) && (filter.to === undefined || time <= filter.to)
  }
  const findings = account.findings.filter(finding => {
    const time = actorsOf(finding)[0]?.time ?? finding.life.began ?? account.firstTime
    if (!passes(finding.pfn, time) || !isBySome(actorsOf(finding), filter)) return false
    if (isGiven(filter.kinds) && !filter.kinds.includes(finding.kind)) return false
    return filter.older === undefined || finding.kind !== 'held-at-end' || end - time >= filter.older
  })
  const reports = account.reports.filter(
    report => passes(report.page, report.time) && isBySome([report], filter) && !isGiven(filter.kinds),
  )
  const selected = { ...account, findings, causes: causesOf(findings), reports }
  return { ...selected, leftOut: accusationsOf(account) - accusationsOf(selected) }
}

const accusationsOf = ({ findings, reports }: Account) =>
  reports.length + findings.filter(({ kind }) => ACCUSATIONS.has(kind)).length

/** The pagemap that has a page, as a range of pages; undefined if none has, or no page is given. */
export function pagemapOf({ pagemaps }: Pick<Account, 'pagemaps'>, pfn: number | undefined): PageRange | undefined {
  const ranges = pagemaps.map(({ firstPfn: first, lastPfn: last }) => ({ first, last }))
  return pfn === undefined ? undefined : ranges.find(range => isInRanges(pfn, [range]))
}

/** Whether somebody is whom the filter wants; where it wants nobody in particular, nobody has to be known. */
export function isBySome(actors: readonly Acting[], filter: ActorFilter): boolean {
  return (!isGiven(filter.functions) && !isGiven(filter.tasks)) || actors.some(actor => isBy(actor, filter))
}

function isBy({ stack, task, pid }: Acting, { functions, tasks }: ActorFilter): boolean {
  if (isGiven(functions) && !stack.some(({ name }) => functions.includes(name))) return false
  return !isGiven(tasks) || isTask(task, pid, tasks)
}

/** Whether a task is one of those that are named. */
export function isTask(name: string, pid: number, tasks: readonly string[]): boolean {
  return tasks.some(task => task === name || task === `${pid}` || task === `${name}-${pid}`)
}

/** Who may have done it, most likely first. */
const actorsOf = ({ culprit, candidates }: Finding): Actor[] => [
  ...(culprit ? [culprit] : []),
  ...candidates.map(candidate => candidate.actor),
]

export function isGiven<T>(values: readonly T[] | undefined): values is readonly T[] {
  return values !== undefined && values.length > 0
}
