// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Writes the search for one system as JavaScript text: successors, canonical form, visited set and queue, with every shift,
 * mask and table a constant. Text, because worker threads of any host take text.
 *
 * States are spread over partitions by hash. A round of the search expands states of the frontier into one buffer for each
 * partition, then inserts partition by partition: the inserts of one partition stay within the processor's cache, and with
 * several workers each partition has one owner, so the tables need no atomics (Stern and Dill 1997).
 */
import type { Automata, Automaton } from './automaton.ts'
import type { Diagram, InvariantDiagram, Outcome, Variable } from './decision.ts'
import type { Independence } from './independence.ts'
import type { Field, Layout } from './layout.ts'
import type { Permutation, Symmetry } from './symmetry.ts'

/** log2 of the number of partitions. */
export const PARTITION_BITS = 6
export const PARTITIONS = 1 << PARTITION_BITS

export interface KernelSpec {
  readonly automata: Automata
  readonly layout: Layout
  readonly symmetry: Symmetry
  readonly independence: Independence | undefined
  /** Properties that outcomes and invariants refer to by position: invariants first. */
  readonly properties: readonly string[]
  readonly invariants: readonly InvariantDiagram[]
  readonly deadlock: boolean
}

/** What the text, given an {@link KernelEnv}, evaluates to. */
export interface Kernel {
  /** Inserts a state if it is new. Its partition must be owned. */
  seed(state: Int32Array): void
  /** Expands states of the frontier until a buffer is nearly full (true) or none is left (false). */
  expand(): boolean
  /** Inserts what all workers expanded into owned partitions. */
  insert(): void
  /** Makes the states inserted since the last call the frontier; returns how many they are. */
  advance(): number
  /** Gives the kernel other buffers (all workers at once, between rounds). */
  rebuffer(buffers: readonly Int32Array[], positions: readonly Int32Array[], capacity: number): void
  stats(): { states: number; transitions: number; bytes: number; level: number }
  /** The least violation of each property broken since the last call, deadlocks first; of a property that was told before, none. */
  violations(): FoundViolation[]
  /** States of `level` with a successor among `targets` (states, one after the other), at most `limit` of them. */
  predecessors(level: number, targets: Int32Array, limit: number): Int32Array
  canonical(state: Int32Array): Int32Array
  /** Successors of a state, not made canonical: [thread, words...] one after the other. */
  successors(state: Int32Array): Int32Array
  /** Copies all states of owned partitions. */
  states(): Int32Array
  /** All states with their edges, for liveness: of a kernel that owns every partition, without symmetry. Gives up at `most` edges. */
  graph(initial: Int32Array, most: number): Graph
}

export interface Graph {
  /** State i stands at i * words; its edges at offsets[i] .. offsets[i + 1] of `to` and `who`. */
  readonly states: Int32Array
  readonly offsets: Int32Array
  readonly to: Int32Array
  /** The thread that takes the step. */
  readonly who: Uint8Array
  /** By state: bits of the threads whose run has begun. */
  readonly started: Int32Array
  /** By state: bits of the threads that can end the execution there. */
  readonly stops: Int32Array
  readonly initial: number
  readonly complete: boolean
}

export interface FoundViolation {
  /** Nothing moves in `state`; a step from `state` violates the property; `state` itself does. */
  readonly kind: 'deadlock' | 'step' | 'state'
  readonly property: number
  readonly state: readonly number[]
}

export interface KernelEnv {
  /** Which worker this is, and of how many. */
  readonly me: number
  readonly workers: number
  /** Executions end where they break a property. */
  readonly cut?: boolean
}

/** Length of a function's text at which the rest goes into another: long ones are not optimised. */
const CHUNK = 12_000

/** Branches of one diagram that are written out. */
const BRANCHES = 2000

/** The text of a function body that takes `env` and returns a {@link Kernel}. */
export function kernelText(spec: KernelSpec): string {
  return new Writer(spec).text()
}

/** Builds the kernel in this thread. */
export function kernelOf(text: string, env: KernelEnv): Kernel {
  return new Function('env', text)(env) as Kernel
}

class Writer {
  private readonly spec: KernelSpec
  private readonly layout: Layout
  private readonly variables: readonly Variable[]
  private readonly words: number[]
  private readonly names: string[]
  private readonly tables: string[] = []
  private readonly tableNames = new Map<string, string>()

