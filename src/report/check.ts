// SPDX-License-Identifier: GPL-2.0-or-later

/** Verdicts of `lastput check` as text and as JSON (`lastput.check/2`). */
import type { CounterexampleStep, Verdict } from '../checker/index.ts'

import { properties } from '../linux/properties.ts'
import { protocols } from '../linux/protocols/index.ts'
import type { Built } from '../linux/scenario/build.ts'
import { type SimulatedStep, Simulator } from '../linux/scenario/simulator.ts'
import type { Verified } from '../linux/scenario/verify.ts'
import { ftraceText } from './ftrace.ts'
import { Holders } from './holders.ts'
import { printable } from './printable.ts'
import { table } from './table.ts'
import { grouped, newsOf, WIDTH, wrap } from './words.ts'

/** `lastput.check/2`: one verdict. */
export function checkJson(checked: Verified): Record<string, unknown> {
  const { scenario, verdict } = checked
  const { system, counterexample, ...rest } = verdict
  return {
    schema: 'lastput.check/2',
    system,
    driver: scenario.driver.name,
    protocol: scenario.protocol.id,
    ...rest,
    ...(counterexample ? { counterexample: counterexampleJson(checked) } : {}),
  }
}

function counterexampleJson(checked: Verified): StepJson[] {
  return stepsJson(checked.built, checked.verdict.counterexample ?? [], replay(checked))
}

/** A step of a counterexample or of a run. */
export interface StepJson extends Pick<CounterexampleStep, 'step' | 'thread' | 'function' | 'stack' | 'operation'> {
  /** Place in the source, `file:line:column`. */
  readonly source?: string
  /** Index of the alternative that was taken at each choice. */
  readonly choices: readonly number[]
  /** `text` is how the model shows the new value, `was` the old one. */
  readonly changes: readonly { cell: string; from: number; to: number; text: string; was: string }[]
  /** Holders of references after the step, as text. */
  readonly holders: string
}

/** @param replayed the same steps, as the simulator took them */
export function stepsJson(
  built: Built,
  steps: readonly CounterexampleStep[],
  replayed: readonly SimulatedStep[],
): StepJson[] {
  const holders = new Holders(built)
  return steps.map(({ step, thread, function: fn, stack, operation, source, changes, choices }, i) => {
    holders.take(replayed[i]!)
    return {
      step,
      thread,
      function: fn,
      stack,
      operation,
      ...(source === undefined ? {} : { source: placeText(source) }),
      choices,
      changes: changes.map(change => {
        const shown = shownBy(built, change.cell)
        return { ...change, text: shown(change.to), was: shown(change.from) }
      }),
      holders: holders.text(),
    }
  })
}

/** Returns the place of a step in the source, `file:line:column`, without the folders of the machine that ran it. */
function placeText(source: string): string {
  return /(?:^|\/)((?:dist|src)\/.+)$/.exec(source)?.[1] ?? source.slice(source.lastIndexOf('/') + 1)
}

/** The package's folder, in which this program's own steps are written. */
const PACKAGE = decodeURI(new URL('../../', import.meta.url).pathname)

