// SPDX-License-Identifier: GPL-2.0-or-later
/** The simulators of random drivers by which the ledger is calibrated, by name. */
import type { Simulator } from './simulation.ts'
import { drivers } from './simulators/drivers.ts'
import { lifecycles } from './simulators/lifecycles.ts'

const SIMULATORS: Record<string, Simulator> = { drivers, lifecycles }

export const DEFAULT_SIMULATOR = 'drivers'

/** Returns the simulator of that name, or throws with the names that there are. */
export function simulatorOf(name: string): Simulator {
  if (!Object.hasOwn(SIMULATORS, name))
    throw new Error(`there is no simulator "${name}"; use one of: ${Object.keys(SIMULATORS).join(', ')}`)
  return SIMULATORS[name]!
}
