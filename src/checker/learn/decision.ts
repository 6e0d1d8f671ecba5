// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Steps and invariants as decision diagrams: the cells that are tested, and the outcomes for each combination of their values.
 * Diagrams are ordered and shared (Bryant 1986, with more than two branches), so that equal functions are the same object.
 */

import { type Budget, UNLIMITED } from '../budget.ts'
import { type Cell, ModelError, type StepRequest, type Value, type View } from '../model.ts'
import { BodyRun, isRunnable, type Question, text, type Variable, type VariableTable } from './body-run.ts'

/** One way in which a step can go, once the tested values are known. */
export interface Outcome {
  readonly id: number
  /** Variable of a cell, and its new value. */
  readonly writes: readonly (readonly [number, number])[]
  /** Names of the properties that the step violates. */
  readonly violations: readonly string[]
  readonly stops: boolean
  /** Where the thread goes; -1 if the execution stops. */
  readonly target: number
}

export interface Test {
  readonly kind: 'test'
  readonly id: number
  readonly variable: number
  /** By value - low. */
  readonly children: readonly Diagram[]
}
/** The end of a path. With several outcomes, the step chooses among them; with none, the step is blocked. */
export interface Terminal {
  readonly kind: 'terminal'
  readonly id: number
  readonly outcomes: readonly Outcome[]
}
export type Diagram = Test | Terminal

/** An invariant. With `atRest`, it must hold only in states in which no thread is inside a run. */
export interface InvariantDiagram {
  readonly diagram: Diagram
  readonly atRest: boolean
}

/** Limits of different sums, and of branches of one step, beyond which the model is refused. */
const SUMS = 4096
const BRANCHES = 100_000

/** Approximate bytes in V8. */
const OBJECT = 200
const POINTER = 8

export class Decisions implements VariableTable {
  readonly variables: Variable[] = []
  private readonly cellVariable = new Map<Cell, Variable>()
  private readonly sums = new Map<string, Variable>()
  private readonly tests = new Map<string, Test>()
  private readonly terminals = new Map<string, Terminal>()
  private readonly outcomes = new Map<string, Outcome>()
  private nextId = 0
  /** True for the properties whose violations are noted. */
  readonly selected: (property: string) => boolean
  /** The limits of memory and time for making diagrams. */
  readonly budget: Budget

  /** Cells whose values name members come first in the order: a PTE is looked at before the pages it may map. */
  constructor(
    cells: readonly Cell[],
    selected: (property: string) => boolean = () => true,
    budget: Budget = UNLIMITED,
  ) {
    this.selected = selected
    this.budget = budget
    const ordered = [...cells.filter(c => c.refers), ...cells.filter(c => !c.refers)]
    for (const c of ordered) {
      const v = { id: this.variables.length, name: c.name, low: c.min, size: c.max - c.min + 1, cell: c, terms: [] }
      this.variables.push(v)
      this.cellVariable.set(c, v)
    }
  }

  variableOf(cell: Cell): Variable | undefined {
    return this.cellVariable.get(cell)
  }

  /** The variable for a sum of weighted cells. @throws ModelError for more than 4096 different sums. */
  ofSum(terms: Variable['terms'], name = 'sum'): Variable {
    const sorted = [...terms].sort((a, b) => a.cell - b.cell)
    const key = sorted.map(t => `${t.cell}:${t.weights.join()}`).join('|')
    let v = this.sums.get(key)
    if (!v) {
      let low = 0
      let high = 0
      for (const t of sorted) {
        low += t.weights.reduce((a, b) => Math.min(a, b))
        high += t.weights.reduce((a, b) => Math.max(a, b))
      }
      if (!(high - low < SUMS)) throw new ModelError(`${name}: a sum over ${terms.length} cells spans ${low}..${high}`)
      const id = this.variables.length
      v = { id, name: `sum ${id}`, low, size: high - low + 1, cell: undefined, terms: sorted }
      this.variables.push(v)
      this.sums.set(key, v)
    }
    return v
  }

  test(variable: number, children: readonly Diagram[]): Diagram {
    const first = children[0]!
    if (children.every(c => c === first)) return first
    const key = `${variable}:${children.map(c => c.id).join()}`
    let t = this.tests.get(key)
    if (!t) {
      this.tests.set(key, (t = { kind: 'test', id: this.nextId++, variable, children }))
      this.keep(key, children.length)
    }
    return t
  }

  terminal(outcomes: readonly Outcome[]): Terminal {
    const sorted = [...new Set(outcomes)].sort((a, b) => a.id - b.id)
    const key = sorted.map(o => o.id).join()
    let t = this.terminals.get(key)
    if (!t) {
      this.terminals.set(key, (t = { kind: 'terminal', id: this.nextId++, outcomes: sorted }))
      this.keep(key, sorted.length)
    }
    return t
  }

  outcome(writes: Outcome['writes'], violations: readonly string[], stops: boolean, target: number): Outcome {
    const sorted = [...writes].sort((a, b) => a[0] - b[0])
    const key = `${sorted.map(w => w.join(':')).join()}|${JSON.stringify(violations)}|${stops ? 1 : 0}|${target}`
    let o = this.outcomes.get(key)
    if (!o) {
      this.outcomes.set(key, (o = { id: this.outcomes.size, writes: sorted, violations, stops, target }))
      this.keep(key, sorted.length)
    }
    return o
  }

