// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Counterexamples: the shortest, then of those to the state met first the one with the fewest context switches. States keep no parents. Going back level by
 * level gives the states that lie on a shortest path; going forward through them, with each state's cheapest last thread,
 * gives the path; the naive interpreter replays it before it is shown.
 */
import { Concrete, keyOfPlace, type Outcome, type Place } from './concrete.ts'
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
    const told = this.follow(path)?.tell(tracks => tracks.map(t => t[0]!))
    if (!told) throw new ReplayError(`${this.system.name}: a path of ${path.length} steps cannot be replayed`)
    return told
  }

  /** A path and a cycle of orbits as a path and a cycle of states: gone round until a state comes again. */
  unroll(prefix: readonly PathStep[], cycle: readonly PathStep[]): { prefix: PathStep[]; cycle: PathStep[] } {
    let at = this.packing.initial
    const walk = (steps: readonly PathStep[]): PathStep[] =>
      steps.map(({ thread, state }) => {
        const wanted = keyOf(state)
        const next = this.packing
          .steps(this.kernel.successors(Int32Array.from(at)))
          .find(s => s.thread === thread && keyOf([...this.kernel.canonical(Int32Array.from(s.state))]) === wanted)
        if (!next) throw new ReplayError(`${this.system.name}: a path over orbits has no path over states`)
        at = next.state
        return next
      })
    const before = walk(prefix)
    const rounds: PathStep[][] = []
    const starts: string[] = []
    while (cycle.length > 0 && !starts.includes(keyOf(at))) {
      starts.push(keyOf(at))
      rounds.push(walk(cycle))
    }
    const first = starts.indexOf(keyOf(at))
    return { prefix: [...before, ...rounds.slice(0, first).flat()], cycle: rounds.slice(first).flat() }
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
    const run = this.follow(path)
    if (!run) return []
    const values = path.length > 0 ? this.packing.values(path.at(-1)!.state) : this.concrete.initial().values
    if (found.kind === 'deadlock') {
      const still = run.tracks.map(track => track.find(c => this.ways(c.place, values).length === 0))
      const stuck = this.system.threads.filter((_, t) => still[t]?.place.started)
      if (still.includes(undefined) || stuck.length === 0) return []
      return [{ steps: run.tell(() => still as Track[]), message: `stuck: ${stuck.map(t => t.name).join(', ')}` }]
    }
    if (found.kind === 'state') {
      const broken = this.concrete.broken({ values, places: run.tracks.map(t => t[0]!.place) }).includes(property)
      return broken ? [{ steps: run.tell(tracks => tracks.map(t => t[0]!)), message: `${property} does not hold` }] : []
    }
    return run.tracks.flatMap((track, t) => {
      for (const c of track)
        for (const outcome of this.ways(c.place, values)) {
          const violation = outcome.violations.find(v => v.property === property)
          if (!violation) continue
          const steps = run.tell(tracks => tracks.map((other, u) => (u === t ? c : other[0]!)))
          const last = describeStep(this.concrete, steps.length + 1, values, t, c.place, outcome)
          return [{ steps: [...steps, last], message: violation.message }]
        }
      return []
    })
  }

  private ways(place: Place, values: readonly number[]): Outcome[] {
    return place.next ? this.concrete.outcomes(place.next, values) : []
  }

  /**
   * Follows a path. What choices returned cannot be told from memory, so each thread has several places at which it may
   * be; the path fixes memory, so threads can be followed one by one.
   */
  private follow(path: readonly PathStep[]): Followed | undefined {
    const first = this.concrete.initial()
    const tracks: Track[][] = first.places.map(place => [{ place, before: undefined, at: -1, outcome: undefined }])
    let values = first.values
    const memory = [values]
    for (const [at, { thread, state }] of path.entries()) {
      const after = this.packing.values(state)
      const next = new Map<string, Track>()
      for (const before of tracks[thread]!)
        for (const outcome of this.ways(before.place, values)) {
          if (outcome.stops || outcome.values.some((v, i) => v !== after[i])) continue
          if (outcome.violations.some(v => this.selected(v.property))) continue
          const place = this.concrete.after(this.system.threads[thread]!, before.place, outcome.result)
          const key = keyOfPlace(place)
          if (!next.has(key)) next.set(key, { place, before, at, outcome })
        }
      if (next.size === 0) return undefined
      tracks[thread] = [...next.values()]
      values = after
      memory.push(values)
    }
    const tell: Followed['tell'] = choose => {
      const steps: CounterexampleStep[] = []
      for (const [t, end] of choose(tracks).entries())
        for (let c = end; c.before; c = c.before)
          steps[c.at] = describeStep(this.concrete, c.at + 1, memory[c.at]!, t, c.before.place, c.outcome!)
      return steps
    }
    return { tracks, tell }
  }
}

/** Where a thread may be, and how it came there. */
interface Track {
  readonly place: Place
  readonly before: Track | undefined
  readonly at: number
  readonly outcome: Outcome | undefined
}

interface Followed {
  /** By thread, its possible places at the end. */
  readonly tracks: readonly Track[][]
  /** The steps, once one place is chosen for each thread. */
  tell(choose: (tracks: readonly Track[][]) => Track[]): CounterexampleStep[]
}

/** One step of an execution, told with the functions that it is in. */
export function describeStep(
  concrete: Concrete,
  step: number,
  before: readonly number[],
  thread: number,
  place: Place,
  outcome: Pick<Outcome, 'values' | 'result' | 'choices'>,
): CounterexampleStep {
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
      before[i] === outcome.values[i] ? [] : [{ cell: c.name, from: before[i]!, to: outcome.values[i]! }],
    ),
    result: outcome.result,
    choices: outcome.choices,
  }
}

function keyOf(state: readonly number[]): string {
  return state.join()
}
