// SPDX-License-Identifier: GPL-2.0-or-later
/** The kinds of subsystems that a driver is drawn from. */
import { showsHandOut } from '../protocols.ts'
import type { World } from '../world.ts'
import { Batch } from './batch.ts'
import { Deferred } from './deferred.ts'
import { Job } from './job.ts'
import { Lease } from './lease.ts'
import { Lru } from './lru.ts'
import { Mailbox } from './mailbox.ts'
import { Mapping } from './mapping.ts'
import { Pins } from './pins.ts'
import { Ring } from './ring.ts'
import { Scanner } from './scanner.ts'
import type { Subsystem } from './subsystem.ts'
import { Table } from './table.ts'
import { View } from './view.ts'

export const SUBSYSTEMS = {
  ring: Ring,
  lru: Lru,
  deferred: Deferred,
  lease: Lease,
  batch: Batch,
  table: Table,
  mailbox: Mailbox,
  scanner: Scanner,
  mapping: Mapping,
  pins: Pins,
  job: Job,
  view: View,
} as const
export type SubsystemKind = keyof typeof SUBSYSTEMS
export const SUBSYSTEM_KINDS = Object.keys(SUBSYSTEMS) as SubsystemKind[]

/** Draws 2 to 8 subsystems; a driver may have two of a kind. */
export function drawSubsystems(world: World): Subsystem[] {
  const { random } = world
  const counts = new Map<SubsystemKind, number>()
  return Array.from({ length: random.int(2, 8) }, () => {
    const kind = random.pick(SUBSYSTEM_KINDS)
    const number = (counts.get(kind) ?? 0) + 1
    counts.set(kind, number)
    return new SUBSYSTEMS[kind](world, `${kind}${number}`)
  })
}

/** Faults that the subsystem can have under the protocol. Where any get allocates a page, there is no get on a free page. */
export function modesOf(subsystem: Subsystem, world: World): readonly string[] {
  const { rules } = world.kernel
  const countsHandOuts = showsHandOut(rules) || rules.protocol === 'A'
  return subsystem.modes.filter(mode => !mode.startsWith('stale') || countsHandOuts)
}
