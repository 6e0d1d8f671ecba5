// SPDX-License-Identifier: GPL-2.0-or-later
/** Makes the counterexamples that are shown from the violations that a search found. */

import type { SearchProgram } from '../codegen/search-program.ts'
import type { FairCycle } from '../explore/liveness.ts'
import type { LocatedViolation, WorkerGroup } from '../explore/search.ts'
import type { System } from '../model.ts'
import type { Packing } from '../pack/packing.ts'
import type { Verdict } from '../verdict.ts'
import { lassoOf } from './lasso.ts'
import { Explainer, type Explanation } from './replay.ts'
import { cheapestPath, levelsTo, violating } from './shortest-path.ts'

/** The parts of a prepared system that counterexamples are made from. */
interface Explored {
  readonly packing: Packing
  /** Names of properties by their number. */
  readonly properties: readonly string[]
}

/**
 * Returns, of all the shortest executions that end in a violation of this property and kind, one with the fewest context
 * switches.
 * @param program with the same code as the group's programs.
 * @param selected true for the properties at whose violation an execution ends.
 */
export async function counterexampleOf(
  system: System,
  { packing, properties }: Explored,
  group: WorkerGroup,
  program: SearchProgram,
  { kind, property, level }: LocatedViolation,
  selected: (property: string) => boolean,
): Promise<Explanation> {
  const name = properties[property]!
  // Several invariants may have the same name.
  const same = properties.flatMap((p, i) => (p === name ? [i] : []))
  const levels = await levelsTo(group, level, await violating(group, level, kind, same))
  const last = kind === 'step' ? (state: Int32Array) => program.violators(state, same) : undefined
  const path = cheapestPath(program, packing.words, system.threads.length, packing.initial, levels, last)
  return new Explainer(system, packing, selected).explain(path, kind, name)
}

/** Returns the steps that lead into the cycle of an endless execution, and once around the cycle. */
export async function lassoCounterexampleOf(
  system: System,
  { packing }: Pick<Explored, 'packing'>,
  program: SearchProgram,
  fairCycle: FairCycle,
  selected: (property: string) => boolean,
): Promise<Required<Pick<Verdict, 'counterexample'>> & Pick<Verdict, 'loop'>> {
  const { prefix, cycle } = await lassoOf(system, program, packing, fairCycle)
  // The cycle is replayed twice: one that cannot be repeated is none.
  const steps = new Explainer(system, packing, selected).describe([...prefix, ...cycle, ...cycle])
  const counterexample = steps.slice(0, prefix.length + cycle.length)
  return cycle.length > 0 ? { counterexample, loop: prefix.length + 1 } : { counterexample }
}