  constructor(spec: KernelSpec) {
    this.spec = spec
    this.layout = spec.layout
    this.variables = spec.automata.decisions.variables
    this.words = Array.from({ length: spec.layout.words }, (_, i) => i)
    this.names = this.words.map(i => `w${i}`)
  }

  text(): string {
    const steps = this.stepFunctions()
    const expand = this.expandFunction()
    const emit = this.emitFunction()
    const broken = this.brokenFunction()
    const started = this.startedBitsText()
    const value = this.valueFunction()
    return [`'use strict'`, ...this.tables, this.runtime(), emit, broken, started, value, steps, expand, API].join('\n')
  }

  /** `(w1 >>> 3) & 7` of a field. */
  private get(f: Field, names: readonly string[] = this.names): string {
    if (f.bits === 0) return '0'
    if (f.shift + f.bits === 32) return f.shift === 0 ? `${names[f.word]}` : `(${names[f.word]} >>> ${f.shift})`
    return f.shift === 0 ? `(${names[f.word]} & ${maskOf(f)})` : `((${names[f.word]} >>> ${f.shift}) & ${maskOf(f)})`
  }

  /** A constant table, once for equal contents. */
  private table(values: readonly number[]): string {
    const text = `Int32Array.of(${values.map(v => v | 0).join()})`
    let name = this.tableNames.get(text)
    if (!name) {
      this.tableNames.set(text, (name = `T${this.tables.length}`))
      this.tables.push(`const ${name} = ${text}`)
    }
    return name
  }

  /** The value of a variable, minus its `low`. */
  private value(id: number, names: readonly string[] = this.names): string {
    const v = this.variables[id]!
    if (v.cell) return this.get(this.layout.cells[id]!, names)
    let constant = -v.low
    const parts: string[] = []
    for (const t of v.terms) {
      const first = t.weights[0]!
      const slope = t.weights.length > 1 ? t.weights[1]! - first : 0
      const field = this.get(this.layout.cells[t.cell]!, names)
      if (t.weights.every((w, k) => w === first + k * slope)) {
        constant += first
        if (slope !== 0) parts.push(slope === 1 ? field : `${slope} * ${field}`)
      } else parts.push(`${this.table(padded(t.weights, this.layout.cells[t.cell]!.bits))}[${field}]`)
    }
    return `(${[...parts, constant].join(' + ')})`
  }

