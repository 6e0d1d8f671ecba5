// SPDX-License-Identifier: GPL-2.0-or-later
/** Look-up of kinds of findings. */
import { promiseOf } from '../../promises/promises.ts'
import type { KindOfFinding } from './finding-kind.ts'
import { type FindingKind, KINDS } from './registry.ts'

const BY_ID: ReadonlyMap<string, KindOfFinding> = new Map(KINDS.map(kind => [kind.id, kind]))

/** Returns the definition of a kind; undefined for an id that only another version of lastput has. */
export function kindOf(id: string): KindOfFinding | undefined {
  return BY_ID.get(id)
}

/** Kinds that accuse; the others only report. */
export const ACCUSATIONS: ReadonlySet<FindingKind> = new Set(KINDS.filter(kind => kind.accuses).map(kind => kind.id))

/** True if a finding of this kind shows the promise to be broken: by itself, or as a part of a wider one. */
export function breaks(kind: string, promise: string): boolean {
  const of = kindOf(kind)
  if (!of?.isEvidence) return false
  return of.promise === promise || (promiseOf(of.promise)?.partOf ?? []).includes(promise)
}
