// SPDX-License-Identifier: GPL-2.0-or-later
/** `check(system)`: learn, minimise, reduce, pack, generate, explore, explain. */
import { automata } from './automaton.ts'
import { Decisions, type Diagram } from './decision.ts'
import { Explainer, WIDTH } from './explain.ts'
import { independence, testedBy } from './independence.ts'
import { type Kernel, kernelOf, kernelText, mostSuccessors } from './kernel.ts'
import { layout } from './layout.ts'
import { ModelError, type System } from './model.ts'
import { Packing } from './packing.ts'
import {
  localCrew,
  remoteCrew,
  type SearchLimits,
  type SearchProgress,
  type SearchResult,
  type Spawn,
  search,
  shortestPaths,
} from './search.ts'
import { NONE, type Symmetry, symmetry } from './symmetry.ts'
import type { Verdict } from './verdict.ts'

export interface CheckOptions {
  /** Only these properties (default: all). */
  properties?: readonly string[]
  /** Default true: members of sorts that the model treats alike are taken to be the same. */
  symmetry?: boolean
  /** Default true: a step that is independent of all that other threads may still do is taken alone. */
  partialOrder?: boolean
  /** Worker threads (default 1); more than one needs `spawn`. */
  workers?: number
  spawn?: Spawn
  /** Bytes for states (default 4 GiB): beyond, the verdict is inconclusive. */
  memory?: number
  /** Seconds (default: no limit). */
  time?: number
  signal?: AbortSignal
  onProgress?: (progress: SearchProgress) => void
  /** Off to keep histories apart, so that states count as the naive explorer counts them. */
  minimise?: boolean
  /** States at which workers take over; before, starting them costs more than it gains. */
  handover?: number
}

const GIB = 2 ** 30

/** A system made ready to be explored. */
export interface Prepared {
  readonly text: string
  readonly kernel: Kernel
  readonly packing: Packing
  readonly properties: readonly string[]
  readonly reductions: readonly string[]
  /** Most successors of one state. */
  readonly most: number
  readonly bits: number
  readonly local: { readonly histories: number; readonly flat: number; readonly nodes: readonly number[] }
}

/** @throws ModelError when the model is malformed: not deterministic, endless, too large for 32 bits in one field. */
export function prepare(system: System, options: CheckOptions = {}): Prepared {
  const selected = selector(options)
  const decisions = new Decisions(system.cells, selected)
  const learned = automata(system, decisions, options.minimise ?? true)
  const invariants: { name: string; diagram: Diagram }[] = []
  for (const p of system.properties)
    if (p.kind === 'always' && selected(p.name))
      invariants.push({ name: p.name, diagram: decisions.learnInvariant(p.name, p.holds) })
  const diagrams = invariants.map(i => i.diagram)
  const sym: Symmetry = options.symmetry === false ? NONE : symmetry(system, learned, diagrams)
  const sizes = decisions.variables.flatMap(v => (v.cell ? [v.size] : []))
  for (const v of decisions.variables)
    if (v.cell && v.size > 2 ** 24)
      throw new ModelError(`cell ${v.name} has ${v.size} values; at most 2^24 are explored`)
  const nodes = learned.typeOf.map(t => learned.types[t]!.nodes.length)
  const place = layout(
    sizes,
    nodes,
    sym.sorted.flatMap(s => s.blocks),
  )
  const alone =
    options.partialOrder === false ? undefined : independence(learned, testedBy(decisions, diagrams), sym.generators)
  const reduces = alone?.alone.some(a => a.some(x => x !== 0))
  const properties = [
    ...invariants.map(i => i.name),
    'deadlock',
    ...violationsOf(learned.types.flatMap(t => t.nodes.flatMap(n => n.diagram ?? []))),
  ]
  const spec = {
    automata: learned,
    layout: place,
    symmetry: sym,
    independence: reduces ? alone : undefined,
    properties,
    invariants: diagrams,
    deadlock: system.deadlock && selected('deadlock'),
  }
  const text = kernelText(spec)
  return {
    text,
    kernel: kernelOf(text, { me: 0, workers: 1 }),
    packing: new Packing(system, learned, place),
    properties,
    reductions: [...describe(sym), ...(reduces ? ['partial order'] : [])],
    most: mostSuccessors(learned),
    bits: place.bits,
    local: {
      histories: learned.learned.histories,
      flat: learned.learned.nodes,
      nodes: learned.types.map(t => t.nodes.length),
    },
  }
}

