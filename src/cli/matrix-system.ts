// SPDX-License-Identifier: GPL-2.0-or-later
/** The systems of `check --matrix`, and what becomes of one: the same in the command's thread and in a worker. */
import { survey } from '../checker/index.ts'
import { build, drivers, properties, protocols } from '../linux/index.ts'
import { type MatrixOf, type MatrixSystem, matrix } from '../linux/scenario/matrix.ts'
import { type MatrixRow, matrixRow } from '../report/matrix.ts'
import { UsageError } from './errors.ts'
import { driverOf, protocolOf } from './model-file.ts'
import type { ModelHost } from './model-host.ts'

/** What a worker is given. */
export interface MatrixJob {
  /** One driver, one protocol, by name or path; all without. */
  readonly driver: string | undefined
  readonly protocol: string | undefined
  readonly common: MatrixOf
  readonly properties: readonly string[] | undefined
  readonly symmetry: boolean
  /** Seconds and bytes for each system. */
  readonly time: number
  readonly memory: number
  /** Whether counterexamples are wanted. */
  readonly explain: boolean
  /** The part of the systems that is checked; all without. */
  readonly shard: Shard | undefined
}

/** The i-th of n parts, from 1 on: every n-th system, so that parts take about as long. */
export interface Shard {
  readonly part: number
  readonly of: number
}

/** The systems of a part, in order. */
export function shardOf(systems: readonly MatrixSystem[], shard: Shard | undefined): readonly MatrixSystem[] {
  return shard === undefined ? systems : systems.filter((_, i) => i % shard.of === shard.part - 1)
}

/** What a worker answers. */
export type MatrixAnswer = { readonly index: number } & ({ readonly row: MatrixRow } | { readonly wrong: string })

/** @throws UsageError for a driver or a protocol that there is not, or that do not fit. */
export async function systemsOf({ driver, protocol, common }: MatrixJob, host: ModelHost): Promise<MatrixSystem[]> {
  const of = driver === undefined ? drivers : [await driverOf(driver, host)]
  const under = protocol === undefined ? protocols : [await protocolOf(protocol, host)]
  const systems = matrix(of, common, under)
  if (systems.length === 0) throw new UsageError(`${driver} has no code for ${protocol}`)
  return systems
}

/** @throws ModelError when a driver is malformed. */
export async function rowOf(of: MatrixSystem, job: MatrixJob, { watch }: ModelHost): Promise<MatrixRow> {
  const built = build(of.system)
  const { symmetry, time, memory, explain } = job
  const wanted = job.properties ? { properties: job.properties } : { also: Object.keys(properties) }
  return matrixRow(of, built, await survey(built.system, { ...wanted, symmetry, time, memory, explain, watch }))
}
