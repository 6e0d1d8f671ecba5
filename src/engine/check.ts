// SPDX-License-Identifier: GPL-2.0-or-later
/** `check(system)`: explore every interleaving, explain what breaks. */
import { Explainer, WIDTH } from './explain.ts'
import type { Kernel } from './kernel.ts'
import { findLasso, type Lasso, type Obligation } from './liveness.ts'
import { ModelError, type System } from './model.ts'
import { type CheckOptions, PARTIAL_ORDER, type Prepared, prepare, selector } from './prepare.ts'
import { localCrew, remoteCrew, type SearchLimits, type SearchResult, search, shortestPaths } from './search.ts'
import type { Verdict } from './verdict.ts'

const GIB = 2 ** 30

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
  if (shortest.verdict === 'violated') return { ...shortest, seconds }
  return { ...verdict, seconds, reductions: [...verdict.reductions, `not the shortest: ${shortest.reason}`] }
}

async function explore(system: System, options: CheckOptions, depth: number): Promise<Verdict> {
  const began = performance.now()
  const obliged = obligationsOf(system, selector(options)).length > 0
  const first = prepare(system, options)
  // Where only liveness is asked for, its states are all that is needed.
  const prepared = obliged && !first.safety ? prepareLiveness(system, options) : first
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
    workers > 1 && options.spawn && prepared === first ? { ...limits, handover: options.handover ?? 250_000 } : limits,
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
    const found = result.violations[0]!
    const property = prepared.properties[found.property]!
    const levels = await shortestPaths(crew, found.level, Int32Array.from(found.state), WIDTH)
    const explainer = new Explainer(system, prepared.kernel, prepared.packing, selector(options))
    const { steps, message } = explainer.explain(levels, found, property)
    return { ...common, verdict: 'violated', property, message, counterexample: steps, seconds: seconds() }
  } finally {
    crew.end()
  }
}

function prepareLiveness(system: System, options: CheckOptions): Prepared {
  return prepare(system, { ...options, partialOrder: false }, true)
}

/** Obligations that threads and properties make, as far as they are selected. */
export function obligationsOf(system: System, selected: (property: string) => boolean): Obligation[] {
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
  const reusable = safety.keepsThreads && safe.states === safety.kernel.stats().states
  const whole = reusable ? safety : prepareLiveness(system, options)
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
  const found = fairLasso(system, whole, whole.kernel, limits, obligations)
  if (typeof found === 'string') return inconclusive(found)
  const note = `for liveness ${whole.reductions.join(', ') || 'none'}: ${whole.kernel.stats().states} states`
  if (!found) return reusable ? safe : { ...safe, reductions: [...safe.reductions, note] }
  const explainer = new Explainer(system, whole.kernel, whole.packing, selected)
  const { stats } = whole.kernel
  return {
    ...safe,
    verdict: 'violated',
    property: found.obligation.property,
    message: found.obligation.message,
    states: stats().states,
    transitions: stats().transitions,
    reductions: whole.reductions,
    ...tellLasso(explainer, found),
  }
}

/**
 * An obligation that some fair execution breaks, over all the states that the kernel has explored: a lasso, nothing, or why
 * it cannot be told.
 * @throws ModelError for more threads than a word has bits.
 */
export function fairLasso(
  system: System,
  { packing }: Prepared,
  kernel: Kernel,
  limits: Pick<SearchLimits, 'memory' | 'deadline'>,
  obligations: readonly Obligation[],
): Lasso | string | undefined {
  if (system.threads.length > 32) throw new ModelError(`system ${system.name}: liveness is for at most 32 threads`)
  const bytesPerEdge = 5
  const graph = kernel.graph(Int32Array.from(packing.initial), Math.min(2 ** 30, limits.memory / bytesPerEdge / 2))
  if (!graph.complete) return `out of memory for the edges of ${graph.offsets.length - 1} states`
  if (performance.now() > limits.deadline) return 'out of time with the edges of all states found'
  const daemons = system.threads.reduce((set, t, i) => (t.daemon ? set | (1 << i) : set), 0)
  return findLasso(graph, packing.words, daemons, obligations)
}

/** The lasso's steps, over states instead of orbits. */
export function tellLasso(explainer: Explainer, lasso: Lasso): Pick<Verdict, 'counterexample' | 'loop'> {
  const { prefix, cycle } = explainer.unroll(lasso.prefix, lasso.cycle)
  // Round twice: a cycle that cannot be repeated is none.
  const steps = explainer.describe([...prefix, ...cycle, ...cycle])
  return {
    counterexample: steps.slice(0, prefix.length + cycle.length),
    ...(cycle.length > 0 ? { loop: prefix.length + 1 } : {}),
  }
}

export function reasonOf(result: SearchResult): string {
  const covered = `${result.states} states, every interleaving of ${result.depth} steps`
  if (result.end === 'memory') return `out of memory after ${covered}`
  if (result.end === 'time') return `out of time after ${covered}`
  return `stopped after ${covered}`
}
