// SPDX-License-Identifier: GPL-2.0-or-later
/** An endless execution as a lasso: a path to a fair component, and a cycle in it. Its states are actual ones, not canonical. */
import type { SearchProgram } from '../codegen/search-program.ts'
import { bitsOf, excused, type FairCycle } from '../explore/liveness.ts'
import { localGroup, type WorkerGroup } from '../explore/search.ts'
import type { System } from '../model.ts'
import type { Packing } from '../pack/packing.ts'
import { cheapestPath, levelsTo, type PathStep } from './shortest-path.ts'

export interface Lasso {
  readonly prefix: readonly PathStep[]
  /** Empty if no thread moves any more after the prefix. */
  readonly cycle: readonly PathStep[]
}

/** Returns a shortest path to the fair component, and a fair cycle from there. @param program that has explored all states. */
export async function lassoOf(
  system: System,
  program: SearchProgram,
  packing: Packing,
  fairCycle: FairCycle,
): Promise<Lasso> {
  const group: WorkerGroup = localGroup(program)
  const levels = await levelsTo(group, fairCycle.level, fairCycle.entries)
  const prefix = cheapestPath(program, packing.words, system.threads.length, packing.initial, levels)
  const start = prefix.at(-1)?.state ?? packing.initial
  return { prefix, cycle: new Round(system, program, packing, fairCycle, start).steps() }
}

/** A cycle from a state back to itself in which each thread moves, or need not move in some state. */
class Round {
  private readonly program: SearchProgram
  private readonly packing: Packing
  private readonly fairCycle: FairCycle
  private readonly start: readonly number[]
  private readonly component: number
  private readonly members: number
  private readonly everyone: number
  private readonly daemons: number

  constructor(
    system: System,
    program: SearchProgram,
    packing: Packing,
    fairCycle: FairCycle,
    start: readonly number[],
  ) {
    this.program = program
    this.packing = packing
    this.fairCycle = fairCycle
    this.start = start
    this.component = this.componentOf(start)
    this.members = bitsOf(fairCycle.obligation.threads)
    this.everyone = bitsOf(system.threads.map((_, t) => t))
    this.daemons = bitsOf(system.threads.flatMap((t, i) => (t.daemon ? [i] : [])))
  }

  steps(): PathStep[] {
    const path: PathStep[] = []
    let waiting = this.everyone & ~this.excused(this.start)
    while (waiting !== 0) {
      const left = waiting
      const leg = this.shortest(
        path.at(-1)?.state ?? this.start,
        ({ thread, state }) => ((left & (1 << thread)) | (left & this.excused(state))) !== 0,
      )
      if (!leg) throw new Error('a fair component has no fair round')
      for (const step of leg) {
        path.push(step)
        waiting &= ~((1 << step.thread) | this.excused(step.state))
      }
    }
    const goal = this.start.join()
    if (path.at(-1)?.state.join() === goal) return path
    const home = this.shortest(path.at(-1)?.state ?? this.start, ({ state }) => state.join() === goal)
    return [...path, ...(home ?? [])]
  }

  /** A shortest path within the component whose last step is wanted; undefined if there is none. */
  private shortest(from: readonly number[], wanted: (step: PathStep) => boolean): PathStep[] | undefined {
    interface Visit {
      readonly state: readonly number[]
      readonly via: PathStep | undefined
      readonly before: Visit | undefined
    }
    const queue: Visit[] = [{ state: from, via: undefined, before: undefined }]
    const known = new Set([from.join()])
    for (const at of queue)
      for (const step of this.stepsInside(at.state)) {
        const visit = { state: step.state, via: step, before: at }
        if (wanted(step)) {
          const path: PathStep[] = []
          for (let v: Visit | undefined = visit; v?.via; v = v.before) path.unshift(v.via)
          return path
        }
        const key = step.state.join()
        if (known.has(key)) continue
        known.add(key)
        queue.push(visit)
      }
    return undefined
  }

  private stepsInside(state: readonly number[]): PathStep[] {
    const { started } = this.program.threadsAt(Int32Array.from(state))
    return this.packing.steps(this.program.successors(Int32Array.from(state))).filter(step => {
      const after = this.program.threadsAt(Int32Array.from(step.state)).started
      const mine = this.members & (1 << step.thread)
      if ((after & this.members) === 0 || (mine & started & ~after) !== 0) return false
      return this.componentOf(step.state) === this.component
    })
  }

  private excused(state: readonly number[]): number {
    const { started, can } = this.program.threadsAt(Int32Array.from(state))
    return excused(started, can, this.daemons)
  }

  private componentOf(state: readonly number[]): number {
    return this.fairCycle.componentOf[this.program.numberOf(Int32Array.from(state))]!
  }
}
