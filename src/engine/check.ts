// SPDX-License-Identifier: GPL-2.0-or-later
/** `check(system)`: learn, minimise, reduce, pack, generate, explore, explain. */
import { automata } from './automaton.ts'
import { Decisions, type Diagram, type InvariantDiagram } from './decision.ts'
import { Explainer, WIDTH } from './explain.ts'
import { independence, testedBy } from './independence.ts'
import { type Kernel, kernelOf, kernelText, mostSuccessors } from './kernel.ts'
import { layout } from './layout.ts'
import { findLasso, type Obligation } from './liveness.ts'
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
  /** Milliseconds between calls of onProgress (default 200). */
  progressInterval?: number
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
export function prepare(system: System, options: CheckOptions = {}, keepThreads = false): Prepared {
  const selected = selector(options)
  const decisions = new Decisions(system.cells, selected)
  const learned = automata(system, decisions, options.minimise ?? true)
  const invariants: (InvariantDiagram & { name: string })[] = []
  for (const p of system.properties)
    if (p.kind !== 'progress' && selected(p.name)) {
      const diagram = decisions.learnInvariant(p.name, p.holds)
      invariants.push({ name: p.name, diagram, atRest: p.kind === 'at rest' })
    }
  const diagrams = invariants.map(i => i.diagram)
  const sym: Symmetry = options.symmetry === false ? NONE : symmetry(system, learned, invariants, keepThreads)
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
    options.partialOrder === false
      ? undefined
      : independence(
          learned,
          testedBy(decisions, diagrams),
          invariants.some(i => i.atRest),
          sym.generators,
        )
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
    invariants,
    deadlock: system.deadlock && selected('deadlock'),
  }
  const text = kernelText(spec)
  const packing = new Packing(system, learned, place)
  return {
    text,
    kernel: kernelOf(text, { me: 0, workers: 1 }),
    packing,
    properties,
    reductions: [...describe(sym), ...(reduces ? [PARTIAL_ORDER] : [])],
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
  const verdict = await explore(system, options, Number.POSITIVE_INFINITY)
  if (verdict.verdict !== 'violated' || !verdict.reductions.includes(PARTIAL_ORDER)) return verdict
  // Partial order keeps the verdict but not the shortest way: that is looked for without it, no deeper than this one.
  const steps = verdict.counterexample!.length
  const rest = { ...options, partialOrder: false, time: (options.time ?? Number.POSITIVE_INFINITY) - verdict.seconds }
  const shortest = await explore(system, rest, steps)
  const seconds = verdict.seconds + shortest.seconds
  return shortest.verdict === 'violated' ? { ...shortest, seconds } : { ...verdict, seconds }
}

const PARTIAL_ORDER = 'partial order'

async function explore(system: System, options: CheckOptions, depth: number): Promise<Verdict> {
  const began = performance.now()
  const prepared = prepare(system, options)
  const limits: SearchLimits = {
    memory: options.memory ?? 4 * GIB,
    deadline: began + (options.time ?? Number.POSITIVE_INFINITY) * 1000,
    depth,
    handover: Number.POSITIVE_INFINITY,
    signal: options.signal,
    onProgress: options.onProgress,
    progressInterval: options.progressInterval ?? 200,
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
    if (result.end === 'complete') {
      const safe: Verdict = { ...common, verdict: 'holds', seconds: 0 }
      return { ...((await checkLiveness(system, prepared, options, limits, safe)) ?? safe), seconds: seconds() }
    }
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

/** Obligations that threads and properties make, as far as they are selected. */
function obligationsOf(system: System, selected: (property: string) => boolean): Obligation[] {
  const finishes = system.threads.flatMap((t, i) =>
    t.finishes ? [{ property: 'finishes', message: `${t.name} never ends`, threads: [i] }] : [],
  )
  const progress = system.properties.flatMap(p =>
    p.kind === 'progress'
      ? [{ property: p.name, message: `livelock: ${p.name}`, threads: p.threads.map(t => system.threads.indexOf(t)) }]
      : [],
  )
  return [...finishes, ...progress].filter(o => selected(o.property))
}

/**
 * Searches again without the reductions that would mix up who moves, and looks for fair executions without an end.
 * Permutations that leave threads in their place stay: a cycle of orbits, gone round often enough, is a cycle of states.
 */
async function checkLiveness(
  system: System,
  safety: Prepared,
  options: CheckOptions,
  limits: SearchLimits,
  safe: Verdict,
): Promise<Verdict | undefined> {
  const selected = selector(options)
  const obligations = obligationsOf(system, selected)
  if (obligations.length === 0) return undefined
  if (system.threads.length > 32) throw new ModelError(`system ${system.name}: liveness is for at most 32 threads`)
  const reusable = safety.reductions.length === 0 && safe.states === safety.kernel.stats().states
  const whole = reusable ? safety : prepare(system, { ...options, partialOrder: false }, true)
  const initial = Int32Array.from(whole.packing.initial)
  const inconclusive = (reason: string): Verdict => ({
    ...safe,
    verdict: 'inconclusive',
    reason: `no safety property is violated; liveness: ${reason}`,
  })
  if (!reusable) {
    const result = await search(localCrew(whole.kernel), whole.packing.words, whole.most, initial, limits)
    if (result.end !== 'complete') return inconclusive(reasonOf(result))
  }
  const bytesPerEdge = 5
  const graph = whole.kernel.graph(initial, Math.min(2 ** 30, limits.memory / bytesPerEdge / 2))
  if (!graph.complete) return inconclusive(`out of memory for the edges of ${graph.offsets.length - 1} states`)
  const daemons = system.threads.reduce((set, t, i) => (t.daemon ? set | (1 << i) : set), 0)
  const lasso = findLasso(graph, whole.packing.words, daemons, obligations)
  const note = `for liveness ${whole.reductions.join(', ') || 'none'}: ${whole.kernel.stats().states} states`
  if (!lasso) return { ...safe, reductions: reusable ? [] : [...safe.reductions, note] }
  const explainer = new Explainer(system, whole.kernel, whole.packing, selected)
  // Round twice: a cycle that cannot be repeated is none.
  const { prefix, cycle } = explainer.unroll(lasso.prefix, lasso.cycle)
  const steps = explainer.describe([...prefix, ...cycle, ...cycle])
  const length = prefix.length + cycle.length
  const { stats } = whole.kernel
  return {
    ...safe,
    verdict: 'violated',
    property: lasso.obligation.property,
    message: lasso.obligation.message,
    states: stats().states,
    transitions: stats().transitions,
    reductions: whole.reductions,
    counterexample: steps.slice(0, length),
    ...(cycle.length > 0 ? { loop: prefix.length + 1 } : {}),
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