  private runtime(): string {
    const W = this.layout.words
    const most = mostSuccessors(this.spec.automata)
    return `
const W = ${W}, PBITS = ${PARTITION_BITS}, P = ${PARTITIONS}, MOST = ${most}
const me = env.me, workers = env.workers
let buffers = [], positions = [], out = null, pos = null, cap = 0
const logs = [], tabs = [], counts = new Int32Array(P), lo = new Int32Array(P), hi = new Int32Array(P), starts = []
for (let p = 0; p < P; p++) { logs.push(null); tabs.push(null); starts.push([]) }
let atP = me, atI = 0, full = false, moves = 0, enabled = 0, mode = 0, hit = 0, level = 0
const cut = env.cut === true
// By property: the kind of its least violation, -1 without one, -2 once told; and that violation's state.
const kinds = new Int8Array(${Math.max(1, this.spec.properties.length)}).fill(-1), worst = new Int32Array(kinds.length * W)
let failed = false
let bits = null, exact = null
const current = new Int32Array(W), captured = []
function worse(kind, property, ${this.names.join()}) {
  if (mode !== 0 || kinds[property] === -2) return
  const at = property * W
  if (kinds[property] >= 0) {
    if (kind > kinds[property]) return
    if (kind === kinds[property]) {
      ${this.words.map(i => `if (w${i} !== worst[at + ${i}]) { if (w${i} > worst[at + ${i}]) return } else`).join(' ')} return
    }
  }
  kinds[property] = kind
  ${this.words.map(i => `worst[at + ${i}] = w${i}`).join('; ')}
}
function bump(property) { enabled++; if (mode === 0) worse(1, property, ${this.words.map(i => `current[${i}]`).join()}) }
let stopping = 0
function stop() { enabled++; moves++; stopping |= 1 << thread }
function hash(${this.names.join()}) {
  let h = Math.imul(w0 ^ (w0 >>> 15), 0x2c1b3c6d)
  ${this.words
    .slice(1)
    .map(i => `h = Math.imul(h ^ (h >>> 13) ^ w${i}, 0x297a2d39 + ${2 * i}) ; h ^= h >>> 16`)
    .join('\n  ')}
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
function find(${this.names.join()}) {
  return exact.has(${W === 1 ? 'w0' : `String.fromCharCode(${this.words.map(i => `w${i} & 65535, w${i} >>> 16`).join()})`})
}
function keyAt(a, j) {
  return ${W === 1 ? 'a[j]' : `String.fromCharCode(${this.words.map(i => `a[j + ${i}] & 65535, a[j + ${i}] >>> 16`).join()})`}
}
function expandAt(a, j) { expandState(${this.words.map(i => `a[j + ${i}]`).join()}) }
function hashAt(a, j) { return hash(${this.words.map(i => `a[j + ${i}]`).join()}) }
let to = null, who = null, edges = 0
const base = new Int32Array(P)
function edge(${this.names.join()}, h) {
  const p = h >>> (32 - PBITS), log = logs[p], tab = tabs[p], mask = tab.length - 1
  let s = h & mask, k = 0
  for (; (k = tab[s] & INDEX) !== 0; s = (s + 1) & mask) {
    const q = (k - 1) * W
    if (${this.words.map(i => `log[q + ${i}] === w${i}`).join(' && ')}) break
  }
  if (edges === to.length) {
    const room = edges + (edges >>> 1), more = new Int32Array(room), names = new Uint8Array(room)
    more.set(to); names.set(who)
    to = more; who = names
  }
  to[edges] = base[p] + k - 1
  who[edges++] = thread
}
// An entry of a table: 1 + position in the partition's log, and bits of the hash that spare most looks at the log.
const INDEX = 0xffffff, TAG = ~INDEX
let overflow = false
function tagOf(h) { return (h << PBITS) & TAG }
function insertPartition(p) {
  let log = logs[p], tab = tabs[p], n = counts[p]
  if (log === null) { log = logs[p] = new Int32Array(256 * W); tab = tabs[p] = new Int32Array(512) }
  let mask = tab.length - 1, room = log.length / W, most = (tab.length * 3) >>> 2
  for (let k = 0; k < workers; k++) {
    const src = buffers[k], end = (p * cap + positions[k][p]) * W
    outer: for (let j = p * cap * W; j < end; j += W) {
      ${this.words.map(i => `const w${i} = src[j + ${i}]`).join('; ')}
      const h = hash(${this.names.join()}), tag = tagOf(h)
      let s = h & mask
      for (let e = tab[s]; e !== 0; e = tab[s = (s + 1) & mask]) {
        if ((e & TAG) !== tag) continue
        const q = ((e & INDEX) - 1) * W
        if (${this.words.map(i => `log[q + ${i}] === w${i}`).join(' && ')}) continue outer
      }
      if (n >= INDEX - 1) { overflow = true; continue }
      if (n === room) {
        room = room + (room >>> 1)
        const bigger = new Int32Array(room * W)
        bigger.set(log)
        logs[p] = log = bigger
      }
      ${this.words.map(i => `log[n * W + ${i}] = w${i}`).join('; ')}
      tab[s] = tag | ++n
      broken(${this.names.join()})
      if (n > most) {
        tab = tabs[p] = new Int32Array(tab.length * 2)
        mask = tab.length - 1; most = (tab.length * 3) >>> 2
        for (let i = 0; i < n; i++) {
          const h = hashAt(log, i * W)
          let s = h & mask
          while (tab[s] !== 0) s = (s + 1) & mask
          tab[s] = tagOf(h) | (i + 1)
        }
      }
    }
  }
  counts[p] = n
}
`
  }

  /** `e(words)`: a successor. Puts it into canonical form, then into the buffer of its partition. */
  private emitFunction(): string {
    const W = this.words
    return `
function e(${this.names.join()}) {
  moves++; enabled++
  if (mode === 2) { captured.push(thread, ${this.names.join()}); return }
  ${this.canonicalText()}
  const h = hash(${this.names.join()})
  if (mode === 3) return edge(${this.names.join()}, h)
  if (mode === 1) {
    if (bits[(h >>> 5) & (bits.length - 1)] & (1 << (h & 31)) && find(${this.names.join()})) hit = 1
    return
  }
  const p = h >>> (32 - PBITS), n = pos[p], j = (p * cap + n) * ${W.length}
  ${W.map(i => `out[j + ${i}] = w${i}`).join('; ')}
  pos[p] = n + 1
  if (n > cap - 2 - MOST) full = true
}
function canonical(${this.names.join()}) {
  ${this.canonicalText()}
  return [${this.names.join()}]
}`
  }

