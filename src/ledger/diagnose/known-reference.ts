// SPDX-License-Identifier: GPL-2.0-or-later
/** References that are out and whose get is known: how certain it is that they are leaked, and which of them are told together. */
import type { Certainty } from '../findings/finding.ts'
import { NO_LAW } from '../learn/law-book.ts'
import type { LifetimeEvent } from '../track/lifetime-event.ts'
import { isLifetimeOvertaken, type LeakFacts, leakCertainty } from './leak.ts'
import type { OpenReference } from './references.ts'

/** A reference that is out and whose get is known. */
export interface KnownReference {
  reference: OpenReference
  event: LifetimeEvent
  /** Number of such references that are out, this one included. */
  units: number
  facts: LeakFacts
  /** The facts as they were if it had been taken when somebody last found the page by it. */
  judged: LeakFacts
  /** How certain it is that it is leaked; undefined: it may well come back. */
  certainty: Certainty | undefined
}

/** Returns the certainty of a leak, counted from its taking and again from when the page was last found by it: the lesser. */
export function certaintyOf(facts: LeakFacts, judged: LeakFacts): Certainty | undefined {
  const certainty = leakCertainty(facts)
  if (certainty === undefined || judged === facts) return certainty
  const later = leakCertainty(judged)
  return later === 'possible' || later === undefined ? later : certainty
}

/** Returns how certain the culprit is where memunmap_pages() waits for a reference without a law: as if it did not wait. */
export function ofBlind(facts: LeakFacts): Certainty {
  return leakCertainty({ ...facts, waits: false }) === 'likely' ? 'likely' : 'possible'
}

/**
 * True if nothing else keeps the page, and whole lifetimes overtook this one. This shows a leak whichever of several possible laws
 * is the right one.
 */
export function isLeftBehind(facts: LeakFacts): boolean {
  return facts.isEven && facts.others + facts.tables + facts.evictions === 0 && isLifetimeOvertaken(facts)
}

/**
 * Orders leaked references, the likeliest first. While memunmap_pages() waits, those of page tables and of the owner come last: a
 * page that somebody else uses cannot be migrated, so that these stay, too. Otherwise, first is the one that exceeds the most
 * that overtook any returned reference of its law by the largest number.
 */
export function byLikelihood({ facts: a }: KnownReference, { facts: b }: KnownReference): number {
  const kept = (facts: LeakFacts) => Number(facts.isMapped || facts.isHandOut)
  return (a.waits ? kept(a) - kept(b) : 0) || b.since - b.most - (a.since - a.most)
}

/** Combines the leaked references of each law into one, and those without a law by the call site that took them. */
export function onePerLaw(leaked: readonly KnownReference[]): KnownReference[] {
  const combined: KnownReference[] = []
  for (const each of leaked) {
    const same = combined.find(other => isOfSameLaw(other, each))
    if (same) same.units += each.units
    else combined.push({ ...each })
  }
  return combined
}

/** True if two references are of one law. Without a law, nothing connects those of two call sites. */
export function isOfSameLaw(
  { reference: a, event }: KnownReference,
  { reference: b, event: other }: KnownReference,
): boolean {
  return a.law === b.law && (a.law !== NO_LAW || event.signature === other.signature)
}
