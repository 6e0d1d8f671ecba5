// SPDX-License-Identifier: GPL-2.0-or-later
/** Selects the part of an account that is shown. */
import type { Account } from '../ledger/account.ts'
import { causesOf } from '../ledger/diagnose/causes.ts'
import type { Actor, Finding } from '../ledger/findings/finding.ts'
import { ACCUSATIONS } from '../ledger/findings/kinds.ts'
import type { FindingKind } from '../ledger/findings/registry.ts'
import { isInRanges, type PageRange } from '../ledger/track/page-range.ts'
import { endOf } from './trace.ts'

/** The parts of an actor that a filter compares. */
type Acting = Pick<Actor, 'stack' | 'task' | 'pid'>

/** A filter by actor. One of the functions and one of the tasks has to match. */
export interface ActorFilter {
  /** Functions, one of which has to be on the stack; none: all match. */
  functions?: readonly string[] | undefined
  /** Tasks by name, by pid, or by both as `name-pid`; none: all match. */
  tasks?: readonly string[] | undefined
}

/** A filter for findings. Times are as in `Account`. */
export interface TraceFilter extends ActorFilter {
  /** Ranges of pages; none: all match. */
  pages?: readonly PageRange[] | undefined
  /** A pfn of the pagemap. */
  pagemap?: number | undefined
  /** Kinds of findings; none: all match. */
  kinds?: readonly FindingKind[] | undefined
  from?: number | undefined
  to?: number | undefined
  /** References held at the end for less than this, in units of `EventBatch.time`, are left out. */
  older?: number | undefined
}

/** An account of which only a part is shown. */
export interface SelectedAccount extends Account {
  /** Number of findings that accuse and of the kernel's reports that are not shown. */
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

/** Returns the range of the pagemap that has a page; undefined if none has it, or if no page is given. */
export function pagemapOf({ pagemaps }: Pick<Account, 'pagemaps'>, pfn: number | undefined): PageRange | undefined {
  const ranges = pagemaps.map(({ firstPfn: first, lastPfn: last }) => ({ first, last }))
  return pfn === undefined ? undefined : ranges.find(range => isInRanges(pfn, [range]))
}

/** True if one of the actors matches the filter. An empty filter matches even if no actor is known. */
export function isBySome(actors: readonly Acting[], filter: ActorFilter): boolean {
  return (!isGiven(filter.functions) && !isGiven(filter.tasks)) || actors.some(actor => isBy(actor, filter))
}

function isBy({ stack, task, pid }: Acting, { functions, tasks }: ActorFilter): boolean {
  if (isGiven(functions) && !stack.some(({ name }) => functions.includes(name))) return false
  return !isGiven(tasks) || isTask(task, pid, tasks)
}

/** True if a task is one of those named. */
export function isTask(name: string, pid: number, tasks: readonly string[]): boolean {
  return tasks.some(task => task === name || task === `${pid}` || task === `${name}-${pid}`)
}

/** Returns all whom a finding accuses, the most likely first. */
const actorsOf = ({ culprit, candidates }: Finding): Actor[] => [
  ...(culprit ? [culprit] : []),
  ...candidates.map(candidate => candidate.actor),
]

export function isGiven<T>(values: readonly T[] | undefined): values is readonly T[] {
  return values !== undefined && values.length > 0
}