  private canonicalText(): string {
    const { tried, keys } = this.spec.symmetry
    if (tried.length <= 1) return this.sortText(this.names)
    const lines: string[] = []
    const key = keys.map(({ sort, cells }, s) =>
      Array.from({ length: sort.size }, (_, m) => {
        const name = `k${s}_${m}`
        let shift = 0
        const parts = cells[m]!.map(id => {
          const at = shift
          shift += this.layout.cells[id]!.bits
          return at === 0 ? this.get(this.layout.cells[id]!) : `(${this.get(this.layout.cells[id]!)} << ${at})`
        })
        lines.push(`const ${name} = ${parts.length > 0 ? parts.join(' | ') : '0'}`)
        return name
      }),
    )
    const best = this.words.map(i => `b${i}`)
    lines.push(`let ${best.map(b => `${b} = 0`).join()}, any = false`)
    for (const { permutation, images } of tried) {
      // Member m goes to images[s][m]: in the image, keys must not decrease.
      const conditions = images.flatMap((image, s) => {
        const order: number[] = []
        for (const [m, to] of image.entries()) order[to] = m
        return keys[s]!.cells[0]!.length === 0
          ? []
          : order.slice(1).map((m, i) => `${key[s]![order[i]!]} <= ${key[s]![m]}`)
      })
      const image = this.words.map(i => `x${i}`)
      lines.push(
        `${conditions.length > 0 ? `if (${conditions.join(' && ')}) ` : ''}{`,
        `let ${this.words.map(i => `x${i} = ${this.imageText(permutation, i)}`).join()}`,
        this.sortText(image),
        `if (!any || ${lessText(image, best)}) { ${this.words.map(i => `b${i} = x${i}`).join('; ')}; any = true }`,
        '}',
      )
    }
    lines.push(this.words.map(i => `w${i} = b${i}`).join('; '))
    return lines.join('\n  ')
  }

  /** Word `word` of the image of a state. */
  private imageText(p: Permutation, word: number): string {
    const moved = new Map<string, { from: number; by: number; mask: number }>()
    const parts: string[] = []
    const place = (from: Field, to: Field, map: readonly number[] | undefined) => {
      if (to.word !== word || from.bits === 0) return
      if (map) {
        const shifted = padded(map, from.bits).map(v => v << to.shift)
        parts.push(`${this.table(shifted)}[${this.get(from)}]`)
        return
      }
      const by = to.shift - from.shift
      const key = `${from.word},${by}`
      const group = moved.get(key) ?? { from: from.word, by, mask: 0 }
      group.mask |= maskOf(from) << from.shift
      moved.set(key, group)
    }
    for (const [c, to] of p.cells.entries()) place(this.layout.cells[c]!, this.layout.cells[to]!, p.values[c])
    for (const [t, to] of p.threads.entries()) place(this.layout.threads[t]!, this.layout.threads[to]!, p.nodes[t])
    for (const { from, by, mask } of moved.values()) {
      const bits = `(${this.names[from]} & ${mask})`
      parts.push(by === 0 ? bits : by > 0 ? `(${bits} << ${by})` : `(${bits} >>> ${-by})`)
    }
    return parts.length > 0 ? parts.join(' | ') : '0'
  }

  /** Sorts the blocks of identical threads: insertion of each block into those before it. */
  private sortText(names: readonly string[]): string {
    return this.spec.symmetry.sorted
      .map(({ blocks }, s) => {
        const fields = blocks.map(b => this.blockField(b))
        if (fields[0]!.bits === 0) return ''
        const key = fields.map((_, i) => `s${s}_${i}`)
        const lines = [`let ${key.map((k, i) => `${k} = ${this.get(fields[i]!, names)}`).join()}, t${s} = 0`]
        const out: string[] = []
        for (let i = 1; i < fields.length; i++)
          for (let j = i; j > 0; j--)
            out.push(
              `if (${key[j]} < ${key[j - 1]}) { t${s} = ${key[j]}; ${key[j]} = ${key[j - 1]}; ${key[j - 1]} = t${s} }`,
            )
        lines.push(...out)
        for (const [i, f] of fields.entries())
          lines.push(`${names[f.word]} = (${names[f.word]} & ${~(maskOf(f) << f.shift)}) | (${key[i]} << ${f.shift})`)
        return lines.join('\n  ')
      })
      .join('\n  ')
  }

