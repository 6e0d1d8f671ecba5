// SPDX-License-Identifier: GPL-2.0-or-later
/** Generates the code of steps and invariants: a `switch` over the nodes of each automaton, and each diagram as branches. */
import type { Automata, Automaton } from '../learn/automaton.ts'
import type { Diagram, InvariantDiagram, Outcome, Terminal } from '../learn/decision.ts'
import { type Fields, maskOf } from './emit-fields.ts'

/** Characters of a function's text after which a new function is begun: V8 does not optimise long functions. */
const CHUNK = 12_000

/** The most branches of one diagram that are written as code; a larger diagram becomes a table. */
const BRANCHES = 2000

/**
 * What is known at a terminal of a diagram by the tests on the path to it: the values of cells; and the cells whose new
 * values are to be written as such, not as a difference that is added to the word.
 */
interface Known {
  readonly values: ReadonlyMap<number, number>
  readonly absolute: Readonly<Record<number, boolean>>
}
type Leaf = (end: Terminal, known: Known) => string

const NOTHING: Known = { values: new Map(), absolute: {} }

/** `t<type>_<word>(n, words, s)` for each automaton: the steps of a thread at node n whose field stands in `word` at shift s. */
export function stepFunctions(fields: Fields, properties: readonly string[]): string {
  const { automata, layout } = fields
  const writer = new StepWriter(fields, properties)
  const functions = new Map<string, string>()
  for (const [t, type] of automata.typeOf.entries()) {
    const { word } = layout.threads[t]!
    const name = stepName(type, word)
    if (!functions.has(name)) functions.set(name, writer.automaton(name, automata.types[type]!, word))
  }
  return [...functions.values()].join('\n')
}

export function stepName(type: number, word: number): string {
  return `t${type}_${word}`
}

/** `invariantsOf(words)`: reports the invariants that do not hold in a state. */
export function invariantsFunction(fields: Fields, invariants: readonly InvariantDiagram[]): string {
  const writer = new StepWriter(fields, [])
  const of = (atRest: boolean) =>
    invariants
      .flatMap((invariant, k) => (invariant.atRest === atRest ? [{ ...invariant, k }] : []))
      .map(
        ({ diagram, k }) =>
          `{${writer.decide(diagram, t => (t.outcomes.length === 0 ? `search.violated('state', ${k});` : ''))}}`,
      )
      .join('\n')
  const resting = of(true)
  return `function invariantsOf(${fields.names.join()}) {
${of(false)}
${resting === '' ? '' : `if (!(${fields.anyStarted()})) {\n${resting}\n}`}
}`
}

class StepWriter {
  private readonly fields: Fields
  private readonly properties: readonly string[]

  constructor(fields: Fields, properties: readonly string[]) {
    this.fields = fields
    this.properties = properties
  }

  automaton(name: string, type: Automaton, word: number): string {
    const chunks: string[][] = [[]]
    const owner: { chunk: number; n: number }[] = []
    let length = 0
    for (const [n, { diagram }] of type.nodes.entries()) {
      if (!diagram) continue
      const body = this.decide(diagram, (t, known) => t.outcomes.map(o => this.outcome(o, word, known)).join(' '))
      if (length > CHUNK) {
        chunks.push([])
        length = 0
      }
      length += body.length
      owner.push({ chunk: chunks.length - 1, n })
      chunks.at(-1)!.push(`case ${n}: {${body} return}`)
    }
    const args = `n, ${this.fields.names.join()}, s`
    const parts = chunks.map((c, i) => `function ${name}_${i}(${args}) { switch (n) {\n${c.join('\n')}\n} }`)
    const dispatch =
      chunks.length === 1
        ? `${name}_0(${args})`
        : `switch (n) {${chunks
            .map((_, i) => {
              const cases = owner.filter(o => o.chunk === i).map(o => `case ${o.n}:`)
              return `${cases.join('')} ${name}_${i}(${args}); return`
            })
            .join('\n')}}`
    return `${parts.join('\n')}\nfunction ${name}(${args}) { ${dispatch} }`
  }

  /** The statements of a diagram: nested branches or, if these would be too many, a loop that walks a table. */
  decide(d: Diagram, leaf: Leaf): string {
    return branches(d) <= BRANCHES ? this.nested(d, NOTHING, leaf) : this.walk(d, leaf)
  }

  private walk(d: Diagram, leaf: Leaf): string {
    const nodes: number[] = []
    const ends: string[] = []
    const place = new Map<Diagram, number>()
    // In the table, a node is its variable and the positions of its children; a terminal is ~number.
    const put = (at: Diagram): number => {
      let n = place.get(at)
      if (n !== undefined) return n
      if (at.kind === 'terminal') n = ~(ends.push(leaf(at, NOTHING)) - 1)
      else {
        const children = at.children.map(put)
        n = nodes.push(at.variable) - 1
        for (const child of children) nodes.push(child)
      }
      place.set(at, n)
      return n
    }
    const root = put(d)
    const cases = ends.map((code, i) => `case ${~i}: {${code} break}`)
    const { table, names } = { table: this.fields.table(nodes), names: this.fields.names.join() }
    return `let n = ${root}; const D = ${table}; while (n >= 0) n = D[n + 1 + value(D[n], ${names})]; switch (n) {${cases.join(' ')}}`
  }

