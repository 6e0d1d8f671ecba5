// SPDX-License-Identifier: GPL-2.0-or-later
/** `check(system)`: explores every interleaving, and explains the first violation by a counterexample. */

import { type Budget, within } from './budget.ts'
import { PARTITIONS } from './codegen/search-program.ts'
import { counterexampleOf, lassoCounterexampleOf } from './explain/counterexample.ts'
import { assumptionsOf, findFairCycle, obligationsOf, threadClassesOf } from './explore/liveness.ts'
import { localGroup, remoteGroup, type SearchResult, search } from './explore/search.ts'
import type { System } from './model.ts'
import { type CheckOptions, type SearchLimits, selector } from './options.ts'
import { PARTIAL_ORDER, type Prepared, prepare } from './prepare.ts'
import type { Verdict } from './verdict.ts'

const GIB = 2 ** 30

/**
 * Explores every interleaving, to the first violation if there is one.
 * @throws ModelError when the model is malformed; ReplayError when the interpreter cannot follow a counterexample, which is an
 * error of the checker.
 */
export async function check(system: System, options: CheckOptions = {}): Promise<Verdict> {
  const verdict = await explore(system, options, Number.POSITIVE_INFINITY)
  if (verdict.verdict !== 'violated' || !verdict.reductions.includes(PARTIAL_ORDER)) return verdict
  // Partial-order reduction keeps the verdict but not the shortest counterexample. A second search without it finds that.
  const steps = verdict.counterexample!.length
  const rest = { ...options, partialOrder: false, time: (options.time ?? Number.POSITIVE_INFINITY) - verdict.seconds }
  // One level more, because a deadlock shows only when its state is expanded.
  const shortest = await explore(system, rest, steps + 1)
  const seconds = verdict.seconds + shortest.seconds
  if (shortest.verdict === 'violated') return { ...shortest, seconds }
  return { ...verdict, seconds, reductions: [...verdict.reductions, `not the shortest: ${shortest.reason}`] }
}

/**
 * Names of the properties that steps or states of a system may violate; undefined where a limit is met before they are known.
 * @throws ModelError when the model is malformed.
 */
export function promises(system: System, options: CheckOptions = {}): readonly string[] | undefined {
  const prepared = within(limitsOf(options), budget => prepare(system, {}, undefined, budget))
  if (typeof prepared === 'string') return undefined
  return [...prepared.properties, ...obligationsOf(system, () => true).map(o => o.property)]
}

async function explore(system: System, options: CheckOptions, depth: number): Promise<Verdict> {
  const limits = limitsOf(options, depth)
  const began = performance.now()
  const obliged = obligationsOf(system, selector(options)).length > 0
  const seconds = () => (performance.now() - began) / 1000
  const first = within(limits, budget => prepare(system, options, undefined, budget))
  // Where only liveness properties are asked for, one search is enough, without the reductions that liveness does not allow.
  const prepared =
    typeof first !== 'string' && obliged && !first.safety
      ? within(limits, budget => prepareLiveness(system, options, budget))
      : first
  if (typeof prepared === 'string') return { ...unprepared(system, prepared), seconds: seconds() }
  const initial = Int32Array.from(prepared.packing.initial)
  const start = (l: SearchLimits, group = localGroup(prepared.program)) =>
    search(group, prepared.packing.words, prepared.most, initial, l).then(result => ({ group, result }))
  const workers = Math.min(options.workers ?? 1, PARTITIONS)
  let { group, result } = await start(
    workers > 1 && options.spawn && prepared === first ? { ...limits, handover: options.handover ?? 250_000 } : limits,
  )
  try {
    if (result.end === 'handover')
      ({ group, result } = await start(limits, remoteGroup(prepared.code, workers, options.spawn!)))
    const common = {
      system: system.name,
      states: result.states,
      transitions: result.transitions,
      depth: result.depth,
      bounds: system.bounds,
      reductions: prepared.reductions,
    }
    if (result.end === 'complete') {
      const asked = options.properties ?? [...(options.also ?? []), ...prepared.properties]
      const vacuous = vacuousOf(system, prepared, asked.filter(selector(options)))
      const safe: Verdict = { ...common, verdict: 'holds', seconds: 0, ...(vacuous.length > 0 ? { vacuous } : {}) }
      return { ...((await checkLiveness(system, prepared, options, limits, safe)) ?? safe), seconds: seconds() }
    }
    if (result.end !== 'violated')
      return { ...common, verdict: 'inconclusive', reason: reasonOf(result, prepared), seconds: seconds() }
    const found = result.violations[0]!
    const told = await counterexampleOf(system, prepared, group, prepared.program, found, selector(options))
    return {
      ...common,
      verdict: 'violated',
      property: prepared.properties[found.property]!,
      message: told.message,
      counterexample: told.steps,
      seconds: seconds(),
    }
  } finally {
    group.end()
  }
}

