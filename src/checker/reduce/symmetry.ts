// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Finds the permutations of a sort's members that leave the system unchanged. They play the part of scalarsets (Ip and Dill
 * 1996), but are checked instead of declared: each cell must go to a cell of its family, each thread to a thread whose automaton
 * is the image of its own, and each invariant to an invariant.
 */
import { type Automata, minimize } from '../learn/automaton.ts'
import type { Decisions, Diagram, InvariantDiagram, Outcome } from '../learn/decision.ts'
import type { Image, Member, Sort, System } from '../model.ts'
import type { Item } from '../pack/layout.ts'

/** One permutation, as it acts on a state. */
export interface Permutation {
  /** By variable of a cell: the variable that receives its value. */
  readonly cells: readonly number[]
  /** By variable of a cell: new value - min, by value - min; undefined where values stay. */
  readonly values: readonly (readonly number[] | undefined)[]
  /** By thread: the thread that receives its node. */
  readonly threads: readonly number[]
  /** By thread: new node by node; undefined where nodes stay. */
  readonly nodes: readonly (readonly number[] | undefined)[]
}

export interface Symmetry {
  /** Sorts whose permutations only swap blocks of fields, by member its block: sorting the blocks gives the canonical state. */
  readonly sorted: readonly { readonly sort: Sort; readonly blocks: readonly (readonly Item[])[] }[]
  /** Permutations that are tried one by one to find the least image of a state; the identity is the first. */
  readonly tried: readonly Tried[]
  /** By sort of `tried`, by member: cells whose values form its key. Only permutations that put the keys in order are tried. */
  readonly keys: readonly { readonly sort: Sort; readonly cells: readonly (readonly number[])[] }[]
  /** Swaps of neighbouring members, which generate all of these permutations. */
  readonly generators: readonly Permutation[]
  /** Sorts whose symmetry is not used, and why: most often because the model treats the members differently. */
  readonly refused: readonly { readonly sort: Sort; readonly why: string }[]
}

/** A permutation, and by sort of {@link Symmetry.keys} and by member, the member to which it sends that. */
export interface Tried {
  readonly permutation: Permutation
  readonly images: readonly (readonly number[])[]
}

/** The most permutations that are tried; sorts that would need more are refused. */
const TRIED = 200

export const NONE: Symmetry = { sorted: [], tried: [], keys: [], generators: [], refused: [] }

/** An invariant with its name. A permutation must not send it to one of another name, since that would change the report. */
type NamedInvariant = InvariantDiagram & { readonly name: string }

/**
 * Finds the symmetry of a system.
 * @param threadClasses by thread, its class: only permutations that send each thread to one of its class; one class if omitted.
 */
export function symmetry(
  system: System,
  automata: Automata,
  invariants: readonly NamedInvariant[],
  threadClasses: readonly string[] = system.threads.map(() => ''),
): Symmetry {
  const finder = new Finder(system, automata, invariants)
  const refused: { sort: Sort; why: string }[] = []
  const found: { sort: Sort; swaps: Permutation[] }[] = []
  for (const sort of sortsOf(system)) {
    const swaps = members(sort.size - 1).map(i => finder.swap(sort, i))
    const why = swaps.find(s => typeof s === 'string')
    if (swaps.some(s => typeof s !== 'string' && s.threads.some((to, t) => threadClasses[to] !== threadClasses[t])))
      continue
    if (typeof why === 'string') refused.push({ sort, why })
    else found.push({ sort, swaps: swaps as Permutation[] })
  }
  const sorted = disjoint(
    found.filter(f => finder.onlySwapsBlocks(f.sort, f.swaps)),
    f => finder.blocks(f.sort).flat(),
  )
  let tried: Tried[] = [{ permutation: finder.identity(), images: [] }]
  const keys: { sort: Sort; cells: number[][] }[] = []
  const generators = sorted.flatMap(f => f.swaps)
  for (const { sort, swaps } of found.filter(f => !sorted.includes(f)).sort((a, b) => a.sort.size - b.sort.size)) {
    const group = generate(finder.identity(), swaps, sort.size)
    if (group.length * tried.length > TRIED) {
      refused.push({ sort, why: `${group.length * tried.length} permutations are too many to try` })
      continue
    }
    tried = tried.flatMap(t =>
      group.map(g => ({ permutation: compose(t.permutation, g.permutation), images: [...t.images, g.image] })),
    )
    keys.push({ sort, cells: finder.keyCells(sort) })
    generators.push(...swaps)
  }
  return {
    sorted: [
      ...sorted.map(f => ({ sort: f.sort, blocks: finder.blocks(f.sort) })),
      ...identicalThreads(system, automata, threadClasses),
    ],
    tried,
    keys,
    generators,
    refused,
  }
}

