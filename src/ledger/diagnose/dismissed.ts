// SPDX-License-Identifier: GPL-2.0-or-later
/** Finds anomalies that the whole recording shows to be no fault of anybody. */

import { Op } from '../../trace/events.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { Anomaly } from '../track/anomalies.ts'
import type { EventPool } from '../track/event-pool.ts'
import { PageBit } from '../track/page-state.ts'
import { push } from './law-traffic.ts'
import { hasSecondHandOut } from './second-hand-out.ts'

/** Most pages with the same anomaly that are still taken for faults. */
const FEW = 4
/** If more than one in this many of a pagemap's used pages have the anomaly, it is no fault: events are missing. */
const MANY = 8

export interface Dismissed {
  /** Anomalies of events that were rightful. */
  innocent: ReadonlySet<Anomaly>
  /** Anomalies that are due to missing events. */
  unrecorded: ReadonlySet<Anomaly>
}

export function dismissed(ledger: LearningTracker): Dismissed {
  return { innocent: new Set(smallTeardowns(ledger)), unrecorded: new Set(unrecordedPuts(ledger)) }
}

/**
 * Recognises memunmap_pages() of a pagemap that is too small for a sweep, in a recording without stacks: one task put every idle
 * page, and none had an event after that.
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
 * Returns the anomalies of pages that were handed out while others held them, if a pagemap has many of them. Then their puts were
 * not recorded, because a driver that never puts would soon have no free pages. Pages of which a set found the count that it sets count
 * as well, although nothing is impossible there.
 */
function unrecordedPuts(ledger: LearningTracker): Anomaly[] {
  const { anomalies, pages } = ledger
  const groups = new Map<number, Anomaly[]>()
  for (const anomaly of anomalies.list) {
    if (anomaly.kind !== 'count-mismatch') continue
    const pagemap = pages.pagemap[anomaly.row]!
    groups.set(pagemap, [...(groups.get(pagemap) ?? []), anomaly])
  }
  if (groups.size === 0) return []
  const twice = handedOutTwice(ledger)
  const found = [...groups].filter(([pagemap, all]) => {
    const rows = new Set([...all.map(({ row }) => row), ...(twice.get(pagemap) ?? [])])
    return rows.size > FEW && rows.size * MANY > usedOf(ledger, pagemap)
  })
  return found.flatMap(([, each]) => each)
}

/** Returns the rows of pages that a set handed out while they were in use, without changing the count, by pagemap. */
function handedOutTwice(ledger: LearningTracker): Map<number, number[]> {
  const { pages, log, nodes, anomalies } = ledger
  const rows = new Set<number>()
  const look = (row: number, tail: number) => {
    if (rows.has(row) || ledger.idleCount(row) !== 0 || anomalies.of(row) || !hasIdleSet(nodes, tail)) return
    if (hasSecondHandOut(nodes.chain(tail))) rows.add(row)
  }
  for (let entry = 0; entry < log.length; entry++) look(log.row[entry]!, log.tail[entry]!)
  for (const row of pages.inUse()) look(row, pages.tail[row]!)
  const found = new Map<number, number[]>()
  for (const row of rows) push(found, pages.pagemap[row]!, row)
  return found
}

/** True if a lifetime has a set that changed nothing. Few have, and the events of all would be half a million objects. */
function hasIdleSet(nodes: EventPool, tail: number): boolean {
  for (let node = tail; node >= 0; node = nodes.before(node))
    if (nodes.op(node) === Op.SET && nodes.delta(node) === 0) return true
  return false
}

/** Returns the number of a pagemap's pages that were used and came back, or on which an anomaly was found. */
function usedOf({ pages }: LearningTracker, pagemap: number): number {
  let used = 0
  for (let row = 0; row < pages.length; row++) {
    const isUsed = pages.lastClosed[row]! >= 0 || (pages.bits[row]! & PageBit.anomalous) !== 0
    if (pages.pagemap[row] === pagemap && isUsed) used++
  }
  return used
}

/** Returns the number of a pagemap's pages whose count is zero or less. */
function goneFrom({ pages }: LearningTracker, pagemap: number): number {
  let gone = 0
  for (let row = 0; row < pages.length; row++) if (pages.pagemap[row] === pagemap && pages.count[row]! <= 0) gone++
  return gone
}
