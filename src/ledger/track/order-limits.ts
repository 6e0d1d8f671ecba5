// SPDX-License-Identifier: GPL-2.0-or-later
/** How far the stamps of events may be from the order of their operations, and how much is spent on finding that order. */
import { type StampInfo, spanOf, stampSlack } from '../../trace/common/clock.ts'

/** Events of one page that are held back at most: what another CPU does meanwhile on a page that two fight over. */
export const MAX_WAITING = 1 << 15

/** Events that are held back at most of a page of which nothing can be claimed: less depends on their order. */
export const MAX_WAITING_UNSURE = 256

/** Applied events that are put into question again when others contradict. */
export const MAX_RECENT = 24

/** A clock of which nothing else is known. */
const FINE: StampInfo = { clock: 'local', unit: 'ns', resolution: 1, cpus: 1 }

/** Steps of a clock above which stamps say little about order: longer than a page can be used and free again, in ns. */
const COARSE = 1_000_000

/** What the clock of a recording allows to say, in the unit of event times. */
export class OrderLimits {
  /** Time for which events that contradict the count are held back: longer than a CPU is taken from its task. */
  window = 0
  /** Of two stamps of different CPUs that are further apart, the first is surely the earlier one. */
  slack = 0
  /** An interrupt can come between an operation and its stamp, and be stamped first; this much apart. */
  interrupt = 0
  /** Events of one task and its neighbours are mostly stamped within this. */
  near = 0
  /** True if whole lifetimes of pages can pass within one step of the clock. */
  isCoarse = false
  /** True if nothing comes between an operation and its stamp on its CPU: a debug exception made it. */
  isImmediate = false
  readonly #stamps: StampInfo

  /** @param stamps what is known of the clock; it may become known better while the recording is read */
  constructor(stamps: StampInfo = FINE) {
    this.#stamps = stamps
    this.update()
  }

  /** Takes over what has become known of the clock. */
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