/** True if every permutation in use sends each thread to one of its class. */
export function keepsThreadClasses({ sorted, generators }: Symmetry, threadClasses: readonly string[]): boolean {
  return (
    generators.every(g => g.threads.every((to, t) => threadClasses[to] === threadClasses[t])) &&
    sorted.every(({ blocks }) =>
      blocks.every(block =>
        block.every((item, i) => {
          const first = blocks[0]![i]!
          return !('thread' in item && 'thread' in first) || threadClasses[item.thread] === threadClasses[first.thread]
        }),
      ),
    )
  )
}

/** True if some permutation in use moves a thread. */
export function movesThreads({ sorted, generators }: Symmetry): boolean {
  return (
    generators.some(g => g.threads.some((to, t) => to !== t)) ||
    sorted.some(({ blocks }) => blocks[0]!.some(item => 'thread' in item))
  )
}

/** Keeps, in order, what shares no item with one that was kept before, because a field can be in one block only. */
function disjoint<T>(list: readonly T[], itemsOf: (of: T) => readonly Item[]): T[] {
  const taken = new Set<string>()
  return list.filter(of => {
    const items = itemsOf(of).map(i => JSON.stringify(i))
    if (items.some(i => taken.has(i))) return false
    for (const i of items) taken.add(i)
    return true
  })
}

/** Groups of interchangeable threads that are `of` no member: those that run the same automaton. */
function identicalThreads(
  system: System,
  automata: Automata,
  threadClasses: readonly string[],
): Symmetry['sorted'][number][] {
  const groups = new Map<string, number[]>()
  for (const [t, thread] of system.threads.entries())
    if (thread.of.length === 0) {
      const type = `${automata.typeOf[t]} ${threadClasses[t]}`
      groups.set(type, [...(groups.get(type) ?? []), t])
    }
  return [...groups.values()]
    .filter(g => g.length > 1)
    .map(g => ({
      sort: { name: system.threads[g[0]!]!.name, size: g.length },
      blocks: g.map(thread => [{ thread }]),
    }))
}

/** Sorts with two or more members to which some cell or thread belongs. */
function sortsOf(system: System): Sort[] {
  const all = [...system.cells, ...system.threads].flatMap(x => x.of.map(m => m.sort))
  return [...new Set(all)].filter(s => s.size > 1)
}

class Finder {
  private readonly system: System
  private readonly automata: Automata
  private readonly decisions: Decisions
  private readonly invariants: readonly NamedInvariant[]
  private readonly cellByKey: Map<string, number>
  private readonly threadByKey: Map<string, number>

  constructor(system: System, automata: Automata, invariants: readonly NamedInvariant[]) {
    this.system = system
    this.automata = automata
    this.decisions = automata.decisions
    this.invariants = invariants
    this.cellByKey = new Map(
      this.decisions.variables.flatMap(v => (v.cell ? [[familyKey(v.cell), v.id] as const] : [])),
    )
    this.threadByKey = new Map(system.threads.map((t, i) => [familyKey(t), i]))
  }

  identity(): Permutation {
    const cells = this.cellVariables().map(v => v.id)
    const threads = members(this.system.threads.length)
    return { cells, values: cells.map(() => undefined), threads, nodes: threads.map(() => undefined) }
  }

