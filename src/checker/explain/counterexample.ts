// SPDX-License-Identifier: GPL-2.0-or-later
/** From what a search found to the steps that are shown. */

import type { Kernel } from '../codegen/search-program.ts'
import type { Endless } from '../explore/liveness.ts'
import type { Crew, LocatedViolation } from '../explore/search.ts'
import type { System } from '../model.ts'
import type { Packing } from '../pack/packing.ts'
import type { Verdict } from '../verdict.ts'
import { lassoOf } from './lasso.ts'
import { Explainer, type Explanation } from './replay.ts'
import { cheapestPath, levelsTo, violating } from './shortest-path.ts'

/** What a counterexample needs to know of the system that was explored. */
interface Explored {
  readonly packing: Packing
  /** By number. */
  readonly properties: readonly string[]
}

/**
 * Of all the shortest executions that end in a violation of this property and kind, one with the fewest context switches.
 * @param kernel with the same text as the crew's.
 * @param selected properties whose violations no execution goes past.
 */
export async function counterexampleOf(
  system: System,
  { packing, properties }: Explored,
  crew: Crew,
  kernel: Kernel,
  { kind, property, level }: LocatedViolation,
  selected: (property: string) => boolean,
): Promise<Explanation> {
  const name = properties[property]!
  // Several invariants may go by one name.
  const same = properties.flatMap((p, i) => (p === name ? [i] : []))
  const levels = await levelsTo(crew, level, await violating(crew, level, kind, same))
  const last = kind === 'step' ? (state: Int32Array) => kernel.violators(state, same) : undefined
  const path = cheapestPath(kernel, packing.words, system.threads.length, packing.initial, levels, last)
  return new Explainer(system, packing, selected).explain(path, kind, name)
}

/** Steps into an endless execution and once round it. */
export async function endlessOf(
  system: System,
  { packing }: Pick<Explored, 'packing'>,
  kernel: Kernel,
  endless: Endless,
  selected: (property: string) => boolean,
): Promise<Required<Pick<Verdict, 'counterexample'>> & Pick<Verdict, 'loop'>> {
  const { prefix, cycle } = await lassoOf(system, kernel, packing, endless)
  // Round twice: a cycle that cannot be repeated is none.
  const steps = new Explainer(system, packing, selected).describe([...prefix, ...cycle, ...cycle])
  const counterexample = steps.slice(0, prefix.length + cycle.length)
  return cycle.length > 0 ? { counterexample, loop: prefix.length + 1 } : { counterexample }
}
