// SPDX-License-Identifier: GPL-2.0-or-later
/** A cause, or one finding, as a numbered paragraph of text. */
import type { Account } from '../ledger/account.ts'
import type { Cause } from '../ledger/diagnose/causes.ts'
import type {
  Actor,
  Candidate,
  Certainty,
  ConsequenceFinding,
  ErrorReport,
  Finding,
} from '../ledger/findings/finding.ts'
import { timeText } from '../trace/common/times.ts'
import type { Frame } from '../trace/events.ts'
import { CallSiteNames } from './call-site-names.ts'
import { byWhom, certaintyText, countText, findingSentence, type SentenceParts } from './finding-words.ts'
import { printable } from './printable.ts'
import { frameText, functionName, grouped, pfnText, plural, rangeText, siteText, wrap } from './words.ts'

/**
 * Most frames of a stack that the text shows, most frames of one of several candidates, and most candidates; the JSON has all.
 */
const SHOWN_FRAMES = 8
const SHOWN_CANDIDATE_FRAMES = 4
const SHOWN_CANDIDATES = 6

/** Most ranges of pages that the text shows. */
const SHOWN_RANGES = 8

export class FindingText {
  readonly #account: Account
  readonly #names: CallSiteNames

  constructor(account: Account) {
    this.#account = account
    this.#names = new CallSiteNames(account.findings.flatMap(accusedBy).map(({ stack }) => stack.map(siteText)))
  }

