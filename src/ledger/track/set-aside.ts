// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Pairs of a get and its put that were removed from the events of long lifetimes, in a compact form. Without that, a page that is
 * never idle would need memory for every event. The columns are a ring buffer of the latest pairs of all pages.
 */
import { growColumns } from '../../util/growable.ts'
import type { EventPool } from './event-pool.ts'
import { addUnits, type UnitKey } from './unit-key.ts'

/** Number of pairs that are remembered. */
const MAX_PAIRS = 1 << 18

export class SetAside {
  /** Row of the page, and number of the same page's previous pair, `NO_PAIR` for none. */
  row = new Int32Array(1024)
  before = new Int32Array(1024)
  units = new Int32Array(1024)
  /** Call-site key, task and number of the event that took the references. */
  getSignature = new Int32Array(1024)
  getPid = new Int32Array(1024)
  taken = new Int32Array(1024)
  /** The same of the event that gave them back, and its stack. */
  putSignature = new Int32Array(1024)
  putPid = new Int32Array(1024)
  given = new Int32Array(1024)
  putStack = new Int32Array(1024)
  /** Number of pairs set aside so far. Pairs are numbered from 0 and keep their numbers. */
  length = 0

  /** Number of the oldest pair that is still remembered. */
  get first(): number {
    return Math.max(0, this.length - MAX_PAIRS)
  }

  /** Place of a pair in the columns. */
  at(pair: number): number {
    return pair % MAX_PAIRS
  }

  /** Remembers that a put gave back references which a get took; returns the pair's number. */
  add(row: number, before: number, units: number, get: number, put: number, nodes: EventPool): number {
    const pair = this.length++
    const at = this.at(pair)
    if (at >= this.row.length) growColumns(this, this.row.length * 2)
    this.row[at] = row
    this.before[at] = before
    this.units[at] = units
    this.getSignature[at] = nodes.signature(get)
    this.getPid[at] = nodes.pid(get)
    this.taken[at] = nodes.ordinal(get)
    this.putSignature[at] = nodes.signature(put)
    this.putPid[at] = nodes.pid(put)
    this.given[at] = nodes.ordinal(put)
    this.putStack[at] = nodes.stack(put)
    return pair
  }

  /**
   * Adds up the units that a page's pairs of one lifetime took and gave back, by key.
   *
   * @param last number of the page's last pair
   * @param from number of the event that began the lifetime
   * @param to number of its last event
   */
  addUnits(units: Map<UnitKey, number>, last: number, from: number, to: number): void {
    for (let pair = last; pair >= this.first; pair = this.before[this.at(pair)]!) {
      const at = this.at(pair)
      if (this.given[at]! < from) return
      if (this.taken[at]! < from || this.given[at]! > to) continue
      addUnits(units, this.getSignature[at]!, this.units[at]!)
      addUnits(units, this.putSignature[at]!, -this.units[at]!)
    }
  }
}
