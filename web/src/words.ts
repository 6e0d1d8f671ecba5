// SPDX-License-Identifier: GPL-2.0-or-later
/** How the viewer writes functions, times and findings; the sentences are those of the terminal's report. */
import { printable } from '../../src/report/printable.ts'
import { sentence } from '../../src/report/sentence.ts'
import type { ActorJson, FindingJson, FunctionJson, TraceJson } from './documents.ts'
import { name } from './dom.ts'

/** function+offset [module] */
export function functionText(of: FunctionJson): string {
  if (of.function === null) return '(no stack recorded)'
  const offset = of.offset === undefined ? '' : `+0x${of.offset.toString(16)}`
  return `${printable(of.function)}${offset}${of.module === undefined ? '' : ` [${printable(of.module)}]`}`
}

export function functionName(of: FunctionJson): HTMLElement {
  return name(of.function ?? '(no stack)', 'function')
}

/** How the times of a document are written. */
export class Times {
  readonly #decimals: number
  /** What stands behind a time. */
  readonly unit: 's' | 'ticks'

  constructor({ source: { clock } }: TraceJson) {
    this.unit = clock?.unit ?? 's'
    this.#decimals = clock?.decimals ?? 6
  }

  /** Units of the timeline's times in one of the document's. */
  get scale(): number {
    return this.unit === 'ticks' ? 1 : 1e9
  }

  text(time: number | null): string {
    return typeof time === 'number' ? time.toFixed(this.#decimals) : '?'
  }

  /** A span of time in the unit that fits it. */
  span(time: number): string {
    if (this.unit === 'ticks') return `${time} ticks`
    const size = Math.abs(time)
    if (size < 1e-3) return `${(time * 1e6).toFixed(size < 1e-5 ? 2 : 0)} µs`
    return size < 1 ? `${(time * 1e3).toFixed(1)} ms` : `${time.toFixed(2)} s`
  }
}

export function signed(change: number): string {
  return change > 0 ? `+${change}` : `${change}`
}

export function taskText({ task, pid }: { task: string; pid: number }): string {
  return `${printable(task)}-${pid}`
}

export function findingSentence(finding: FindingJson): string {
  const { kind, pfn, references, culprit } = finding
  return sentence({ kind, pfn, references, who: culprit?.function ?? undefined, known: culprit !== null })
}

/** A finding as text for a mail. */
export function findingMail(finding: FindingJson, times: Times): string {
  const { culprit } = finding
  const lines = [`${finding.kind} (${finding.certainty}): ${findingSentence(finding)}.`]
  lines.push(`  count ${finding.count}, expected ${finding.expected}`)
  if (culprit) lines.push(`  ${actorLine(culprit, times)}`, ...culprit.stack.map(frame => `    ${functionText(frame)}`))
  lines.push(...finding.evidence.map(each => `  - ${printable(each)}`))
  return `${lines.join('\n')}\n`
}

/** What a violation's message says beyond the property's name. */
export function newsOf(property: string, message: string | undefined): string {
  return message === undefined || message === `${property} does not hold` ? '' : message
}

/** As trace-cmd report begins its lines. */
export function whereLine(at: { time: number; cpu: number; task: string; pid: number }, times: Times): string {
  return `${times.text(at.time)} [${String(at.cpu).padStart(3, '0')}] ${taskText(at)}`
}

export function actorLine(actor: ActorJson, times: Times): string {
  const change = actor.val === 0 ? '' : ` ${signed(actor.val)}`
  return `${whereLine(actor, times)}: ${printable(actor.operation)}${change}`
}
