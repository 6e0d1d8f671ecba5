// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Which properties a system has any way to break. A promise that nobody is in a position to break holds whatever the
 * interleaving, and says nothing about the protocol: a verdict must say so.
 *
 * The answer is that of an abstract interpretation (Cousot and Cousot 1977) in which each cell is known by the set of values that it
 * may ever hold, independently of the others, and each thread by the nodes that it may ever reach. It errs on one side only: what it
 * calls unbreakable cannot be broken; what it calls breakable need not be.
 */
import type { Budget } from '../budget.ts'
import type { Automata } from './automaton.ts'
import type { Variable } from './body-run.ts'
import type { Diagram, InvariantDiagram } from './decision.ts'

/** Names of the properties that some step, some state, or (`deadlock`) the end of all steps may break. */
export function breakable(
  { decisions, types }: Automata,
  invariants: readonly (InvariantDiagram & { readonly name: string })[],
  deadlock: boolean,
  budget: Budget,
): ReadonlySet<string> {
  const values = new PossibleValues(decisions.variables)
  const reached = types.map(() => new Set([0]))
  const broken = new Set<string>()
  const walk = (diagram: Diagram, seen: Set<Diagram>, to: Set<number> | undefined): void => {
    if (seen.has(diagram)) return
    seen.add(diagram)
    budget.tick()
    if (diagram.kind === 'test') {
      for (const at of values.of(diagram.variable)) walk(diagram.children[at]!, seen, to)
      return
    }
    for (const outcome of diagram.outcomes) {
      for (const v of outcome.violations) broken.add(v)
      for (const [cell, value] of outcome.writes) values.add(cell, value)
      if (!outcome.stops && to) to.add(outcome.target)
    }
  }
  const size = () => values.size + reached.reduce((n, r) => n + r.size, 0)
  for (let before = -1; before !== size(); ) {
    before = size()
    for (const [t, { nodes }] of types.entries()) {
      const seen = new Set<Diagram>()
      // A set that grows is walked to its end.
      for (const n of reached[t]!) if (nodes[n]!.diagram) walk(nodes[n]!.diagram, seen, reached[t]!)
    }
  }
  for (const { name, diagram } of invariants) if (fails(diagram, values, budget)) broken.add(name)
  if (deadlock && types.every(({ nodes }, t) => [...reached[t]!].some(n => mayStop(nodes[n]!.diagram, values, budget))))
    broken.add('deadlock')
  return broken
}

/** True if an invariant may find something wrong: its diagram then ends without an outcome. */
function fails(diagram: Diagram, values: PossibleValues, budget: Budget): boolean {
  return someEnd(diagram, values, budget, outcomes => outcomes.length === 0)
}

/** True if a thread may be unable to move at a node, because it is blocked there or at its end. */
function mayStop(diagram: Diagram | undefined, values: PossibleValues, budget: Budget): boolean {
  return diagram === undefined || someEnd(diagram, values, budget, outcomes => outcomes.length === 0)
}

type Outcomes = Extract<Diagram, { kind: 'terminal' }>['outcomes']

function someEnd(root: Diagram, values: PossibleValues, budget: Budget, is: (ends: Outcomes) => boolean): boolean {
  const seen = new Set<Diagram>()
  const go = (d: Diagram): boolean => {
    if (seen.has(d)) return false
    seen.add(d)
    budget.tick()
    return d.kind === 'test' ? values.of(d.variable).some(at => go(d.children[at]!)) : is(d.outcomes)
  }
  return go(root)
}

/** The values that cells may hold, and sums of cells with them; always as offsets from the variable's lowest. */
class PossibleValues {
  /** How many values are possible, over all cells. */
  size = 0
  private readonly variables: readonly Variable[]
  private readonly possible: Set<number>[]
  /** Offsets of a sum, and for how many values they were made. */
  private readonly sums = new Map<number, { readonly size: number; readonly offsets: number[] }>()

  constructor(variables: readonly Variable[]) {
    this.variables = variables
    this.possible = variables.map(() => new Set())
    for (const v of variables) if (v.cell) this.add(v.id, v.cell.init)
  }

  add(variable: number, value: number): void {
    const set = this.possible[variable]!
    const before = set.size
    set.add(value - this.variables[variable]!.low)
    this.size += set.size - before
  }

  of(variable: number): number[] {
    const { cell, low, terms } = this.variables[variable]!
    if (cell) return [...this.possible[variable]!]
    const known = this.sums.get(variable)
    if (known?.size === this.size) return known.offsets
    let totals = new Set([0])
    for (const term of terms) {
      const weights = new Set([...this.possible[term.cell]!].map(at => term.weights[at]!))
      totals = new Set([...totals].flatMap(total => [...weights].map(w => total + w)))
    }
    const offsets = [...totals].map(total => total - low)
    this.sums.set(variable, { size: this.size, offsets })
    return offsets
  }
}
