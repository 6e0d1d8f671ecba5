// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Counterexamples: the shortest, then the one with the fewest context switches. States keep no parents. Going back level by
 * level gives the states that lie on a shortest path; going forward through them, with each state's cheapest last thread,
 * gives the path; the naive interpreter replays it before it is shown.
 */
import { Concrete, type Outcome, type State } from './concrete.ts'
import type { FoundViolation, Kernel } from './kernel.ts'
import type { Cell, System } from './model.ts'
import type { Packing } from './packing.ts'
import type { CounterexampleStep } from './verdict.ts'

/** States of one level that are followed; beyond, paths may have more context switches than needed. */
export const WIDTH = 20_000

/** One step of a path over packed states that are not canonical. */
export interface PathStep {
  readonly thread: number
  readonly state: readonly number[]
}

interface Candidate {
  readonly state: readonly number[]
  readonly thread: number
  readonly switches: number
  readonly before: Candidate | undefined
}

export interface Explanation {
  readonly steps: CounterexampleStep[]
  readonly message: string
}

/** Thrown when a counterexample cannot be replayed: an error of the engine, never to be shown as a verdict. */
export class ReplayError extends Error {
  override name = 'ReplayError'
}

export class Explainer {
  private readonly system: System
  private readonly kernel: Kernel
  private readonly packing: Packing
  private readonly concrete: Concrete
  private readonly selected: (property: string) => boolean

  constructor(system: System, kernel: Kernel, packing: Packing, selected: (property: string) => boolean) {
    this.system = system
    this.kernel = kernel
    this.packing = packing
    this.concrete = new Concrete(system)
    this.selected = selected
  }

  /**
   * @param levels by depth, canonical states on shortest paths to the violation (the last: its state alone).
   * @throws ReplayError when the naive interpreter does not come to the same violation.
   */
  explain(levels: readonly Int32Array[], found: FoundViolation, property: string): Explanation {
    let best: { steps: CounterexampleStep[]; message: string; switches: number } | undefined
    for (const end of this.cheapestEnds(levels)) {
      if (best && end.switches >= best.switches) break
      const path: PathStep[] = []
      for (let c: Candidate | undefined = end; c?.before; c = c.before) path.unshift(c)
      const told = this.tell(path, found, property)
      for (const { steps, message } of told) {
        const last = steps.at(-1)
        const extra =
          found.kind === 'step' && last && end.thread >= 0 && this.system.threads[end.thread]!.name !== last.thread
        const switches = end.switches + (extra ? 1 : 0)
        if (!best || switches < best.switches) best = { steps, message, switches }
      }
    }
    if (!best) throw new ReplayError(`${this.system.name}: the counterexample to "${property}" cannot be replayed`)
    return best
  }

  /** Steps of a path as told by the naive interpreter. @throws ReplayError when it cannot follow. */
  describe(path: readonly PathStep[]): CounterexampleStep[] {
    const run = this.follow(this.concrete.initial(), path, 0)
    if (!run) throw new ReplayError(`${this.system.name}: a path of ${path.length} steps cannot be replayed`)
    return this.table(run)
  }

  private cheapestEnds(levels: readonly Int32Array[]): Candidate[] {
    let front: Candidate[] = [{ state: this.packing.initial, thread: -1, switches: 0, before: undefined }]
    for (const level of levels.slice(1)) {
      const wanted = new Set(this.packing.split(level).map(keyOf))
      const next = new Map<string, Candidate>()
      for (const c of front)
        for (const { thread, state } of this.packing.steps(this.kernel.successors(Int32Array.from(c.state)))) {
          const switches = c.switches + (c.thread >= 0 && c.thread !== thread ? 1 : 0)
          const key = `${thread}:${keyOf(state)}`
          if ((next.get(key)?.switches ?? Number.POSITIVE_INFINITY) <= switches) continue
          if (!wanted.has(keyOf([...this.kernel.canonical(Int32Array.from(state))]))) continue
          next.set(key, { state, thread, switches, before: c })
        }
      front = [...next.values()].sort((a, b) => a.switches - b.switches).slice(0, WIDTH)
    }
    return front.slice(0, 200)
  }