  /** Counts approximately the memory of an object with its key and its entry in a table. */
  private keep(key: string, items: number): void {
    this.budget.keep(OBJECT + key.length + items * POINTER)
  }

  /** The diagram that tests `variable`, then goes on as in `children`, even if these test variables before it in the order. */
  select(variable: number, children: readonly Diagram[]): Diagram {
    const memo = new Map<string, Diagram>()
    const go = (kids: readonly Diagram[]): Diagram => {
      this.budget.tick()
      const top = kids.reduce((least, k) => (k.kind === 'test' ? Math.min(least, k.variable) : least), variable)
      if (top === variable)
        return this.test(
          variable,
          kids.map((k, i) => cofactor(k, variable, i)),
        )
      const key = kids.map(k => k.id).join()
      let out = memo.get(key)
      if (!out) {
        const size = this.variables[top]!.size
        const branches = Array.from({ length: size }, (_, u) => go(kids.map(k => cofactor(k, top, u))))
        memo.set(key, (out = this.test(top, branches)))
      }
      return out
    }
    return go(children)
  }

  /** The diagram that has the outcomes of both. */
  union(a: Diagram, b: Diagram): Diagram {
    const memo = new Map<string, Diagram>()
    const go = (x: Diagram, y: Diagram): Diagram => {
      if (x === y) return x
      this.budget.tick()
      if (x.kind === 'terminal' && y.kind === 'terminal') return this.terminal([...x.outcomes, ...y.outcomes])
      const key = `${x.id},${y.id}`
      let out = memo.get(key)
      if (!out) {
        const top = Math.min(...[x, y].map(d => (d.kind === 'test' ? d.variable : Number.POSITIVE_INFINITY)))
        const size = this.variables[top]!.size
        const branches = Array.from({ length: size }, (_, u) => go(cofactor(x, top, u), cofactor(y, top, u)))
        memo.set(key, (out = this.test(top, branches)))
      }
      return out
    }
    return go(a, b)
  }

  /** The same diagram with each outcome at its terminals changed. */
  map(diagram: Diagram, change: (outcome: Outcome) => Outcome, memo = new Map<Diagram, Diagram>()): Diagram {
    let out = memo.get(diagram)
    if (!out) {
      this.budget.tick()
      out =
        diagram.kind === 'terminal'
          ? this.terminal(diagram.outcomes.map(change))
          : this.test(
              diagram.variable,
              diagram.children.map(c => this.map(c, change, memo)),
            )
      memo.set(diagram, out)
    }
    return out
  }

  retarget(diagram: Diagram, to: (target: number) => number, memo?: Map<Diagram, Diagram>): Diagram {
    const change = (o: Outcome) => (o.stops ? o : this.outcome(o.writes, o.violations, o.stops, to(o.target)))
    return this.map(diagram, change, memo)
  }

  /**
   * Learns a step by running its body for every combination of values that it asks for.
   * @param targetOf numbers the step's results.
   * @throws ModelError for a body that is not a function of what it reads, or that reads too much.
   */
  learnStep(request: StepRequest, targetOf: (result: Value) => number): Diagram {
    const name = `step "${request.name}"`
    const end = (run: BodyRun, result: Value, stopped: boolean) => {
      if (isRunnable(result)) throw new ModelError(`${name}: ${isRunnable(result)}`)
      return this.terminal([this.outcome(run.changes(), run.violations, stopped, stopped ? -1 : targetOf(result))])
    }
    return this.learn(name, request.body, end)
  }

  /** Learns an invariant: one outcome where it holds, none where it does not. */
  learnInvariant(name: string, holds: (view: View) => boolean): Diagram {
    const yes = this.terminal([this.outcome([], [], false, 0)])
    const no = this.terminal([])
    const code = `invariant "${name}"`
    return this.learn(code, holds as StepRequest['body'], (run, result, stopped) => {
      if (stopped || run.hasEffects()) throw new ModelError(`${code} does more than to look: it has get() and sum()`)
      if (typeof result !== 'boolean') throw new ModelError(`${code} returns ${text(result)}, neither true nor false`)
      return result ? yes : no
    })
  }

  private learn(
    name: string,
    body: StepRequest['body'],
    end: (run: BodyRun, result: Value, stopped: boolean) => Diagram,
  ): Diagram {
    let branches = 0
    const build = (answers: readonly number[], asked: readonly Question[]): Diagram => {
      this.budget.tick()
      const run = new BodyRun(this, name, answers, asked)
      this.budget.enter(name)
      const question = run.run(body)
      if (question === undefined) return run.blocked ? this.terminal([]) : end(run, run.result, run.stopped)
      branches += question.size
      if (question.variable && question.size > BRANCHES)
        throw new ModelError(
          `${name} reads ${question.variable.name}, which has ${question.size} values: more than ${BRANCHES}`,
        )
      if (branches > BRANCHES)
        throw new ModelError(
          `${name} reads so many cells that it has more than ${BRANCHES} cases: use sum(), or split it`,
        )
      const low = question.variable?.low ?? 0
      const kids = Array.from({ length: question.size }, (_, i) => build([...answers, low + i], [...asked, question]))
      return question.variable ? this.select(question.variable.id, kids) : kids.reduce((a, b) => this.union(a, b))
    }
    return build([], [])
  }
}

/** The branch of a diagram for one value; the diagram itself if it does not test the variable at its top. */
export function cofactor(d: Diagram, variable: number, branch: number): Diagram {
  return d.kind === 'test' && d.variable === variable ? d.children[branch]! : d
}
