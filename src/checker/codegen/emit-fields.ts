// SPDX-License-Identifier: GPL-2.0-or-later
/** Generates the code that reads fields of packed states, and the constant tables that generated code needs. */
import type { Automata } from '../learn/automaton.ts'
import type { Variable } from '../learn/body-run.ts'
import type { Field, Layout } from '../pack/layout.ts'

/** Words of a state are named `w0`, `w1`, ... unless other names are given. */
export class Fields {
  readonly layout: Layout
  readonly automata: Automata
  readonly variables: readonly Variable[]
  /** `[0, 1, ...]`, one for each word. */
  readonly words: readonly number[]
  readonly names: readonly string[]
  private readonly tables = new Map<string, string>()

  constructor(automata: Automata, layout: Layout) {
    this.automata = automata
    this.layout = layout
    this.variables = automata.decisions.variables
    this.words = Array.from({ length: layout.words }, (_, i) => i)
    this.names = this.words.map(i => `w${i}`)
  }

  /** The expression for a field, such as `((w1 >>> 3) & 7)`. */
  get(f: Field, names: readonly string[] = this.names): string {
    if (f.bits === 0) return '0'
    if (f.shift + f.bits === 32) return f.shift === 0 ? `${names[f.word]}` : `(${names[f.word]} >>> ${f.shift})`
    return f.shift === 0 ? `(${names[f.word]} & ${maskOf(f)})` : `((${names[f.word]} >>> ${f.shift}) & ${maskOf(f)})`
  }

  /** The expression for the value of a variable, minus its `low`. */
  value(id: number): string {
    const v = this.variables[id]!
    if (v.cell) return this.get(this.layout.cells[id]!)
    let constant = -v.low
    const parts: string[] = []
    for (const t of v.terms) {
      const first = t.weights[0]!
      const slope = t.weights.length > 1 ? t.weights[1]! - first : 0
      const field = this.get(this.layout.cells[t.cell]!)
      if (t.weights.every((w, k) => w === first + k * slope)) {
        constant += first
        if (slope !== 0) parts.push(slope === 1 ? field : `${slope} * ${field}`)
      } else parts.push(`${this.table(padded(t.weights, this.layout.cells[t.cell]!.bits))}[${field}]`)
    }
    return `(${[...parts, constant].join(' + ')})`
  }

  /** The name of a constant table with these values; equal tables are declared once. */
  table(values: readonly number[]): string {
    const text = `new Int32Array([${values.map(v => v | 0).join()}])`
    let name = this.tables.get(text)
    if (!name) this.tables.set(text, (name = `T${this.tables.size}`))
    return name
  }

  /** The expression that looks a thread's node up in a table by node. */
  ofNode(thread: number, values: readonly number[], names: readonly string[] = this.names): string {
    const f = this.layout.threads[thread]!
    return `${this.table(padded(values, f.bits))}[${this.get(f, names)}]`
  }

  declarations(): string {
    return [...this.tables].map(([text, name]) => `const ${name} = ${text}`).join('\n')
  }

  /** The condition that some thread's run has begun. */
  anyStarted(): string {
    return this.automata.typeOf
      .map((type, t) =>
        this.ofNode(
          t,
          this.automata.types[type]!.nodes.map(n => (n.idle ? 0 : 1)),
        ),
      )
      .map(text => `${text} === 1`)
      .join(' || ')
  }

  /** `anyStartedIn(words)`: whether some thread's run has begun. */
  anyStartedFunction(): string {
    return `function anyStartedIn(${this.names.join()}) { return ${this.anyStarted()} }`
  }

  /** `startedIn(words)`: bits of the threads whose run has begun, of the first 32. */
  startedFunction(): string {
    const bits = this.automata.typeOf.map((type, t) =>
      this.ofNode(
        t,
        this.automata.types[type]!.nodes.map(n => (n.idle ? 0 : 1 << t)),
      ),
    )
    return `function startedIn(${this.names.join()}) { return ${bits.slice(0, 32).join(' | ')} }`
  }

  /** `value(variable, words)`: the value of any variable, minus its `low`. */
  valueFunction(): string {
    const cases = this.variables.map(v => `case ${v.id}: return ${this.value(v.id)}`)
    return `function value(variable, ${this.names.join()}) { switch (variable) {\n${cases.join('\n')}\n} }`
  }
}

export function maskOf(f: Field): number {
  return f.bits === 32 ? -1 : (1 << f.bits) - 1
}

/** The values, padded with 0 to a table that any number of so many bits may index. */
export function padded(values: readonly number[], bits: number): number[] {
  return Array.from({ length: Math.max(1, 1 << bits) }, (_, i) => values[i] ?? 0)
}