  private blockField(block: Symmetry['sorted'][number]['blocks'][number]): Field {
    const fields = block
      .map(i => ('cell' in i ? this.layout.cells[i.cell]! : this.layout.threads[i.thread]!))
      .filter(f => f.bits > 0)
    const first = fields[0] ?? { word: 0, shift: 0, bits: 0 }
    return { word: first.word, shift: first.shift, bits: fields.reduce((n, f) => n + f.bits, 0) }
  }

  /** `broken(words)`: notes the invariants that do not hold in a new state. */
  private brokenFunction(): string {
    const texts = this.spec.invariants.map(({ diagram }, k) =>
      this.decideText(diagram, t =>
        t.outcomes.length === 0 ? `failed = true; worse(2, ${k}, ${this.names.join()});` : '',
      ),
    )
    const of = (atRest: boolean) =>
      texts.filter((_, k) => this.spec.invariants[k]!.atRest === atRest).map(t => `{${t}}`)
    const resting = of(true)
    const rest = resting.length > 0 ? `if (!(${this.startedText()})) {\n${resting.join('\n')}\n}` : ''
    return `function broken(${this.names.join()}) {\n${of(false).join('\n')}\n${rest}\n}`
  }

  /** Bits of the threads whose run has begun. */
  private startedBitsText(): string {
    const bits = this.spec.automata.typeOf.map((type, t) => {
      const f = this.layout.threads[t]!
      const set = this.spec.automata.types[type]!.nodes.map(n => (n.idle ? 0 : 1 << t))
      return `${this.table(padded(set, f.bits))}[${this.get(f)}]`
    })
    return `function startedBits(a, j) {
  ${this.words.map(i => `const w${i} = a[j + ${i}]`).join('; ')}
  return ${bits.join(' | ')}
}`
  }

  /** Whether a thread's run has begun. */
  private startedText(): string {
    return this.spec.automata.typeOf
      .map((type, t) => {
        const f = this.layout.threads[t]!
        const set = this.spec.automata.types[type]!.nodes.map(n => (n.idle ? 0 : 1))
        return `${this.table(padded(set, f.bits))}[${this.get(f)}] === 1`
      })
      .join(' || ')
  }

  /** `t<type>_<word>(n, words, s)`: the steps of a thread at node n whose field stands in `word` at shift s. */
  private stepFunctions(): string {
    const out: string[] = []
    const done = new Set<string>()
    for (const [t, type] of this.spec.automata.typeOf.entries()) {
      const { word } = this.layout.threads[t]!
      const name = `t${type}_${word}`
      if (done.has(name)) continue
      done.add(name)
      out.push(this.automatonText(name, this.spec.automata.types[type]!, word))
    }
    return out.join('\n')
  }