  private nested(d: Diagram, known: Known, leaf: Leaf): string {
    if (d.kind === 'terminal') return leaf(d, known)
    this.fields.automata.decisions.budget.tick()
    const { low, cell } = this.fields.variables[d.variable]!
    const absolute = cell ? { ...known.absolute, [d.variable]: prefersAbsolute(d, low) } : known.absolute
    const byCode = new Map<string, number[]>()
    for (const [i, child] of d.children.entries()) {
      const values = cell ? new Map([...known.values, [d.variable, low + i]]) : known.values
      const code = this.nested(child, { values, absolute }, leaf)
      byCode.set(code, [...(byCode.get(code) ?? []), i])
    }
    if (byCode.size === 1) return [...byCode.keys()][0]!
    const name = `v${d.variable}`
    const groups = [...byCode].sort((a, b) => a[1].length - b[1].length)
    const [lastCode] = groups.pop()!
    const text = groups.map(([code, values]) => `if (${conditionText(name, values, d.children.length)}) {${code}}`)
    return `const ${name} = ${this.fields.value(d.variable)}; ${text.join(' else ')}${lastCode ? ` else {${lastCode}}` : ''}`
  }

  private outcome(o: Outcome, word: number, { values, absolute }: Known): string {
    const bad = o.violations.map(v => `search.violated('step', ${this.properties.indexOf(v)});`).join(' ')
    if (o.stops) return `${bad} search.stop();`
    const { words, layout, variables } = this.fields
    const clear = words.map(() => 0)
    const plus = words.map(() => 0)
    for (const [id, value] of o.writes) {
      const f = layout.cells[id]!
      const before = values.get(id)
      if (before !== undefined && !absolute[id]) plus[f.word]! += (value - before) * 2 ** f.shift
      else {
        clear[f.word]! |= maskOf(f) << f.shift
        plus[f.word]! += (value - variables[id]!.low) * 2 ** f.shift
      }
    }
    const args = words.map(i => {
      const parts = [clear[i] === 0 ? `w${i}` : `(w${i} & ${~clear[i]!})`]
      if (i === word && o.target !== 0) parts.push(`(${o.target} << s)`)
      const constant = Number(BigInt.asIntN(32, BigInt(plus[i]!)))
      if (constant !== 0) parts.push(String(constant))
      return parts.length === 1 ? parts[0]! : `(${parts.join(' + ')}) | 0`
    })
    const go = `successor(${args.join()});`
    return bad === '' ? go : `${bad} if (search.cut) search.stop(); else ${go}`
  }
}

/** The condition that a variable has one of the values: `v === 3`, `v <= 2`, `v >= 1 && v <= 3`, or several joined by `||`. */
function conditionText(name: string, values: readonly number[], size: number): string {
  const runs: [number, number][] = []
  for (const v of values) {
    const last = runs.at(-1)
    if (last && last[1] === v - 1) last[1] = v
    else runs.push([v, v])
  }
  return runs
    .map(([from, to]) => {
      if (from === to) return `${name} === ${from}`
      if (from === 0) return `${name} <= ${to}`
      return to === size - 1 ? `${name} >= ${from}` : `(${name} >= ${from} && ${name} <= ${to})`
    })
    .join(' || ')
}

/** The number of terminals of a diagram that is written as a tree. */
function branches(d: Diagram, memo = new Map<Diagram, number>()): number {
  if (d.kind === 'terminal') return 1
  let n = memo.get(d)
  if (n === undefined) memo.set(d, (n = d.children.reduce((sum, c) => sum + branches(c, memo), 0)))
  return n
}

/**
 * True if a cell gets fewer different new values than differences to the old one: writing the values then makes more branches
 * equal.
 */
function prefersAbsolute(test: Diagram & { kind: 'test' }, low: number): boolean {
  const values = new Set<number>()
  const differences = new Set<number>()
  const seen = new Map<Diagram, Set<number>>()
  const written = (d: Diagram): Set<number> => {
    let out = seen.get(d)
    if (out) return out
    seen.set(d, (out = new Set()))
    if (d.kind === 'terminal') {
      for (const o of d.outcomes) for (const [id, v] of o.writes) if (id === test.variable) out.add(v)
    } else for (const c of d.children) for (const v of written(c)) out.add(v)
    return out
  }
  for (const [i, c] of test.children.entries())
    for (const v of written(c)) {
      values.add(v)
      differences.add(v - low - i)
    }
  return values.size < differences.size
}

/** The most successors that one state can have. */
export function mostSuccessors(automata: Automata): number {
  const most = automata.types.map(mostOutcomes)
  return automata.typeOf.reduce((n, t) => n + most[t]!, 0)
}

/** The most outcomes that one step of the automaton has. */
function mostOutcomes(type: Automaton): number {
  let most = 0
  const seen = new Set<Diagram>()
  const go = (d: Diagram): void => {
    if (seen.has(d)) return
    seen.add(d)
    if (d.kind === 'terminal') most = Math.max(most, d.outcomes.length)
    else d.children.forEach(go)
  }
  for (const n of type.nodes) if (n.diagram) go(n.diagram)
  return most
}