/**
 * Explores every interleaving.
 * @throws ModelError when the model is malformed; ReplayError when the engine contradicts itself.
 */
export async function check(system: System, options: CheckOptions = {}): Promise<Verdict> {
  const began = performance.now()
  const prepared = prepare(system, options)
  const limits: SearchLimits = {
    memory: options.memory ?? 4 * GIB,
    deadline: began + (options.time ?? Number.POSITIVE_INFINITY) * 1000,
    depth: Number.POSITIVE_INFINITY,
    handover: Number.POSITIVE_INFINITY,
    signal: options.signal,
    onProgress: options.onProgress,
  }
  const initial = Int32Array.from(prepared.packing.initial)
  const start = (l: SearchLimits, crew = localCrew(prepared.kernel)) =>
    search(crew, prepared.packing.words, prepared.most, initial, l).then(result => ({ crew, result }))
  const workers = options.workers ?? 1
  let { crew, result } = await start(
    workers > 1 && options.spawn ? { ...limits, handover: options.handover ?? 50_000 } : limits,
  )
  try {
    if (result.end === 'handover')
      ({ crew, result } = await start(limits, remoteCrew(prepared.text, workers, options.spawn!)))
    const common = {
      system: system.name,
      states: result.states,
      transitions: result.transitions,
      depth: result.depth,
      bounds: system.bounds,
      reductions: prepared.reductions,
    }
    const seconds = () => (performance.now() - began) / 1000
    if (result.end === 'complete') return { ...common, verdict: 'holds', seconds: seconds() }
    if (result.end !== 'violated')
      return { ...common, verdict: 'inconclusive', reason: reasonOf(result), seconds: seconds() }
    const found = result.violation!
    const property = prepared.properties[found.property]!
    const levels = await shortestPaths(crew, result.level, Int32Array.from(found.state), WIDTH)
    const explainer = new Explainer(system, prepared.kernel, prepared.packing, selector(options))
    const { steps, message } = explainer.explain(levels, found, property)
    return { ...common, verdict: 'violated', property, message, counterexample: steps, seconds: seconds() }
  } finally {
    crew.end()
  }
}

function selector(options: CheckOptions): (property: string) => boolean {
  const only = options.properties && new Set(options.properties)
  return property => only === undefined || only.has(property)
}

function violationsOf(diagrams: readonly Diagram[]): string[] {
  const out = new Set<string>()
  const seen = new Set<Diagram>()
  const go = (d: Diagram): void => {
    if (seen.has(d)) return
    seen.add(d)
    if (d.kind === 'test') d.children.forEach(go)
    else for (const o of d.outcomes) for (const v of o.violations) out.add(v)
  }
  diagrams.forEach(go)
  return [...out].sort()
}

function describe(sym: Symmetry): string[] {
  return [
    ...sym.sorted.map(s => `symmetry of ${s.sort.name} (${s.sort.size}, sorted)`),
    ...sym.keys.map(k => `symmetry of ${k.sort.name} (${k.sort.size})`),
    ...sym.refused.map(r => `no symmetry of ${r.sort.name}: ${r.why}`),
  ]
}

function reasonOf(result: SearchResult): string {
  const covered = `${result.states} states, every interleaving of ${result.depth} steps`
  if (result.end === 'memory') return `out of memory after ${covered}`
  if (result.end === 'time') return `out of time after ${covered}`
  return `stopped after ${covered}`
}