  private automatonText(name: string, type: Automaton, word: number): string {
    const chunks: string[][] = [[]]
    const owner: { chunk: number; n: number }[] = []
    let length = 0
    for (const [n, { diagram }] of type.nodes.entries()) {
      if (!diagram) continue
      const body = this.decideText(diagram, (t, known, absolute) =>
        t.outcomes.map(o => this.outcomeText(o, word, known, absolute)).join(' '),
      )
      if (length > CHUNK) {
        chunks.push([])
        length = 0
      }
      length += body.length
      owner.push({ chunk: chunks.length - 1, n })
      chunks.at(-1)!.push(`case ${n}: {${body} return}`)
    }
    const args = `n, ${this.names.join()}, s`
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

  /** Text that decides and acts: nested branches, or for a diagram that would be too long as text, a walk through a table. */
  private decideText(
    d: Diagram,
    leaf: (
      t: Diagram & { kind: 'terminal' },
      known: ReadonlyMap<number, number>,
      absolute: Record<number, boolean>,
    ) => string,
  ): string {
    if (branches(d) <= BRANCHES) return this.diagramText(d, new Map(), {}, leaf)
    const nodes: number[] = []
    const ends: string[] = []
    const place = new Map<Diagram, number>()
    // A node is its variable and the places of its children; an end is ~number.
    const put = (at: Diagram): number => {
      let n = place.get(at)
      if (n !== undefined) return n
      if (at.kind === 'terminal') n = ~(ends.push(leaf(at, new Map(), {})) - 1)
      else {
        const children = at.children.map(put)
        n = nodes.push(at.variable, ...children) - 1 - children.length
      }
      place.set(at, n)
      return n
    }
    const root = put(d)
    const cases = ends.map((code, i) => `case ${~i}: {${code} break}`)
    return `let n = ${root}; const D = ${this.table(nodes)}; while (n >= 0) n = D[n + 1 + value(D[n], ${this.names.join()})]; switch (n) {${cases.join(' ')}}`
  }

  /** `value(variable, words)`: the value of any variable, minus its `low`. */
  private valueFunction(): string {
    const cases = this.variables.map(v => `case ${v.id}: return ${this.value(v.id)}`)
    return `function value(variable, ${this.names.join()}) { switch (variable) {\n${cases.join('\n')}\n} }`
  }

  private diagramText(
    d: Diagram,
    known: ReadonlyMap<number, number>,
    absolute: Record<number, boolean>,
    leaf: (
      t: Diagram & { kind: 'terminal' },
      known: ReadonlyMap<number, number>,
      absolute: Record<number, boolean>,
    ) => string,
  ): string {
    if (d.kind === 'terminal') return leaf(d, known, absolute)
    const { low, cell } = this.variables[d.variable]!
    const modes = cell ? { ...absolute, [d.variable]: prefersAbsolute(d, low) } : absolute
    const byCode = new Map<string, number[]>()
    for (const [i, child] of d.children.entries()) {
      const code = this.diagramText(child, cell ? new Map([...known, [d.variable, low + i]]) : known, modes, leaf)
      byCode.set(code, [...(byCode.get(code) ?? []), i])
    }
    if (byCode.size === 1) return [...byCode.keys()][0]!
    const name = `v${d.variable}`
    const groups = [...byCode].sort((a, b) => a[1].length - b[1].length)
    const [lastCode] = groups.pop()!
    const text = groups.map(([code, values]) => `if (${conditionText(name, values, d.children.length)}) {${code}}`)
    return `const ${name} = ${this.value(d.variable)}; ${text.join(' else ')}${lastCode ? ` else {${lastCode}}` : ''}`
  }

  private outcomeText(
    o: Outcome,
    word: number,
    known: ReadonlyMap<number, number>,
    absolute: Record<number, boolean>,
  ): string {
    const bad = o.violations.map(v => `bump(${this.spec.properties.indexOf(v)});`).join(' ')
    if (o.stops) return `${bad} stop();`
    const clear = this.words.map(() => 0)
    const plus = this.words.map(() => 0)
    for (const [id, value] of o.writes) {
      const f = this.layout.cells[id]!
      const { low } = this.variables[id]!
      const before = known.get(id)
      if (before !== undefined && !absolute[id]) plus[f.word]! += (value - before) * 2 ** f.shift
      else {
        clear[f.word]! |= maskOf(f) << f.shift
        plus[f.word]! += (value - low) * 2 ** f.shift
      }
    }
    const args = this.words.map(i => {
      const parts = [clear[i] === 0 ? `w${i}` : `(w${i} & ${~clear[i]!})`]
      if (i === word && o.target !== 0) parts.push(`(${o.target} << s)`)
      const constant = Number(BigInt.asIntN(32, BigInt(plus[i]!)))
      if (constant !== 0) parts.push(String(constant))
      return parts.length === 1 ? parts[0]! : `(${parts.join(' + ')}) | 0`
    })
    const go = `e(${args.join()});`
    return bad === '' ? go : `${bad} if (cut) stop(); else ${go}`
  }

  /** `expandState(words)`: every step of every thread, or of one that may go alone. */
  private expandFunction(): string {
    const { typeOf } = this.spec.automata
    const sameAsBefore = this.duplicateConditions()
    const call = (t: number) => {
      const f = this.layout.threads[t]!
      const cleared = this.words.map(i => (i === f.word && f.bits > 0 ? `w${i} & ${~(maskOf(f) << f.shift)}` : `w${i}`))
      return `t${typeOf[t]}_${f.word}(n${t}, ${cleared.join()}, ${f.shift});`
    }
    const threads = typeOf.map((_, t) => t)
    const steps = threads.map(t => {
      const skip = sameAsBefore.get(t)
      const thread = `thread = ${t}; `
      return skip ? `if (!(${skip})) { ${thread}${call(t)} }` : `${thread}${call(t)}`
    })
    const nodes = threads.map(t => `const n${t} = ${this.get(this.layout.threads[t]!)}`)
    const alone = this.spec.independence ? this.aloneText(this.spec.independence, call) : ''
    const deadlock = this.spec.deadlock
      ? `if (enabled === 0 && (${this.startedText()})) worse(0, ${this.spec.properties.indexOf('deadlock')}, ${this.names.join()})`
      : ''
    return `let thread = 0
function expandState(${this.names.join()}) {
  enabled = 0
  if (cut) {
    failed = false
    broken(${this.names.join()})
    if (failed) { stopping = -1; return }
  }
  ${this.words.map(i => `current[${i}] = w${i}`).join('; ')}
  ${nodes.join('\n  ')}
  ${alone}
  ${steps.join('\n  ')}
  ${deadlock}
}`
  }

  /** By thread of a sorted sort: the condition that its block equals the one before, whose steps lead to the same orbits. */
  private duplicateConditions(): Map<number, string> {
    const out = new Map<number, string>()
    for (const { blocks } of this.spec.symmetry.sorted)
      for (let i = 1; i < blocks.length; i++)
        for (const item of blocks[i]!) {
          if (!('thread' in item)) continue
          const same = `${this.get(this.blockField(blocks[i]!))} === ${this.get(this.blockField(blocks[i - 1]!))}`
          out.set(item.thread, out.has(item.thread) ? `${out.get(item.thread)} || ${same}` : same)
        }
    // In modes 2 and 3 every thread's steps are wanted.
    for (const [t, c] of out) out.set(t, `mode < 2 && (${c})`)
    return out
  }

  private aloneText(independence: Independence, call: (t: number) => string): string {
    const { typeOf, decisions } = this.spec.automata
    const cells = decisions.variables.filter(v => v.cell).length
    const masks = Math.ceil(cells / 32)
    const lines: string[] = []
    for (const [t, alone] of independence.alone.entries()) {
      if (alone.every(a => a === 0)) continue
      const f = this.layout.threads[t]!
      const kinds = this.table(padded([...alone], f.bits))
      const own = independence.access[typeOf[t]!]!
      const free = typeOf.flatMap((type, u) => {
        if (u === t) return []
        const other = independence.access[type]!
        const pick = (
          nodes: typeof own,
          of: 'touches' | 'writes' | 'laterTouches' | 'laterWrites',
          k: number,
          bits: number,
        ) =>
          this.table(
            padded(
              nodes.map(n => Number(BigInt.asIntN(32, n[of] >> BigInt(32 * k)))),
              bits,
            ),
          )
        return Array.from({ length: masks }, (_, k) => {
          const bits = this.layout.threads[u]!.bits
          return `!(${pick(own, 'writes', k, f.bits)}[n${t}] & ${pick(other, 'laterTouches', k, bits)}[n${u}] | ${pick(own, 'touches', k, f.bits)}[n${t}] & ${pick(other, 'laterWrites', k, bits)}[n${u}])`
        })
      })
      const dynamic = alone.includes(2) && free.length > 0 ? ` && (a${t} === 1 || ${free.join(' && ')})` : ''
      lines.push(
        `const a${t} = ${kinds}[n${t}]; if (mode < 2 && a${t} !== 0${dynamic}) { thread = ${t}; ${call(t)} return }`,
      )
    }
    return lines.join('\n  ')
  }
}

/** The part of the text that is the same for every system. */
const API = `
function bytes() {
  if (overflow) return Infinity
  let n = 0
  for (let p = 0; p < P; p++) if (logs[p] !== null) n += logs[p].byteLength + tabs[p].byteLength
  return n + (out === null ? 0 : out.byteLength)
}
function own(state) {
  const c = canonical(...state), p = hash(...c) >>> (32 - PBITS)
  return { c, p }
}
return {
  rebuffer(b, q, c) { buffers = b; positions = q; out = b[me]; pos = q[me]; cap = c },
  seed(state) {
    const { c, p } = own(state)
    if (p % workers !== me) return
    const j = p * cap * W
    for (let i = 0; i < W; i++) out[j + i] = c[i]
    pos[p] = 1
    insertPartition(p)
    pos[p] = 0
  },
  expand() {
    pos.fill(0)
    full = false
    for (; atP < P; atP += workers, atI = 0) {
      const log = logs[atP]
      let i = lo[atP] + atI
      const end = hi[atP]
      while (i < end) {
        const j = i++ * W
        expandAt(log, j)
        if (full) { atI = i - lo[atP]; return true }
      }
    }
    return false
  },
  insert() {
    for (let p = me; p < P; p += workers) insertPartition(p)
  },
  advance() {
    let n = 0
    for (let p = me; p < P; p += workers) {
      starts[p].push(hi[p])
      lo[p] = hi[p]; hi[p] = counts[p]
      n += hi[p] - lo[p]
    }
    atP = me; atI = 0; level++
    return n
  },
  stats() {
    let states = 0
    for (let p = me; p < P; p += workers) states += counts[p]
    return { states, transitions: moves, bytes: bytes(), level }
  },
  violations() {
    const found = []
    for (const [kind, name] of ['deadlock', 'step', 'state'].entries())
      for (let property = 0; property < kinds.length; property++) {
        if (kinds[property] !== kind) continue
        kinds[property] = -2
        found.push({ kind: name, property, state: Array.from(worst.subarray(property * W, (property + 1) * W)) })
      }
    return found
  },
  predecessors(level, targets, limit) {
    mode = 1
    const kept = moves
    bits = new Int32Array(1 << 15)
    exact = new Set()
    for (let j = 0; j < targets.length; j += W) {
      const h = hashAt(targets, j)
      bits[(h >>> 5) & (bits.length - 1)] |= 1 << (h & 31)
      exact.add(keyAt(targets, j))
    }
    const found = []
    for (let p = me; p < P; p += workers) {
      const from = starts[p][level], to = level + 1 < starts[p].length ? starts[p][level + 1] : hi[p]
      for (let i = from; i < to && found.length < limit * W; i++) {
        hit = 0
        expandAt(logs[p], i * W)
        if (hit) for (let k = 0; k < W; k++) found.push(logs[p][i * W + k])
      }
    }
    bits = exact = null
    mode = 0; moves = kept
    return Int32Array.from(found)
  },
  canonical(state) { return Int32Array.from(canonical(...state)) },
  successors(state) {
    mode = 2
    const kept = moves
    captured.length = 0
    expandState(...state)
    const all = Int32Array.from(captured)
    captured.length = 0
    mode = 0; moves = kept
    return all
  },
  graph(initial, most) {
    let n = 0
    for (let p = 0; p < P; p++) { base[p] = n; n += counts[p] }
    const offsets = new Int32Array(n + 1), stops = new Int32Array(n), started = new Int32Array(n), states = this.states()
    to = new Int32Array(1024); who = new Uint8Array(1024); edges = 0
    mode = 3
    const kept = moves
    let i = 0
    for (; i < n && edges <= most; i++) {
      stopping = 0
      started[i] = startedBits(states, i * W)
      expandAt(states, i * W)
      offsets[i + 1] = edges
      stops[i] = stopping
    }
    mode = 0; moves = kept
    const graph = { offsets, to: to.subarray(0, edges), who: who.subarray(0, edges), started, stops, states, complete: i === n, initial: 0 }
    for (let j = 0; j < n * W; j += W) {
      let k = 0
      while (k < W && states[j + k] === initial[k]) k++
      if (k === W) { graph.initial = j / W; break }
    }
    to = who = null
    return graph
  },
  states() {
    let n = 0
    for (let p = me; p < P; p += workers) n += counts[p]
    const all = new Int32Array(n * W)
    let at = 0
    for (let p = me; p < P; p += workers) {
      if (logs[p] === null) continue
      all.set(logs[p].subarray(0, counts[p] * W), at)
      at += counts[p] * W
    }
    return all
  },
}`

function maskOf(f: Field): number {
  return f.bits === 32 ? -1 : (1 << f.bits) - 1
}

function padded(values: readonly number[], bits: number): number[] {
  return Array.from({ length: Math.max(1, 1 << bits) }, (_, i) => values[i] ?? 0)
}

function lessText(a: readonly string[], b: readonly string[]): string {
  return a.reduceRight(
    (rest, x, i) => (rest === '' ? `${x} < ${b[i]}` : `(${x} < ${b[i]} || (${x} === ${b[i]} && ${rest}))`),
    '',
  )
}

/** `v === 3`, `v <= 2`, `v >= 1 && v <= 3`, or those joined. */
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

/** Ends of a diagram as a tree. */
function branches(d: Diagram, memo = new Map<Diagram, number>()): number {
  if (d.kind === 'terminal') return 1
  let n = memo.get(d)
  if (n === undefined) memo.set(d, (n = d.children.reduce((sum, c) => sum + branches(c, memo), 0)))
  return n
}

/** Whether new values are fewer than differences to the old one: then branches are alike if values are written, not added. */
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
