// SPDX-License-Identifier: GPL-2.0-or-later

/** `lastput.run/2`: one execution of the model under a seeded scheduler, step by step. */
import type { Violation } from '../checker/index.ts'

import { properties } from '../linux/properties.ts'
import type { Scenario } from '../linux/scenario/build.ts'
import type { Simulator } from '../linux/scenario/simulator.ts'
import { stepsJson } from './check.ts'
import { newsOf } from './words.ts'

/** One broken property, after its colon: an invariant's own message says no more than its name. */
export function violationText({ property, message }: Violation): string {
  const news = newsOf(property, message) || properties[property]?.rule
  return news ? `${property}: ${news}` : property
}

export function runJson({ driver, protocol }: Scenario, { built, steps }: Simulator, seed: number): object {
  return {
    schema: 'lastput.run/2',
    system: built.system.name,
    driver: driver.name,
    protocol: protocol.id,
    bounds: built.system.bounds,
    seed,
    steps: stepsJson(built, steps, steps),
    violations: steps.flatMap(({ step, violations }) =>
      violations.map(({ property, message }) => ({ step, property, message })),
    ),
  }
}
