// SPDX-License-Identifier: GPL-2.0-or-later
/** The account of a recording as JSON: docs/schema/lastput.trace-3.schema.json. */
import type { Account, LawSite, LawSummary } from '../ledger/account.ts'
import { baseName } from '../ledger/callsites/symbol-lists.ts'
import type { Cause } from '../ledger/diagnose/causes.ts'
import type { Actor, ErrorReport, Finding } from '../ledger/findings/finding.ts'
import { decimals, type Timed, timeNumber } from '../trace/common/times.ts'
import type { Damage, Frame, SourceInfo } from '../trace/events.ts'
import { completenessJson, incompleteness } from './completeness.ts'
import { endOf } from './trace.ts'
import { pfnText } from './words.ts'

/** The account in the shape of schema lastput.trace/3. */
export function traceJson(account: Account & { leftOut?: number }, damage: readonly Damage[]): object {
  const { info, lost } = account
  return {
    schema: 'lastput.trace/3',
    ...completenessJson(incompleteness(account, damage)),
    source: {
      file: info.file,
      format: info.format,
      kernel: info.kernel ?? null,
      cpus: info.cpus,
      clock: clockJson(info),
      events: account.events,
      skipped: account.skipped,
      probes: account.probes,
      lost: lost.events ?? null,
      gaps: lost.gaps,
      unknownChanges: account.unknownChanges,
      firstTime: timeNumber(account.firstTime, account),
      lastTime: timeNumber(account.lastTime, account),
      endTime: timeNumber(endOf(account), account),
      damage: damage.map(({ offset, expected }) => ({ offset, expected })),
    },
    pagemaps: account.pagemaps.map(map => ({
      ...(map.type === undefined ? {} : { type: map.type }),
      firstPfn: pfnText(map.firstPfn),
      lastPfn: pfnText(map.lastPfn),
      pages: map.pages,
      protocol: map.protocol,
      recognisedBy: map.recognisedBy,
    })),
    lifetimes: account.lives,
    causes: account.causes.map(cause => causeJson(cause, account)),
    findings: account.findings.map(finding => findingJson(finding, account)),
    leftOut: account.leftOut ?? 0,
    reports: account.reports.map(report => reportJson(report, account)),
    unmaps: account.unmaps.map(({ firstPfn, lastPfn, actor, returned, waits }) => ({
      firstPfn: pfnText(firstPfn),
      lastPfn: pfnText(lastPfn),
      ...actorJson(actor, account),
      returned: returned === undefined ? null : timeNumber(returned, account),
      waits,
    })),
    laws: account.laws.map(lawJson),
    open: account.open.map(({ get, law, pfn, ...counts }) => ({
      get: functionJson(get),
      law: law ?? null,
      ...counts,
      pfn: pfnText(pfn),
    })),
    notes: account.notes,
  }
}

/** Returns the description of the clock that a document's times are of. */
export function clockJson(info: SourceInfo): object {
  const { clock, unit, resolution } = info
  return {
    name: clock,
    unit: unit === 'ticks' ? 'ticks' : 's',
    decimals: unit === 'ticks' ? 0 : decimals(info),
    resolution: unit === 'ticks' ? resolution : resolution / 1e9,
  }
}

function causeJson(cause: Cause, timed: Timed): object {
  return {
    kind: cause.kind,
    law: cause.law ?? null,
    functions: cause.frames.map(functionJson),
    findings: cause.findings,
    certainty: cause.certainty,
    culpritCertainty: cause.culpritCertainty ?? null,
    pages: cause.pages.map(({ first, last }) => ({ first: pfnText(first), last: pfnText(last) })),
    references: cause.references,
    first: timeNumber(cause.first, timed),
    last: timeNumber(cause.last, timed),
  }
}

function findingJson(finding: Finding, account: Account): object {
  return {
    kind: finding.kind,
    pfn: pfnText(finding.pfn),
    lifetime: {
      began: finding.life.began === undefined ? null : timeNumber(finding.life.began, account),
      ended: finding.life.ended === undefined ? null : timeNumber(finding.life.ended, account),
      events: finding.history.map(event => ({
        ...actorJson(event, account),
        count: event.count,
        partner: event.partner ?? null,
      })),
    },
    count: finding.isUncounted ? null : finding.count,
    expected: finding.isUncounted ? null : finding.expected,
    ...(finding.isRest ? { isRest: true } : {}),
    references: finding.references,
    certainty: finding.certainty,
    culprit: finding.culprit ? actorJson(finding.culprit, account) : null,
    culpritCertainty: finding.culpritCertainty ?? null,
    candidates: finding.candidates.map(({ actor, reasons }) => ({ ...actorJson(actor, account), reasons })),
    law: finding.law ?? null,
    consequences: finding.consequences.map(each => ({
      kind: each.kind,
      pfn: pfnText(each.pfn),
      time: timeNumber(each.time, account),
      count: each.count,
      ...functionJson(each.actor.frame),
      task: each.actor.task,
      pid: each.actor.pid,
      cpu: each.actor.cpu,
    })),
    moreConsequences: finding.moreConsequences,
    evidence: finding.evidence,
  }
}

function reportJson(report: ErrorReport, timed: Timed): object {
  const { detector, address, frame, stack, task, pid, cpu, time, page, times } = report
  return {
    detector,
    ...functionJson(frame),
    at: `0x${address.toString(16)}`,
    stack: stack.map(frameJson),
    task,
    pid,
    cpu,
    time: timeNumber(time, timed),
    page: page === undefined ? null : pfnText(page),
    times,
  }
}

/** A law in the shape that both lastput.trace and lastput.who have it. */
export function lawJson({ gets, puts, lifetimes, held, over, under, isAmbiguous }: LawSummary): object {
  return {
    gets: gets.map(lawSiteJson),
    puts: puts.map(lawSiteJson),
    lifetimes,
    held,
    over,
    under,
    ambiguous: isAmbiguous,
  }
}

function lawSiteJson(site: LawSite | undefined): object {
  if (!site || site.callers.length === 0) return functionJson(site)
  return { ...frameJson(site), callers: site.callers.map(frameJson) }
}

export function actorJson(actor: Actor, timed: Timed): object {
  return {
    ...functionJson(actor.frame),
    stack: actor.stack.map(frameJson),
    task: actor.task,
    pid: actor.pid,
    cpu: actor.cpu,
    time: timeNumber(actor.time, timed),
    operation: actor.operation,
    val: actor.delta,
  }
}

function functionJson(frame: Frame | undefined): object {
  if (!frame) return { function: null }
  return frameJson(frame)
}

/** Returns a frame with the function's source name, without suffixes of the compiler, so that scripts can compare builds. */
function frameJson(frame: Frame): object {
  const name = baseName(frame.name)
  return {
    function: name,
    ...(name === frame.name ? {} : { symbol: frame.name }),
    ...(frame.offset === undefined ? {} : { offset: frame.offset }),
    ...(frame.module === undefined ? {} : { module: frame.module }),
    ...(frame.address === 0n ? {} : { address: `0x${frame.address.toString(16)}` }),
  }
}
