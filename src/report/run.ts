// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput.run/1`: one execution of the model under a seeded scheduler, step by step. */
import type { Scenario } from '../linux/kernel.ts'
import type { Machine } from '../linux/machine.ts'
import { stepsJson } from './check.ts'

export function runJson({ driver, protocol }: Scenario, { built, steps }: Machine, seed: number): object {
  return {
    schema: 'lastput.run/1',
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
