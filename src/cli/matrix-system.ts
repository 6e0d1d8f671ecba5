// SPDX-License-Identifier: GPL-2.0-or-later
/** The systems of `check --matrix` and the check of one of them, used by both the main thread and the workers. */
import { survey } from '../checker/index.ts'
import { build, drivers, properties, protocols } from '../linux/index.ts'
import { type MatrixOf, type MatrixSystem, matrix } from '../linux/scenario/matrix.ts'
import { type MatrixRow, matrixRow } from '../report/matrix.ts'
import { UsageError } from './errors.ts'
import { driverOf, protocolOf } from './model-file.ts'
import type { ModelHost } from './model-host.ts'

/** The `workerData` of a worker. */
export interface MatrixJob {
  /** A driver and a protocol, by name or path; undefined: all. */
  readonly driver: string | undefined
  readonly protocol: string | undefined
  readonly common: MatrixOf
  readonly properties: readonly string[] | undefined
  readonly symmetry: boolean
  /** Limits for each system: time in seconds, memory in bytes. */
  readonly time: number
  readonly memory: number
  /** True if rows include counterexamples. */
  readonly explain: boolean
  /** The shard of the systems to check; undefined: all systems. */
  readonly shard: Shard | undefined
}

/** Shard i of n, counted from 1. It has every n-th system, so that all shards take about as long. */
export interface Shard {
  readonly part: number
  readonly of: number
}

/** The systems of a shard, in order. */
export function shardOf(systems: readonly MatrixSystem[], shard: Shard | undefined): readonly MatrixSystem[] {
  return shard === undefined ? systems : systems.filter((_, i) => i % shard.of === shard.part - 1)
}

/** A worker's answer: the row of the system with this index, or an error message. */
export type MatrixAnswer = { readonly index: number } & ({ readonly row: MatrixRow } | { readonly wrong: string })

/** @throws UsageError for an unknown driver or protocol, or for a driver that has no code for the protocol. */
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
