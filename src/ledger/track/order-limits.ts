// SPDX-License-Identifier: GPL-2.0-or-later
/** Bounds on the difference between the order of stamps and that of operations, and on the effort to find the latter. */
import { type StampInfo, spanOf, stampSlack } from '../../trace/common/clock.ts'

/** Most events of one page that are held back: as many as another CPU may make on a contended page before a late stamp comes. */
export const MAX_WAITING = 1 << 15

/** The same of a page of which nothing can be claimed, so that less depends on the order of its events. */
export const MAX_WAITING_UNSURE = 256

/** Most applied events that are reordered again when later ones contradict them. */
export const MAX_RECENT = 24

/** Assumed for a clock of which nothing is known. */
const FINE: StampInfo = { clock: 'local', unit: 'ns', resolution: 1, cpus: 1 }

/** Resolution in ns from which on a clock is coarse: within one step, a page can be handed out, used and freed. */
const COARSE = 1_000_000

/** What the clock of a recording tells about order. Times are in the unit of `EventBatch.time`. */
export class OrderLimits {
  /** How long events that contradict the count are held back: longer than a task is usually scheduled out. */
  window = 0
  /** If two stamps of different CPUs are further apart than this, the smaller one is surely the earlier one. */
  slack = 0
  /**
   * Longest time by which an interrupt between an operation and its stamp delays that stamp. The interrupt's own events come
   * first.
   */
  interrupt = 0
  /** Time within which an operation is usually stamped: events of two tasks that are this close may have been reordered. */
  near = 0
  /** True if whole lifetimes of pages can pass within one step of the clock. */
  isCoarse = false
  /** True if a debug exception makes the stamp, so that nothing on the same CPU comes between an operation and its stamp. */
  isImmediate = false
  readonly #stamps: StampInfo

  /** @param stamps what is known of the clock; the reader may improve it while the recording is read */
  constructor(stamps: StampInfo = FINE) {
    this.#stamps = stamps
    this.update()
  }

  /** Computes the bounds again from what is now known of the clock. */
  update(): void {
    const stamps = this.#stamps
    this.window = spanOf(50_000_000, stamps)
    this.slack = stampSlack(stamps)
    this.isImmediate = stamps.isWatch === true
    this.interrupt = this.isImmediate ? 0 : spanOf(200_000, stamps)
    this.near = spanOf(100_000, stamps)
    this.isCoarse = stamps.unit === 'ns' && stamps.resolution >= COARSE
  }
}
