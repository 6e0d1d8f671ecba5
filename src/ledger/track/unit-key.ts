// SPDX-License-Identifier: GPL-2.0-or-later
/** Units of a lifetime, from which laws are learned: how many references each call site took or gave back. */

/** A call site with the direction of its change: `signature * 2`, plus 1 if it gives back. */
export type UnitKey = number

export function unitKey(signature: number, units: number): UnitKey {
  return signature * 2 + (units < 0 ? 1 : 0)
}

/** Adds units of references that a call site took (positive) or gave back. */
export function addUnits(sums: Map<UnitKey, number>, signature: number, units: number): void {
  const key = unitKey(signature, units)
  sums.set(key, (sums.get(key) ?? 0) + units)
}

export function isPut(key: UnitKey): boolean {
  return (key & 1) === 1
}

export function signatureOf(key: UnitKey): number {
  return key >> 1
}

/** The numbers of lifetimes, by kind. */
export interface LifetimeCounts {
  readonly size: number
  /** Calls back with the keys and units of one kind of lifetime, and how many lifetimes were of it. */
  forEach(each: (units: ReadonlyMap<UnitKey, number>, lifetimes: number) => void): void
}