  /** The permutation that swaps members i and i + 1, or why it is no symmetry. */
  swap(sort: Sort, i: number): Permutation | string {
    const image: Image = (s, index) => (s !== sort ? index : index === i ? i + 1 : index === i + 1 ? i : index)
    const cells: number[] = []
    const values: (number[] | undefined)[] = []
    for (const v of this.cellVariables()) {
      const c = v.cell!
      const to = this.cellByKey.get(familyKey(c, image))
      const target = to === undefined ? undefined : this.decisions.variables[to]!
      if (!target || target.low !== v.low || target.size !== v.size)
        return `no cell like ${c.name} for the other member`
      cells.push(target.id)
      const map = c.refers && members(v.size).map(k => c.refers!(v.low + k, image) - v.low)
      if (map && [...map].sort((a, b) => a - b).some((m, k) => m !== k))
        return `refers() of ${c.name} is no permutation`
      values.push(map?.some((m, k) => m !== k) ? map : undefined)
    }
    const threads: number[] = []
    for (const t of this.system.threads) {
      const to = this.threadByKey.get(familyKey(t, image))
      if (to === undefined) return `no thread like ${t.name} for the other member`
      threads.push(to)
    }
    const permuter = new Permuter(this.decisions, cells, values)
    const key = (i: NamedInvariant, d: Diagram) => `${i.atRest} ${d.id} ${i.name}`
    const all = new Set(this.invariants.map(i => key(i, i.diagram)))
    if (this.invariants.some(i => !all.has(key(i, permuter.diagram(i.diagram)))))
      return 'an invariant tells its members apart'
    const nodes = this.nodeMaps(permuter, threads)
    return typeof nodes === 'string' ? nodes : { cells, values, threads, nodes }
  }

  /** By thread, the image of each node, or why there is none. It is found by refining the automata together with their images. */
  private nodeMaps(permuter: Permuter, threads: readonly number[]): (number[] | undefined)[] | string {
    const { types, typeOf } = this.automata
    const base: number[] = []
    const nodes: { diagram: Diagram | undefined; idle: boolean }[] = []
    for (const permuted of [false, true])
      for (const type of types) {
        const offset = nodes.length
        base.push(offset)
        for (const n of type.nodes) {
          const diagram = n.diagram && this.decisions.retarget(n.diagram, t => offset + t)
          nodes.push({ idle: n.idle, diagram: diagram && permuted ? permuter.diagram(diagram) : diagram })
        }
      }
    const classes = minimize(nodes, this.decisions.budget)
    const maps: (number[] | undefined)[] = []
    for (const [t, to] of threads.entries()) {
      const from = typeOf[t]!
      const target = new Map(types[typeOf[to]!]!.nodes.map((_, n) => [classes[base[typeOf[to]!]! + n]!, n]))
      const map = types[from]!.nodes.map((_, n) => target.get(classes[base[types.length + from]! + n]!) ?? -1)
      if (map[0] !== 0 || map.includes(-1)) return `thread ${this.system.threads[t]!.name} tells its members apart`
      maps.push(map.some((m, n) => m !== n) ? map : undefined)
    }
    return maps
  }

  /** True if permutations of the sort only swap the members' fields, change no value or node, and a block fits into one word. */
  onlySwapsBlocks(sort: Sort, swaps: readonly Permutation[]): boolean {
    const single = [...this.system.cells, ...this.system.threads].every(
      x => x.of.filter(m => m.sort === sort).length <= 1,
    )
    const stay = swaps.every(p => p.values.every(v => v === undefined) && p.nodes.every(n => n === undefined))
    return single && stay && this.blockBits(sort) <= 32
  }

  private blockBits(sort: Sort): number {
    const { types, typeOf } = this.automata
    return this.blocks(sort)[0]!.reduce((bits, i) => {
      const size = 'cell' in i ? this.decisions.variables[i.cell]!.size : types[typeOf[i.thread]!]!.nodes.length
      return bits + (size <= 1 ? 0 : 32 - Math.clz32(size - 1))
    }, 0)
  }

  /** By member, its cells and threads. The families are in the same order for each member. */
  blocks(sort: Sort): Item[][] {
    const items: { item: Item; of: readonly Member[]; key: string }[] = [
      ...this.cellVariables().map(v => ({ item: { cell: v.id }, of: v.cell!.of, name: v.cell!.name })),
      ...this.system.threads.map((t, thread) => ({ item: { thread }, of: t.of, name: t.name })),
    ].map(x => ({ ...x, key: familyKey({ name: x.name, of: x.of.filter(m => m.sort !== sort) }) }))
    return members(sort.size).map(i =>
      items
        .filter(x => x.of.some(m => m.sort === sort && m.index === i))
        .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
        .map(x => x.item),
    )
  }

