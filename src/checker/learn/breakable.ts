// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the properties that a system may violate. A property that nothing in the model can violate holds vacuously, whatever the
 * interleaving, and says nothing about the protocol, so that the verdict must say so.
 *
 * The method is abstract interpretation (Cousot and Cousot 1977). The abstract state has for each cell the set of values that it
 * may ever hold, independently of the others, and for each thread the set of nodes that it may ever reach. The result is an
 * over-approximation: properties not in it cannot be violated, and those in it need not be.
 */
import type { Budget } from '../budget.ts'
import type { Automata } from './automaton.ts'
import type { Variable } from './body-run.ts'
import type { Diagram, InvariantDiagram } from './decision.ts'

/** Names of the properties that some step, some state, or (for `deadlock`) a state in which no thread can move may violate. */
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
      // The walk adds to the set that this loop is over; JavaScript's iteration also visits what is added.
      for (const n of reached[t]!) if (nodes[n]!.diagram) walk(nodes[n]!.diagram, seen, reached[t]!)
    }
  }
  for (const { name, diagram } of invariants) if (fails(diagram, values, budget)) broken.add(name)
  if (deadlock && types.every(({ nodes }, t) => [...reached[t]!].some(n => mayStop(nodes[n]!.diagram, values, budget))))
    broken.add('deadlock')
  return broken
}

/** True if an invariant may be violated, which a terminal without an outcome says. */
function fails(diagram: Diagram, values: PossibleValues, budget: Budget): boolean {
  return someEnd(diagram, values, budget, outcomes => outcomes.length === 0)
}

/** True if a thread may be unable to move at a node, because its step may block or its runs are over. */
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

/** The values that cells may hold, and the sums over cells that follow from them, as offsets from the variable's lowest value. */
class PossibleValues {
  /** Number of possible values, summed over all cells. */
  size = 0
  private readonly variables: readonly Variable[]
  private readonly possible: Set<number>[]
  /** By sum, its possible offsets, and the `size` for which they were computed: they are stale once that has grown. */
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