function liveOf(system: System, options: CheckOptions): string[] {
  return obligationsOf(system, selector(options)).map(o => o.property)
}

/** Returns those of the properties that hold vacuously: nothing in the model can violate them, whatever the interleaving. */
export function vacuousOf(system: System, { breakable }: Prepared, properties: readonly string[]): string[] {
  const live = new Set(liveOf(system, {}))
  return [...new Set(properties)].filter(p => !breakable.has(p) && !live.has(p))
}

/** The inconclusive verdict for a limit that was met before the search began. */
export function unprepared(system: System, reason: string): Verdict {
  const { name, bounds } = system
  const nothing = { states: 0, transitions: 0, depth: 0, seconds: 0, reductions: [] }
  return { system: name, verdict: 'inconclusive', reason, ...nothing, bounds }
}

/** @param depth the most levels to explore; without a limit if omitted. */
export function limitsOf(options: CheckOptions, depth = Number.POSITIVE_INFINITY): SearchLimits {
  return {
    memory: options.memory ?? 4 * GIB,
    deadline: performance.now() + (options.time ?? Number.POSITIVE_INFINITY) * 1000,
    depth,
    handover: Number.POSITIVE_INFINITY,
    signal: options.signal,
    watch: options.watch,
    onProgress: options.onProgress,
    progressInterval: options.progressInterval ?? 200,
  }
}

/**
 * Prepares a system for liveness: without partial-order reduction, and with only those symmetries that send each thread to one
 * of its class, since fairness depends on which thread moves.
 * @throws Exhausted at a limit.
 */
export function prepareLiveness(system: System, options: CheckOptions, budget: Budget): Prepared {
  const threadClasses = threadClassesOf(system, obligationsOf(system, selector(options)))
  return prepare(system, { ...options, partialOrder: false }, threadClasses, budget)
}

/**
 * Looks for endless fair executions that violate a liveness property; undefined if none is asked for. Searches again if the
 * reductions of the first search do not preserve which thread moves.
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
  const reusable = safety.live(threadClassesOf(system, obligations)) && safe.states === safety.program.stats().states
  const inconclusive = (reason: string): Verdict => ({
    ...safe,
    verdict: 'inconclusive',
    reason: `no safety property is violated; liveness: ${reason}`,
  })
  const whole = reusable ? safety : within(limits, budget => prepareLiveness(system, options, budget))
  if (typeof whole === 'string') return inconclusive(whole)
  if (!reusable) {
    const initial = Int32Array.from(whole.packing.initial)
    const result = await search(localGroup(whole.program), whole.packing.words, whole.most, initial, limits)
    if (result.end !== 'complete') return inconclusive(reasonOf(result, whole))
  }
  const found = await findFairCycle(system, whole.program, whole.movesThreads, obligations, limits)
  if (typeof found === 'string') return inconclusive(found)
  const { states, transitions } = whole.program.stats()
  const note = `for liveness ${whole.reductions.join(', ') || 'none'}: ${states} states`
  if (!found) {
    const assumes = await assumptionsOf(system, whole.program, whole.movesThreads, obligations, limits)
    const kept = assumes.length > 0 ? { ...safe, assumes } : safe
    return reusable ? kept : { ...kept, reductions: [...safe.reductions, note] }
  }
  return {
    ...safe,
    verdict: 'violated',
    property: found.obligation.property,
    message: found.obligation.message,
    states,
    transitions,
    reductions: whole.reductions,
    ...(await lassoCounterexampleOf(system, whole, whole.program, found, selected)),
  }
}

/**
 * Says why a search ended early, and what it has covered by then. The search is breadth first, so that all shorter executions
 * are covered. With partial-order reduction they are not: it delays steps, and a state that some interleaving reaches in few
 * steps may then be on a later level.
 */
export function reasonOf({ end, states, depth }: SearchResult, { reductions, deadlock }: Prepared): string {
  const why = { memory: 'out of memory', time: 'out of time' }[end as string] ?? 'stopped'
  // A deadlock shows only when its state is expanded, and those of the last level are not.
  const steps = Math.max(0, deadlock ? depth - 1 : depth)
  const covered = reductions.includes(PARTIAL_ORDER)
    ? 'nothing is broken so far; without partial order it would be known up to which length'
    : `every interleaving of up to ${steps} steps holds`
  return `${why} after ${states} states: ${covered}`
}
