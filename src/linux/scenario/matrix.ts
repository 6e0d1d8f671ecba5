// SPDX-License-Identifier: GPL-2.0-or-later
/** The systems of `lastput check --matrix`: each protocol with each driver and scenario. */
import type { Driver, ThreadCounts } from '../driver.ts'
import { protocols } from '../protocols/index.ts'
import type { Protocol } from '../types.ts'
import { build, type Scenario } from './build.ts'

export interface MatrixSystem {
  /** `teardown` is the driver's default: users, and its removal. */
  readonly scenario: string
  readonly system: Scenario
}

/** Options that all systems of the matrix have in common. */
export type MatrixOf = Pick<Scenario, 'pages' | 'vas' | 'reverts' | 'adds' | 'as_released' | 'stores'>

/** Returns the cells ordered by driver, scenario and protocol, with only the protocols that the driver has code for. */
export function matrix(
  drivers: readonly Driver[],
  common: MatrixOf,
  wanted: readonly Protocol[] = protocols,
): MatrixSystem[] {
  return drivers.flatMap(driver => {
    const under = wanted.filter(p => driver.protocols.includes(p.id))
    const of = (protocol: Protocol): [string, ThreadCounts][] => {
      const { parts } = build({ driver, protocol, ...common })
      return [['teardown', parts.threads], ...Object.entries(parts.scenarios ?? {})]
    }
    const names = [...new Set(under.flatMap(p => of(p).map(([name]) => name)))]
    return names.flatMap(scenario =>
      under.flatMap(protocol => {
        const threads = of(protocol).find(([name]) => name === scenario)?.[1]
        if (!threads) return []
        const name = `${driver.name} under ${protocol.id}, ${scenario}`
        return [{ scenario, system: { driver, protocol, ...common, threads, name } }]
      }),
    )
  })
}