/** Returns file and line of a step in the user's own code. For steps of this package it is empty, because their names suffice. */
function lineText({ source }: SimulatedStep): string {
  const file = source?.replace(/^file:\/\//, '')
  const isOurs = file?.startsWith(PACKAGE) && /^(dist|src)\/(linux|checker)\//.test(file.slice(PACKAGE.length))
  if (source === undefined || isOurs) return ''
  return ` (${placeText(source).replace(/:\d+$/, '')})`
}

export function checkText(checked: Verified): string {
  const { verdict } = checked
  const lines = [
    ...wrap(headline(checked), '', '  '),
    ...wrap(verdict.bounds, '  ', '  '),
    ...wrap(covered(verdict), '  ', '  '),
    ...worth(verdict),
  ]
  if (verdict.verdict === 'violated') lines.push('', ...violationText(checked))
  return `${lines.join('\n')}\n`
}

function headline({ scenario, verdict: { system: name, verdict, property, message, reason } }: Verified): string {
  const { protocol } = scenario
  // A user's protocol is derived from one of ours and has its letter, so its own name is shown, too.
  const system = protocols.some(p => p.name === protocol.name) ? name : `${name} (${protocol.name})`
  if (verdict === 'holds') return `${system}: holds`
  if (verdict === 'inconclusive') return `${system}: inconclusive (${reason})`
  const news = newsOf(property!, message)
  return `${system}: VIOLATED ${property}${news && `: ${news}`}`
}

/** Returns lines on the assumptions of a verdict that holds, and on what it does not cover. */
function worth({ assumes = [], vacuous = [] }: Verdict): string[] {
  return [
    ...assumes.flatMap(a => wrap(a, '  taken for granted: ', '    ')),
    ...(vacuous.length > 0 ? wrap(vacuous.join(', '), '  nothing here can break: ', '    ') : []),
  ]
}

function covered({ states, transitions, depth, seconds, reductions }: Verdict): string {
  const n = grouped
  const how = reductions.filter(r => !r.startsWith('no ')).join(', ')
  return `${n(states)} states, ${n(transitions)} transitions, depth ${depth}, ${seconds.toFixed(2)} s${how ? ` (${how})` : ''}`
}

function violationText(checked: Verified): string[] {
  const { verdict, built } = checked
  const words = properties[verdict.property!]
  const rule = words
    ? [
        ...wrap(words.rule, '  rule: ', '        '),
        ...(words.said ? wrap(`(${words.said})`, '        ', '        ') : []),
        '',
      ]
    : []
  const steps = replay(checked)
  const again = verdict.loop === undefined ? [] : ['', `  and from step ${verdict.loop} again, for ever`]
  return [...rule, ...stepLines(built, steps, verdict.loop), ...again, '', ...sequence(built, steps)]
}

/** Each step with what it changes, and who holds which references of busy pages where that has changed. */
function stepLines(built: Built, steps: readonly SimulatedStep[], loop: number | undefined): string[] {
  const holders = new Holders(built)
  const width = Math.max(6, ...steps.map(s => printable(s.thread).length))
  const lines = [`  step  ${'thread'.padEnd(width)}  function: operation, changes, who holds what`]
  const rest = ' '.repeat(width + 10)
  let before = ''
  for (const s of steps) {
    holders.take(s)
    const number = `${loop === s.step ? '>' : ''}${s.step}`.padStart(4)
    const what = `${s.function === s.operation ? s.operation : `${s.function}: ${s.operation}`}${lineText(s)}`
    lines.push(...wrap(what, `  ${number}  ${printable(s.thread).padEnd(width)}  `, `${rest}  `))
    if (s.changes.length > 0) lines.push(...wrap(changesText(built, s), `${rest}  `, `${rest}  `))
    const now = holders.text()
    if (now !== before && now !== '') lines.push(...wrap(now, `${rest}  `, `${rest}  `))
    before = now
  }
  return lines
}

/** The counterexample's steps with their page_ref events. */
export function replay({ built, verdict }: Verified): readonly SimulatedStep[] {
  const simulator = new Simulator(built)
  simulator.follow(verdict.counterexample ?? [])
  return simulator.steps
}

/** The counterexample as ftrace text, for `lastput trace`. */
export function counterexampleFtrace(checked: Verified): string {
  const { property, loop } = checked.verdict
  const endless = property === 'finishes' || property === 'deadlock'
  return ftraceText(checked.built, replay(checked), endless ? { loop } : undefined)
}

function changesText(built: Built, step: SimulatedStep): string {
  return step.changes
    .map(({ cell, from, to }) => {
      const show = shownBy(built, cell)
      return `${cell} ${show(from)} -> ${show(to)}`
    })
    .join(', ')
}

/** Returns the function that formats a cell's values. */
function shownBy(built: Built, cell: string): (value: number) => string {
  return built.system.cells.find(c => c.name === cell)?.show ?? String
}

/** Returns a sequence chart with a column for each thread. */
function sequence(built: Built, steps: readonly SimulatedStep[]): string[] {
  const threads = built.system.threads.map(t => t.name).filter(name => steps.some(s => s.thread === name))
  const rows = steps.map(s => threads.map(t => (t === s.thread ? s.operation : '|')))
  const wide = table(threads, rows).map(l => `  ${l}`)
  return wide.every(l => l.length <= WIDTH) ? wide : narrowSequence(threads, steps)
}

/** The same with columns so close that operations cover the ones to their right. */
function narrowSequence(threads: readonly string[], steps: readonly SimulatedStep[]): string[] {
  const room = WIDTH - 2
  const needs = steps.map(s => (room - s.operation.length) / Math.max(1, threads.indexOf(s.thread)))
  const pitch = Math.max(2, Math.floor(Math.min(room / threads.length, ...needs)))
  const line = (at: number, text: string, of: number) => {
    const bars = Array.from({ length: of }, () => '|'.padEnd(pitch))
    const shown = printable(text)
    const after = bars.join('').slice(at * pitch + shown.length + 1)
    return `  ${bars.slice(0, at).join('')}${shown} ${after}`.trimEnd()
  }
  return [
    ...threads.map((t, i) => line(i, t, i + 1)),
    ...steps.map(s => line(threads.indexOf(s.thread), s.operation, threads.length)),
  ]
}
