// SPDX-License-Identifier: GPL-2.0-or-later
/** Formats functions, times and findings for the viewer. The sentences are those of the text report. */
import { CallSiteNames } from '../../src/report/call-site-names.ts'
import { byWhom, certaintyText, countText, findingSentence as sentence } from '../../src/report/finding-words.ts'
import { printable } from '../../src/report/printable.ts'
import type { ActorJson, CauseJson, FindingJson, FunctionJson, LawSiteJson, TraceJson, UnmapJson } from './documents.ts'
import { name } from './dom.ts'

/** A line of a stack, with the kernel's symbol: `function+offset [module]`. */
export function functionText(of: FunctionJson): string {
  return of.function === null ? '(no stack recorded)' : placed(of.symbol ?? of.function, of)
}

/** A call site in a sentence or a table, without suffixes of the compiler. */
export function siteText(of: FunctionJson): string {
  return of.function === null ? '(no stack recorded)' : placed(of.function, of)
}

function placed(functionOrSymbol: string, { offset, module }: FunctionJson): string {
  const at = offset === undefined ? '' : `+0x${offset.toString(16)}`
  return `${printable(functionOrSymbol)}${at}${module === undefined ? '' : ` [${printable(module)}]`}`
}

/** `X+0x5d`, or `X+0x5d from Y+0x10` if another call site has the same address. */
export function lawSiteText(site: LawSiteJson): string {
  return [site, ...(site.callers ?? [])].map(siteText).join(' from ')
}

export function functionName(of: FunctionJson): HTMLElement {
  return name(of.function ?? '(no stack)', 'function')
}

/** Formats the times of a document. */
export class Times {
  readonly #decimals: number
  /** The unit that follows a time. */
  readonly unit: 's' | 'ticks'

  constructor({ source: { clock } }: TraceJson) {
    this.unit = clock.unit
    this.#decimals = clock.decimals
  }

  /** Number of the timeline's units (ns or ticks) in one of the document's (s or ticks). */
  get scale(): number {
    return this.unit === 'ticks' ? 1 : 1e9
  }

  /** Value of the last decimal that is shown, in the document's unit. */
  get step(): number {
    return 10 ** -this.#decimals
  }

