// SPDX-License-Identifier: GPL-2.0-or-later

/** The table of `lastput check --matrix`, row by row as systems are done, and its JSON: a `lastput.check/2` for each cell. */
import type { PropertyVerdict } from '../checker/index.ts'

import { properties } from '../linux/properties.ts'
import type { Built } from '../linux/scenario/build.ts'
import { causeOf, causeText } from '../linux/scenario/causes.ts'
import type { MatrixSystem } from '../linux/scenario/matrix.ts'
import { promiseOf } from '../promises/promises.ts'
import { checkJson } from './check.ts'
import { grouped, plural, wrap } from './words.ts'

/** One property of one system. */
export interface MatrixCell {
  readonly schema: 'lastput.check/2'
  readonly system: string
  readonly driver: string
  readonly protocol: string
  readonly scenario: string
  readonly property: string
  readonly verdict: 'holds' | 'violated' | 'inconclusive'
  readonly states: number
  readonly seconds: number
  readonly bounds: string
  readonly steps?: number
  readonly consequence?: boolean
  readonly cause?: string
  readonly reason?: string
  readonly vacuous?: readonly string[]
  readonly assumes?: readonly string[]
}

/** The cells of one system. */
export type MatrixRow = readonly MatrixCell[]

export function matrixRow(
  { scenario, system }: MatrixSystem,
  built: Built,
  verdicts: ReadonlyMap<string, PropertyVerdict>,
): MatrixRow {
  return [...verdicts].map(([property, verdict]) => {
    const { driver, protocol } = system
    const of = { driver: driver.name, type: driver.type, protocol: protocol.id, scenario, property }
    const cause = verdict.verdict === 'violated' && verdict.consequence === false ? causeOf(of) : undefined
    return {
      ...checkJson({ scenario: system, built, verdict: { ...verdict, property } }),
      scenario,
      ...(cause ? { cause: causeText(cause) } : {}),
    } as unknown as MatrixCell
  })
}

const LEGEND =
  '+ holds in every interleaving within the bounds; a number: violated, by a counterexample of so many steps; in parentheses: ' +
  'only by executions that have broken another promise before; [+] holds only because every mapping goes away in the end; ' +
  '- nothing that these threads do can break it; ? not decided, the reason is given.'

/** Writes rows in order, with a heading for each driver and scenario, and after its rows why cells are violated. */
export class MatrixText {
  private readonly names: readonly string[]
  private group: MatrixRow[] = []
  private rows = 0
  private cells: MatrixCell[] = []

  constructor(names: readonly string[]) {
    this.names = Object.keys(properties).filter(p => names.includes(p))
  }

  /** Returns the text before the first row. */
  head(): string {
    const width = Math.max(0, ...this.names.map(n => columnOf(n).length))
    const first = (n: string) => `  ${columnOf(n).padEnd(width)}  ${n}: `
    const rules = this.names.flatMap(n => wrap(properties[n]!.rule, first(n), ' '.repeat(width + 4)))
    return lines([...rules, '', ...wrap(LEGEND, '', '')])
  }

  row(row: MatrixRow): string {
    const { driver, scenario, bounds } = row[0]!
    const last = this.group.at(-1)?.[0]
    const fresh = last?.driver !== driver || last.scenario !== scenario
    const before = fresh ? `${this.why()}${lines(['', ...wrap(`${driver}, ${scenario}`, '', '  ')])}` : ''
    // A driver may have gained or lost threads with a protocol.
    const head = fresh || last.bounds !== bounds ? this.heading(bounds) : ''
    this.group.push(row)
    this.rows++
    this.cells.push(...row)
    return `${before}${head}${lines([this.line(row)])}`
  }

  /** Returns the text after the last row. */
  end(seconds: number): string {
    const number = (of: (c: MatrixCell) => boolean) => this.cells.filter(of).length
    const count = (of: (c: MatrixCell) => boolean) => grouped(number(of))
    const violated = (c: MatrixCell) => c.verdict === 'violated'
    const summary =
      `${plural(this.rows, 'system')}, ${plural(
        number(c => c.verdict === 'holds' && !c.vacuous),
        'promise',
      )} kept, ${count(c => c.vacuous !== undefined)} that nothing there can break, ${count(violated)} broken ` +
      `(${count(c => violated(c) && c.consequence === true)} of them only after another), ` +
      `${count(c => c.verdict === 'inconclusive')} not decided, in ${seconds.toFixed(0)} s`
    return `${this.why()}${lines(['', ...wrap(summary, '', '')])}`
  }

  private heading(bounds: string): string {
    const columns = this.names.map(n => columnOf(n).padStart(this.width(n))).join('')
    return lines([...wrap(bounds, '  ', '  '), `    ${columns}${'states'.padStart(10)}     s`])
  }

  private line(row: MatrixRow): string {
    const marks = this.names.map(n => mark(row.find(c => c.property === n)).padStart(this.width(n)))
    const { protocol, states, seconds } = row[0]!
    return `  ${protocol.padEnd(2)}${marks.join('')}${` ${grouped(states)}`.padStart(10)}${seconds.toFixed(1).padStart(6)}`
  }

  private width(name: string): number {
    return Math.max(columnOf(name).length, 4) + 1
  }

  /**
   * Causes of the group's violated cells, each with its protocols and properties, reasons of undecided ones, and what became of
   * the driver's own promises, which have no column.
   */
  private why(): string {
    const by = new Map<string, MatrixCell[]>()
    for (const cell of this.group.flat()) {
      const text = cell.cause ?? cell.reason ?? (Object.hasOwn(properties, cell.property) ? undefined : ownText(cell))
      if (text !== undefined) by.set(text, [...(by.get(text) ?? []), cell])
    }
    this.group = []
    return lines(
      [...by].flatMap(([text, cells]) => {
        const of = (pick: (c: MatrixCell) => string) => [...new Set(cells.map(pick))].join(' ')
        return wrap(text, `  ${of(c => c.protocol)}, ${of(c => columnOf(c.property))}: `, '    ')
      }),
    )
  }
}

/** A property's heading; a driver's own goes by its name. */
function columnOf(property: string): string {
  return promiseOf(property)?.column ?? property
}

function ownText({ verdict, steps, consequence }: MatrixCell): string {
  if (verdict === 'holds') return "the driver's own, kept"
  return `the driver's own, broken in ${plural(steps!, 'step')}${consequence ? ', only after another promise' : ''}`
}

function mark(cell: MatrixCell | undefined): string {
  if (!cell) return ''
  if (cell.vacuous) return '-'
  if (cell.assumes) return '[+]'
  if (cell.verdict === 'holds') return '+'
  if (cell.verdict === 'inconclusive') return '?'
  return cell.consequence ? `(${cell.steps})` : String(cell.steps)
}

function lines(all: readonly string[]): string {
  return all.map(l => `${l}\n`).join('')
}