  /** The path's steps, and for a violation by a step each way to take that step. */
  private tell(path: readonly PathStep[], found: FoundViolation, property: string): Explanation[] {
    const run = this.follow(this.concrete.initial(), path, 0)
    if (!run) return []
    const steps = this.table(run)
    const end = run.at(-1)?.after ?? this.concrete.initial()
    if (found.kind === 'deadlock') {
      const stuck = this.system.threads.filter((_, t) => end.places[t]!.started)
      const moves = this.system.threads.some((_, t) => this.ways(end, t).length > 0)
      return stuck.length > 0 && !moves ? [{ steps, message: `stuck: ${stuck.map(t => t.name).join(', ')}` }] : []
    }
    if (found.kind === 'state') {
      const broken = this.system.properties.some(
        p => p.kind === 'always' && p.name === property && !p.holds(this.concrete.view(end.values)),
      )
      return broken ? [{ steps, message: `${property} does not hold` }] : []
    }
    return this.system.threads.flatMap((_, t) =>
      this.ways(end, t).flatMap(outcome => {
        const violation = outcome.violations.find(v => v.property === property)
        if (!violation) return []
        const last = this.step(steps.length + 1, end, t, outcome)
        return [{ steps: [...steps, last], message: violation.message }]
      }),
    )
  }

  private ways(state: State, thread: number): Outcome[] {
    const { next } = state.places[thread]!
    return next ? this.concrete.outcomes(next, state.values) : []
  }

  /** Follows a path from `state`; choices that cannot be told apart by memory are tried in turn. */
  private follow(state: State, path: readonly PathStep[], at: number): Followed[] | undefined {
    if (at === path.length) return []
    const { thread, state: packed } = path[at]!
    const values = this.packing.values(packed).join()
    for (const outcome of this.ways(state, thread)) {
      if (outcome.stops || outcome.values.join() !== values) continue
      if (outcome.violations.some(v => this.selected(v.property))) continue
      const place = this.concrete.after(this.system.threads[thread]!, state.places[thread]!, outcome.result)
      const after: State = { values: outcome.values, places: state.places.with(thread, place) }
      const rest = this.follow(after, path, at + 1)
      if (rest) return [{ before: state, thread, outcome, after }, ...rest]
    }
    return undefined
  }

  private table(run: readonly Followed[]): CounterexampleStep[] {
    return run.map((r, i) => this.step(i + 1, r.before, r.thread, r.outcome))
  }

  private step(step: number, before: State, thread: number, outcome: Outcome): CounterexampleStep {
    return describeStep(this.concrete, step, before, thread, outcome)
  }
}

interface Followed {
  readonly before: State
  readonly thread: number
  readonly outcome: Outcome
  readonly after: State
}

/** One step of an execution, told with the functions that it is in. */
export function describeStep(
  concrete: Concrete,
  step: number,
  before: State,
  thread: number,
  outcome: Pick<Outcome, 'values' | 'result'>,
): CounterexampleStep {
  const place = before.places[thread]!
  const sites = concrete.stack(place)
  const names = sites.length > 0 ? sites.map(s => s.function) : place.frames.map(f => f.call.fn.name).reverse()
  const { cells, threads } = concrete.system
  return {
    step,
    thread: threads[thread]!.name,
    function: names[0] ?? threads[thread]!.name,
    stack: names,
    operation: place.next!.name,
    ...(sites[0] ? { source: sites[0].source } : {}),
    changes: cells.flatMap((c: Cell, i) =>
      before.values[i] === outcome.values[i] ? [] : [{ cell: c.name, from: before.values[i]!, to: outcome.values[i]! }],
    ),
    result: outcome.result,
  }
}

function keyOf(state: readonly number[]): string {
  return state.join()
}