  text(time: number | null): string {
    return typeof time === 'number' ? time.toFixed(this.#decimals) : '?'
  }

  /** Formats a duration, given in the document's unit, in a suitable unit. */
  span(time: number): string {
    if (this.unit === 'ticks') return `${time} ticks`
    const size = Math.abs(time)
    if (size < 1e-3) return `${(time * 1e6).toFixed(size < 1e-5 ? 2 : 0)} µs`
    return size < 1 ? `${(time * 1e3).toFixed(1)} ms` : `${time.toFixed(2)} s`
  }
}

/** Describes a call of memunmap_pages(), and how long it took. */
export function unmapText(call: UnmapJson, { source }: TraceJson, times: Times): string {
  const { firstPfn, lastPfn, time, returned, waits } = call
  const entered = `memunmap_pages() of ${firstPfn}-${lastPfn}: entered at ${times.text(time)} ${times.unit} by ${taskText(call)}`
  if (returned !== null) return `${entered}, returned ${times.span(returned - time)} later`
  if (!waits || source.endTime === null) return entered
  return `${entered}, had not returned when the recording ended, ${times.span(source.endTime - time)} later`
}

export function signed(change: number): string {
  return change > 0 ? `+${change}` : `${change}`
}

export function taskText({ task, pid }: { task: string; pid: number }): string {
  return `${printable(task)}-${pid}`
}

/** Unambiguous names for the call sites of all culprits and candidates of a recording. */
function callSiteNames({ findings }: TraceJson): CallSiteNames {
  const actors = findings.flatMap(({ culprit, candidates }) => [...(culprit ? [culprit] : []), ...candidates])
  return new CallSiteNames(actors.map(({ stack }) => stack.map(siteText)))
}

/** The name of an actor's call site that distinguishes it from the others in `names`. */
export function actorName(names: CallSiteNames, actor: ActorJson): string {
  return actor.stack.length > 0 ? names.name(actor.stack.map(siteText)) : siteText(actor)
}

/** The sentence of a finding. @param names adds callers where the culprit's address has several call sites */
export function findingSentence(finding: FindingJson, names?: CallSiteNames): string {
  const { kind, pfn, references, culprit, candidates } = finding
  return sentence({ kind, pages: pfn, references, by: byWhom(culprit, candidates), who: culpritName(culprit, names) })
}

/** A sentence about all findings of a cause. */
export function causeSentence(cause: CauseJson, example: FindingJson, names?: CallSiteNames): string {
  const { kind, references, pages } = cause
  const { culprit, candidates } = example
  const [only] = pages
  const isOnePage = pages.length === 1 && only!.first === only!.last
  return sentence({
    kind,
    pages: isOnePage ? only!.first : pageCount(cause),
    references,
    by: byWhom(culprit, candidates),
    who: culpritName(culprit, names),
  })
}

/** Number of pages on which a cause has findings. */
export function pageCount({ pages }: CauseJson): number {
  return pages.reduce((sum, { first, last }) => sum + Number(last) - Number(first) + 1, 0)
}

export function rangeText({ first, last }: { first: string; last: string }): string {
  return first === last ? first : `${first}-${last}`
}

function culpritName(culprit: ActorJson | null, names: CallSiteNames | undefined): string | undefined {
  if (!culprit || culprit.function === null) return undefined
  const callers = names?.callers(culprit.stack.map(siteText)) ?? []
  return [culprit, ...culprit.stack.slice(1, callers.length + 1)].map(of => of.function ?? '?').join(' from ')
}

/** How the findings of a recording name call sites and format times. */
export interface Style {
  names: CallSiteNames
  times: Times
}

export function styleOf(trace: TraceJson): Style {
  return { names: callSiteNames(trace), times: new Times(trace) }
}

/** A finding as text for a mail. */
export function findingMail(finding: FindingJson, { names, times }: Style): string {
  const { culprit, candidates, evidence } = finding
  const isOpen = byWhom(culprit, candidates) === 'candidates'
  const said = findingSentence(finding, names)
  const lines = [`${finding.kind} (${certaintyText(finding)}): ${said}${isOpen ? ':' : '.'}`]
  if (isOpen) for (const each of candidates) lines.push(...candidateMail(each, { names, times }))
  if (finding.count !== null) lines.push(`  ${countText(finding)}`)
  if (culprit) lines.push(`  ${actorLine(culprit, times)}`, ...culprit.stack.map(frame => `    ${functionText(frame)}`))
  lines.push(...evidence.map(each => `  - ${printable(each)}`))
  if (culprit && candidates[0]) lines.push(...candidates[0].reasons.map(each => `  - ${printable(each)}`))
  return `${lines.join('\n')}\n`
}

function candidateMail(candidate: FindingJson['candidates'][number], { names, times }: Style): string[] {
  return [
    `  * ${actorName(names, candidate)}: ${candidate.reasons.map(printable).join('; ')}`,
    `    ${actorLine(candidate, times)}`,
    ...candidate.stack.map(frame => `      ${functionText(frame)}`),
  ]
}

/** Returns a violation's message, or an empty string if it says no more than the property's name. */
export function newsOf(property: string, message: string | undefined): string {
  return message === undefined || message === `${property} does not hold` ? '' : message
}

/** Time, CPU and task, like the beginning of a line of `trace-cmd report`. */
export function whereLine(at: { time: number; cpu: number; task: string; pid: number }, times: Times): string {
  return `${times.text(at.time)} [${String(at.cpu).padStart(3, '0')}] ${taskText(at)}`
}

export function actorLine(actor: ActorJson, times: Times): string {
  const change = actor.val === 0 ? '' : ` ${signed(actor.val)}`
  return `${whereLine(actor, times)}: ${printable(actor.operation)}${change}`
}
