// SPDX-License-Identifier: GPL-2.0-or-later
/** Verdicts of `lastput check` as text and as JSON (`lastput.check/1`). */
import type { Verdict } from '../engine/index.ts'
import type { Built } from '../linux/kernel.ts'
import { Machine, type MachineStep } from '../linux/machine.ts'
import { properties } from '../linux/properties.ts'
import type { Verified } from '../linux/verify.ts'
import { Holders } from './holders.ts'
import { table } from './table.ts'
import { grouped } from './words.ts'

/** `lastput.check/1`: one verdict. */
export function checkJson(checked: Verified): Record<string, unknown> {
  const { scenario, verdict } = checked
  const { system, counterexample, ...rest } = verdict
  return {
    schema: 'lastput.check/1',
    system,
    driver: scenario.driver.name,
    protocol: scenario.protocol.id,
    ...rest,
    ...(counterexample ? { counterexample: counterexampleJson(checked) } : {}),
  }
}

/** The steps of a counterexample: `text` is how the model shows a new value, `holders` who holds what after the step. */
export function counterexampleJson(checked: Verified): Record<string, unknown>[] {
  const { built, verdict } = checked
  const holders = new Holders(built)
  const replayed = replay(checked)
  return (verdict.counterexample ?? []).map(({ result: _, source, ...step }, i) => {
    holders.take(replayed[i]!)
    const changes = step.changes.map(change => ({ ...change, text: shownBy(built, change.cell)(change.to) }))
    return { ...step, ...(source === undefined ? {} : { source: placeText(source) }), changes, holders: holders.text() }
  })
}

/** Where a step is written, without the folders of the machine that ran it. */
function placeText(source: string): string {
  return /(?:dist|src)\/\S+$/.exec(source)?.[0] ?? source.slice(source.lastIndexOf('/') + 1)
}

/** Exit code: 0 every system holds, 1 some promise is broken, 2 (also for usage) inconclusive. */
export function exitCode(verdicts: readonly Verdict[]): number {
  if (verdicts.some(v => v.verdict === 'violated')) return 1
  return verdicts.some(v => v.verdict === 'inconclusive') ? 2 : 0
}

export function checkText(checked: Verified): string {
  const { verdict } = checked
  const lines = [headline(verdict), `  ${verdict.bounds}`, `  ${covered(verdict)}`]
  if (verdict.verdict === 'violated') lines.push('', ...violationText(checked))
  return `${lines.join('\n')}\n`
}

function headline({ system, verdict, property, message, reason }: Verdict): string {
  if (verdict === 'holds') return `${system}: holds`
  if (verdict === 'inconclusive') return `${system}: inconclusive (${reason})`
  return `${system}: VIOLATED ${property}${message?.startsWith(`${property} `) ? '' : `: ${message}`}`
}

function covered({ states, transitions, depth, seconds, reductions }: Verdict): string {
  const n = grouped
  const how = reductions.filter(r => !r.startsWith('no ')).join(', ')
  return `${n(states)} states, ${n(transitions)} transitions, depth ${depth}, ${seconds.toFixed(2)} s${how ? ` (${how})` : ''}`
}

function violationText(checked: Verified): string[] {
  const { verdict, built } = checked
  const words = properties[verdict.property!]
  const lines = words ? [`  rule: ${words.rule}`, ...(words.source ? [`        (${words.source})`] : []), ''] : []
  const steps = replay(checked)
  const holders = new Holders(built)
  const rows = steps.map(s => {
    holders.take(s)
    const back = verdict.loop === s.step ? '>' : ''
    return [`${back}${s.step}`, s.thread, s.function, s.operation, changesText(built, s), holders.text()]
  })
  lines.push(...table(['step', 'thread', 'function', 'operation', 'changes', 'who holds what'], rows))
  if (verdict.loop !== undefined) lines.push('', `  and from step ${verdict.loop} again, for ever`)
  lines.push('', ...sequence(built, steps))
  return lines.map(l => (l === '' ? l : `  ${l.trimStart() === l ? l : l.slice(2)}`))
}

/** The counterexample's steps with their page_ref events. */
export function replay({ built, verdict }: Verified): readonly MachineStep[] {
  const machine = new Machine(built)
  machine.follow(verdict.counterexample ?? [])
  return machine.steps
}

function changesText(built: Built, step: MachineStep): string {
  return step.changes
    .map(({ cell, from, to }) => {
      const show = shownBy(built, cell)
      return `${cell} ${show(from)} -> ${show(to)}`
    })
    .join(', ')
}

/** How a cell's values are shown. */
function shownBy(built: Built, cell: string): (value: number) => string {
  return built.system.cells.find(c => c.name === cell)?.show ?? String
}

/** A column for each thread: who does what when, at a glance. */
function sequence(built: Built, steps: readonly MachineStep[]): string[] {
  const threads = built.system.threads.map(t => t.name).filter(name => steps.some(s => s.thread === name))
  const rows = steps.map(s => threads.map(t => (t === s.thread ? s.operation : '|')))
  return table(threads, rows)
}
