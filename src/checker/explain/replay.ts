// SPDX-License-Identifier: GPL-2.0-or-later
/** Replays a path over packed states with the interpreter, which both verifies it and gives the steps that users read. */

import type { FoundViolation } from '../codegen/search-program.ts'
import type { System } from '../model.ts'
import type { Packing } from '../pack/packing.ts'
import { describeStep, stuckMessage } from '../reference/describe-step.ts'
import { Interpreter, keyOfPlace, type Outcome, type Place } from '../reference/interpreter.ts'
import type { CounterexampleStep } from '../verdict.ts'
import type { PathStep } from './shortest-path.ts'

export interface Explanation {
  readonly steps: CounterexampleStep[]
  readonly message: string
}

/** Thrown when a counterexample cannot be replayed. That is an error of the checker, and must never become a verdict. */
export class ReplayError extends Error {
  override name = 'ReplayError'
}

export class Explainer {
  private readonly system: System
  private readonly packing: Packing
  private readonly interpreter: Interpreter
  private readonly selected: (property: string) => boolean

  constructor(system: System, packing: Packing, selected: (property: string) => boolean) {
    this.system = system
    this.packing = packing
    this.interpreter = new Interpreter(system)
    this.selected = selected
  }

  /**
   * Replays a path and describes it, with the violation at its end.
   * @param path to the state that violates the property, or from which one step does.
   * @throws ReplayError when the interpreter does not come to the same violation.
   */
  explain(path: readonly PathStep[], kind: FoundViolation['kind'], property: string): Explanation {
    const told = this.tell(path, kind, property)
    const before = path.length > 0 ? this.system.threads[path.at(-1)!.thread]!.name : undefined
    const best = told.find(({ steps }) => steps.at(-1)?.thread === before) ?? told[0]
    if (!best) throw new ReplayError(`${this.system.name}: the counterexample to "${property}" cannot be replayed`)
    return best
  }

  /** Replays a path and describes its steps. @throws ReplayError when the interpreter cannot follow the path. */
  describe(path: readonly PathStep[]): CounterexampleStep[] {
    const told = this.follow(path)?.tell(tracks => tracks.map(t => t[0]!))
    if (!told) throw new ReplayError(`${this.system.name}: a path of ${path.length} steps cannot be replayed`)
    return told
  }

  /** Returns the explanations that the replay allows: none if it fails; for a violation by a step, one for each such step. */
  private tell(path: readonly PathStep[], kind: FoundViolation['kind'], property: string): Explanation[] {
    const run = this.follow(path)
    if (!run) return []
    const values = path.length > 0 ? this.packing.values(path.at(-1)!.state) : this.interpreter.initial().values
    if (kind === 'deadlock') {
      const still = run.tracks.map(track => {
        const blocked = track.filter(c => this.ways(c.place, values).length === 0)
        return blocked.find(c => c.place.started) ?? blocked[0]
      })
      const message = stuckMessage(
        this.interpreter,
        still.map(c => c?.place),
      )
      if (still.some(c => c === undefined) || message === undefined) return []
      return [{ steps: run.tell(() => still as Track[]), message }]
    }
    if (kind === 'state') {
      // Prefer places between runs, since some properties must hold only at rest.
      const ends = run.tracks.map(track => track.find(c => !c.place.started) ?? track[0]!)
      const broken = this.interpreter.broken({ values, places: ends.map(t => t.place) }).includes(property)
      return broken ? [{ steps: run.tell(() => ends), message: this.interpreter.messageOf(property, values) }] : []
    }
    return run.tracks.flatMap((track, t) => {
      for (const c of track)
        for (const outcome of this.ways(c.place, values)) {
          const violation = outcome.violations.find(v => v.property === property)
          if (!violation) continue
          const steps = run.tell(tracks => tracks.map((other, u) => (u === t ? c : other[0]!)))
          const last = describeStep(this.interpreter, steps.length + 1, values, t, c.place, outcome)
          return [{ steps: [...steps, last], message: violation.message }]
        }
      return []
    })
  }

  private ways(place: Place, values: readonly number[]): Outcome[] {
    return place.next ? this.interpreter.outcomes(place.next, values) : []
  }

  /**
   * Follows a path; undefined if no execution takes it. The states do not show what a step returned, so that a thread may be at
   * one of several places. They do fix the values of all cells, so that each thread can be followed by itself.
   */
  private follow(path: readonly PathStep[]): Followed | undefined {
    const first = this.interpreter.initial()
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
          const place = this.interpreter.after(this.system.threads[thread]!, before.place, outcome.result)
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
          steps[c.at] = describeStep(this.interpreter, c.at + 1, memory[c.at]!, t, c.before.place, c.outcome!)
      return steps
    }
    return { tracks, tell }
  }
}

/** A place at which a thread may be, and how it came there. */
interface Track {
  readonly place: Place
  readonly before: Track | undefined
  readonly at: number
  readonly outcome: Outcome | undefined
}

interface Followed {
  /** By thread, its possible places at the end. */
  readonly tracks: readonly Track[][]
  /** Describes the steps, once one place is chosen for each thread. */
  tell(choose: (tracks: readonly Track[][]) => Track[]): CounterexampleStep[]
}