  /** All findings of a cause: what they have in common, and one of them in full. */
  cause(
    { kind, findings, pages, references, certainty, culpritCertainty, first, last }: Cause,
    head: string,
  ): string[] {
    const all = findings.map(i => this.#account.findings[i]!)
    const [example] = all as [Finding]
    if (all.length === 1) return this.finding(example, head)
    const indent = ' '.repeat(head.length)
    const [only] = pages
    const isOnePage = pages.length === 1 && only!.first === only!.last
    const count = pages.reduce((sum, range) => sum + range.last - range.first + 1, 0)
    const parts = { ...this.#parts(example), pages: isOnePage ? pfnText(only!.first) : count, references }
    const title = `${kind} (${certaintyText({ kind, certainty, culpritCertainty })})`
    const time = (at: number) => timeText(at, this.#account)
    const which = `${plural(all.length, 'finding')}${mixed(all)}, the first at ${time(first)}, the last at ${time(last)}`
    return [
      ...wrap(`${title}: ${findingSentence(parts)}.`, head, indent),
      ...wrap(`${which} (--each prints all)`, indent, `${indent}  `),
      ...(isOnePage ? [] : wrap(rangesText(pages), `${indent}pages `, `${indent}  `)),
      `${indent}one of them in full, page ${pfnText(example.pfn)}:`,
      ...this.#body(example, indent),
    ]
  }

  /** One finding in full. */
  finding(finding: Finding, head: string): string[] {
    const indent = ' '.repeat(head.length)
    const isOpen = byWhom(finding.culprit, finding.candidates) === 'candidates'
    const title = `${finding.kind} (${certaintyText(finding)})`
    return [
      ...wrap(`${title}: ${findingSentence(this.#parts(finding))}${isOpen ? ':' : '.'}`, head, indent),
      ...this.#body(finding, indent),
    ]
  }

  /** Returns the time, CPU and task of an action as text. */
  taskText({ time, cpu, task, pid }: Actor | ErrorReport): string {
    return `${timeText(time, this.#account)} [${String(cpu).padStart(3, '0')}] ${printable(task)}-${pid}`
  }

  #parts({ kind, pfn, references, culprit, candidates }: Finding): SentenceParts {
    return {
      kind,
      pages: pfnText(pfn),
      references,
      by: byWhom(culprit, candidates),
      who: culprit && this.#who(culprit),
    }
  }

  /** Returns the culprit's function, with callers if another call site in the report has the same address. */
  #who({ frame, stack }: Actor): string | undefined {
    if (!frame) return undefined
    const callers = this.#names.callers(stack.map(siteText))
    return [frame, ...stack.slice(1, callers.length + 1)].map(functionName).join(' from ')
  }

  #body(finding: Finding, indent: string): string[] {
    const { kind, isUncounted, references, culprit, candidates, evidence, consequences, moreConsequences } = finding
    const list = (each: string) => wrap(printable(each), `${indent}- `, `${indent}  `)
    const lines: string[] = []
    if (!culprit) lines.push(...this.#candidates(candidates, indent))
    if (!isUncounted && (kind !== 'teardown-waits' || references > 0)) lines.push(`${indent}${countText(finding)}`)
    if (culprit) lines.push(...this.#actor(culprit, indent, SHOWN_FRAMES))
    if (evidence.length > 0) lines.push(`${indent}evidence:`, ...evidence.flatMap(list))
    if (culprit) lines.push(...this.#culpritText(candidates, indent))
    if (consequences.length > 0) lines.push(`${indent}which led to:`)
    for (const each of consequences) lines.push(...list(this.#consequence(each)))
    if (moreConsequences > 0) lines.push(`${indent}- ${grouped(moreConsequences)} more`)
    return lines
  }

  /** Returns lines on why the culprit is accused, and on the next candidates. */
  #culpritText([culprit, ...others]: readonly Candidate[], indent: string): string[] {
    if (!culprit) return []
    const list = (each: string) => wrap(printable(each), `${indent}- `, `${indent}  `)
    const reasons = culprit.reasons.flatMap(list)
    const [next] = others
    return [
      ...(reasons.length > 0 ? [`${indent}why this culprit:`, ...reasons] : []),
      ...(next ? [`${indent}next after it:`, ...list(this.#runnerUp(next))] : []),
      ...(others.length > 1 ? [`${indent}- ${plural(others.length - 1, 'more candidate')}`] : []),
    ]
  }

  #runnerUp({ actor, reasons }: Candidate): string {
    const why = reasons.length > 0 ? ` (${reasons.join('; ')})` : ''
    return `${this.#names.name(actor.stack.map(siteText))} at ${timeText(actor.time, this.#account)}${why}`
  }

  /** Returns lines on all candidates, the likeliest first, with the evidence for each. */
  #candidates(candidates: readonly Candidate[], indent: string): string[] {
    const lines = candidates.slice(0, SHOWN_CANDIDATES).flatMap(({ actor, reasons }, i) => {
      const head = `${indent}${String.fromCharCode(97 + i)}. `
      const rest = ' '.repeat(head.length)
      return [
        ...wrap(this.#names.name(actor.stack.map(siteText)), head, rest),
        ...reasons.flatMap(each => wrap(printable(each), `${rest}- `, `${rest}  `)),
        ...this.#actor(actor, rest, SHOWN_CANDIDATE_FRAMES),
      ]
    })
    const more = candidates.length - SHOWN_CANDIDATES
    return more > 0 ? [...lines, `${indent}(${plural(more, 'more candidate')})`] : lines
  }

  #actor(actor: Actor, indent: string, frames: number): string[] {
    const change = actor.delta === 0 ? '' : actor.delta > 0 ? ` +${actor.delta}` : ` ${actor.delta}`
    return [
      ...wrap(`${this.taskText(actor)}: ${actor.operation}${change}`, indent, `${indent}  `),
      ...stackText(actor.stack, indent, frames),
    ]
  }

  #consequence({ kind, pfn, time, actor }: ConsequenceFinding): string {
    const who = actor.frame ? ` by ${functionName(actor.frame)}` : ''
    return `${kind} on ${pfnText(pfn)} at ${timeText(time, this.#account)}${who}`
  }
}

/** Returns all whom a finding accuses. */
function accusedBy({ culprit, candidates }: Finding): Actor[] {
  return [...(culprit ? [culprit] : []), ...candidates.map(({ actor }) => actor)]
}

/** Lines of a stack, with the kernel's own symbols. */
export function stackText(stack: readonly Frame[], indent: string, most = SHOWN_FRAMES): string[] {
  const more = stack.length - most
  return [
    ...stack.slice(0, most).map(frame => `${indent}  ${frameText(frame)}`),
    ...(more > 0 ? [`${indent}  (${plural(more, 'more frame')})`] : []),
  ]
}

/** Returns how many findings have which certainty; empty if all have the same. */
function mixed(findings: readonly Finding[]): string {
  const counts = new Map<Certainty, number>()
  for (const { certainty } of findings) counts.set(certainty, (counts.get(certainty) ?? 0) + 1)
  if (counts.size < 2) return ''
  return ` (${[...counts].map(([certainty, n]) => `${grouped(n)} ${certainty}`).join(', ')})`
}

function rangesText(ranges: Cause['pages']): string {
  const texts = ranges.slice(0, SHOWN_RANGES).map(rangeText)
  const more = ranges.length - SHOWN_RANGES
  return `${texts.join(', ')}${more > 0 ? ` and ${plural(more, 'more range')}` : ''}`
}
