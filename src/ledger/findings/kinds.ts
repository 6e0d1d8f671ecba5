// SPDX-License-Identifier: GPL-2.0-or-later
/** Looking kinds of findings up. */
import type { KindOfFinding } from './finding-kind.ts'
import { type FindingKind, KINDS } from './registry.ts'

const BY_ID: ReadonlyMap<string, KindOfFinding> = new Map(KINDS.map(kind => [kind.id, kind]))

/** Returns what a kind says of itself; undefined for one that another version of lastput wrote. */
export function kindOf(id: string): KindOfFinding | undefined {
  return BY_ID.get(id)
}

/** Kinds that accuse; the others only report. */
export const ACCUSATIONS: ReadonlySet<FindingKind> = new Set(KINDS.filter(kind => kind.accuses).map(kind => kind.id))