  /** By member, cells that belong to it alone and whose values no permutation changes, up to 30 bits in all. */
  keyCells(sort: Sort): number[][] {
    const own = (i: number) =>
      this.cellVariables()
        .filter(
          v => v.cell!.of.length === 1 && v.cell!.of[0]!.sort === sort && v.cell!.of[0]!.index === i && !v.cell!.refers,
        )
        .map(v => ({ id: v.id, key: familyKey({ name: v.cell!.name, of: [] }), bits: 32 - Math.clz32(v.size - 1) }))
        .sort((a, b) => (a.key < b.key ? -1 : 1))
    return members(sort.size).map(i => {
      let bits = 0
      return own(i).flatMap(v => ((bits += v.bits) <= 30 ? [v.id] : []))
    })
  }

  private cellVariables() {
    return this.decisions.variables.filter(v => v.cell)
  }
}

/** Images of diagrams under a permutation of cells and values. */
class Permuter {
  private readonly decisions: Decisions
  private readonly cells: readonly number[]
  private readonly values: readonly (readonly number[] | undefined)[]
  private readonly memo = new Map<Diagram, Diagram>()

  constructor(decisions: Decisions, cells: readonly number[], values: readonly (readonly number[] | undefined)[]) {
    this.decisions = decisions
    this.cells = cells
    this.values = values
  }

  diagram(d: Diagram): Diagram {
    let out = this.memo.get(d)
    if (!out) {
      out =
        d.kind === 'terminal'
          ? this.decisions.terminal(d.outcomes.map(o => this.outcome(o)))
          : this.decisions.select(this.variable(d.variable), this.branches(d.variable, d.children))
      this.memo.set(d, out)
    }
    return out
  }

  private branches(variable: number, children: readonly Diagram[]): Diagram[] {
    const out: Diagram[] = []
    for (const [v, c] of children.entries()) out[this.values[variable]?.[v] ?? v] = this.diagram(c)
    return out
  }

  private variable(id: number): number {
    const v = this.decisions.variables[id]!
    if (v.cell) return this.cells[id]!
    const terms = v.terms.map(t => {
      const weights: number[] = []
      for (const [k, w] of t.weights.entries()) weights[this.values[t.cell]?.[k] ?? k] = w
      return { cell: this.cells[t.cell]!, weights }
    })
    return this.decisions.ofSum(terms).id
  }

  private outcome(o: Outcome): Outcome {
    const writes = o.writes.map(([id, value]) => {
      const low = this.decisions.variables[id]!.low
      const map = this.values[id]
      return [this.cells[id]!, map ? low + map[value - low]! : value] as const
    })
    return this.decisions.outcome(writes, o.violations, o.stops, o.target)
  }
}

/** Every permutation that the swaps generate, with the image of each member. */
function generate(identity: Permutation, swaps: readonly Permutation[], size: number) {
  const out = [{ permutation: identity, image: members(size) }]
  const known = new Set([out[0]!.image.join()])
  for (let i = 0; i < out.length && out.length <= TRIED; i++)
    for (const [k, s] of swaps.entries()) {
      const image = out[i]!.image.map(m => (m === k ? k + 1 : m === k + 1 ? k : m))
      if (known.has(image.join())) continue
      known.add(image.join())
      out.push({ permutation: compose(out[i]!.permutation, s), image })
    }
  return out
}

/** The permutation that applies `a`, then `b`. */
function compose(a: Permutation, b: Permutation): Permutation {
  const maps = (
    to: readonly number[],
    first: readonly (readonly number[] | undefined)[],
    second: readonly (readonly number[] | undefined)[],
  ) => to.map((t, i) => (first[i] ? first[i]!.map(v => second[t]?.[v] ?? v) : second[t]))
  return {
    cells: a.cells.map(c => b.cells[c]!),
    values: maps(a.cells, a.values, b.values),
    threads: a.threads.map(t => b.threads[t]!),
    nodes: maps(a.threads, a.nodes, b.nodes),
  }
}

/** Key of a cell or thread: its family and its members. `_refcount[1]` of page 1 is of the family `_refcount[]`. */
export function familyKey(x: { name: string; of: readonly Member[] }, image: Image = (_, i) => i): string {
  const of = x.of.map(m => `${m.sort.name}${image(m.sort, m.index)}`)
  return `${x.of.length > 0 ? x.name.replace(/\[\d+\]/g, '[]') : x.name}|${of.join()}`
}

function members(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i)
}
