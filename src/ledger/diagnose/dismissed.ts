// SPDX-License-Identifier: GPL-2.0-or-later
/** Anomalies that have an innocent reason which only the whole recording shows. */

import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { Anomaly } from '../track/anomalies.ts'
import { PageBit } from '../track/page-state.ts'

/** Pages that may go wrong in one recording in the same way, each by a fault of its own. */
const FEW = 4
/** One in so many of a pagemap's used pages is more than single faults make. */
const MANY = 8

export interface Dismissed {
  /** What is right. */
  innocent: ReadonlySet<Anomaly>
  /** What events that are missing have left. */
  unrecorded: ReadonlySet<Anomaly>
}

export function dismissed(ledger: LearningTracker): Dismissed {
  return { innocent: new Set(smallTeardowns(ledger)), unrecorded: new Set(unrecordedPuts(ledger)) }
}

/**
 * Without stacks, memunmap_pages() of a small pagemap is known only by what it leaves: one task put every idle page,
 * and none was touched again.
 */
function smallTeardowns(ledger: LearningTracker): Anomaly[] {
  const { anomalies, pages, pagemaps, sites } = ledger
  const groups = new Map<string, Anomaly[]>()
  for (const anomaly of anomalies.list) {
    const { event, row, kind, consequences, idle } = anomaly
    if (kind !== 'put-on-free-page' || sites.isTelling(event.stack) || idle !== 1 || consequences.length > 0) continue
    if (pages.count[row] !== 0) continue
    const key = `${pages.pagemap[row]} ${event.pid}`
    groups.set(key, [...(groups.get(key) ?? []), anomaly])
  }
  const found = [...groups].filter(([key]) => {
    const pagemap = Number.parseInt(key, 10)
    return goneFrom(ledger, pagemap) * 2 > pagemaps.list[pagemap]!.pages
  })
  return found.flatMap(([, all]) => all)
}

/**
 * Pages that were handed out while others held them, if many of a pagemap were: then it is the puts that were not
 * recorded. A driver that forgets them all would soon have no free pages.
 */
function unrecordedPuts(ledger: LearningTracker): Anomaly[] {
  const { anomalies, pages } = ledger
  const groups = new Map<number, Anomaly[]>()
  for (const anomaly of anomalies.list) {
    if (anomaly.kind !== 'count-mismatch') continue
    const pagemap = pages.pagemap[anomaly.row]!
    groups.set(pagemap, [...(groups.get(pagemap) ?? []), anomaly])
  }
  const found = [...groups].filter(([pagemap, all]) => all.length > FEW && all.length * MANY > usedOf(ledger, pagemap))
  return found.flatMap(([, each]) => each)
}

/** Pages of that pagemap that were in use and are seen to have come back, or have gone wrong. */
function usedOf({ pages }: LearningTracker, pagemap: number): number {
  let used = 0
  for (let row = 0; row < pages.length; row++) {
    const isUsed = pages.lastClosed[row]! >= 0 || (pages.bits[row]! & PageBit.anomalous) !== 0
    if (pages.pagemap[row] === pagemap && isUsed) used++
  }
  return used
}

/** Pages of that pagemap that stand at zero or below. */
function goneFrom({ pages }: LearningTracker, pagemap: number): number {
  let gone = 0
  for (let row = 0; row < pages.length; row++) if (pages.pagemap[row] === pagemap && pages.count[row]! <= 0) gone++
  return gone
}
