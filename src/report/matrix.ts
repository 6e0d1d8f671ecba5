// SPDX-License-Identifier: GPL-2.0-or-later
/** The tables of `lastput check --matrix` and `--bugs`. */
import type { Verdict } from '../engine/index.ts'
import type { Bug } from '../linux/bugs/index.ts'
import type { MatrixSystem } from '../linux/matrix.ts'
import { properties } from '../linux/properties.ts'
import type { Verified } from '../linux/verify.ts'
import { counterexampleJson } from './check.ts'
import { table } from './table.ts'

/** One system with its verdict for each property. */
export interface MatrixRow {
  readonly of: MatrixSystem
  readonly verdicts: Readonly<Record<string, Verified>>
}

/** `+` holds, a number: violated in so many steps, `?` inconclusive. */
export function matrixText(rows: readonly MatrixRow[]): string {
  const names = Object.keys(properties)
  const cell = (v: Verdict) =>
    v.verdict === 'holds' ? '+' : v.verdict === 'violated' ? String(v.counterexample?.length ?? 0) : '?'
  const body = rows.map(({ of, verdicts }) => [
    of.system.driver.name,
    of.scenario,
    of.system.protocol.id,
    ...names.map(n => cell(verdicts[n]!.verdict)),
  ])
  const legend = '+ holds; a number: violated, by a counterexample of so many steps; ? inconclusive\n'
  return `${table(['driver', 'scenario', 'protocol', ...names], body).join('\n')}\n${legend}`
}

export function matrixJson(rows: readonly MatrixRow[]): Record<string, unknown>[] {
  return rows.map(({ of, verdicts }) => ({
    driver: of.system.driver.name,
    scenario: of.scenario,
    protocol: of.system.protocol.id,
    bounds: Object.values(verdicts)[0]?.verdict.bounds,
    properties: Object.fromEntries(Object.entries(verdicts).map(([name, checked]) => [name, cellJson(checked)])),
  }))
}

function cellJson(checked: Verified): Record<string, unknown> {
  const { verdict, message, reason, counterexample, loop } = checked.verdict
  if (verdict !== 'violated') return { verdict, ...(reason === undefined ? {} : { reason }) }
  return {
    verdict,
    message,
    steps: counterexample?.length,
    counterexample: counterexampleJson(checked),
    ...(loop === undefined ? {} : { loop }),
  }
}

export interface BugRow {
  readonly bug: Bug
  readonly broken: Verified
  readonly fixed: Verified
}

/** Whether the broken form breaks as it should and the fixed one holds. */
export function bugFound({ bug, broken, fixed }: BugRow): boolean {
  const { verdict, property } = broken.verdict
  return verdict === 'violated' && bug.breaks.includes(property!) && fixed.verdict.verdict === 'holds'
}

export function bugText(row: BugRow): string {
  const { bug } = row
  const [broken, fixed] = [row.broken.verdict, row.fixed.verdict]
  const tell = (v: Verdict) =>
    v.verdict === 'violated'
      ? `violated ${v.property} in ${v.counterexample?.length} steps: ${v.message}`
      : `${v.verdict}${v.reason ? ` (${v.reason})` : ''}`
  const seconds = (v: Verdict) => `${v.states} states, ${v.seconds.toFixed(2)} s`
  return [
    `${bugFound(row) ? 'found' : 'NOT FOUND'} ${bug.id}: ${bug.title}`,
    `  ${bug.mechanism}`,
    `  broken  ${bug.broken.driver.name} under ${bug.broken.protocol.id}: ${tell(broken)} (${seconds(broken)})`,
    `  fixed   ${bug.fixed.driver.name} under ${bug.fixed.protocol.id}: ${tell(fixed)} (${seconds(fixed)})`,
    '',
  ].join('\n')
}
