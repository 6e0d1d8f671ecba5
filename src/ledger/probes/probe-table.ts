// SPDX-License-Identifier: GPL-2.0-or-later
import { growColumns } from '../../util/growable.ts'
import type { Stamp } from './stamps.ts'

const FIRST_SIZE = 1024

/** State bits of a page, by its probes. */
export const ProbeState = {
  /** The page was given back to its driver, and has not been handed out since. */
  FREE: 1,
  /** The page was handed out, and has not been given back since. */
  BUSY: 2,
  /** An event raised the count of the free page; it may have been a hand-out without a probe. */
  TOUCHED: 4,
  /** The new owner found the count at 0, although the core keeps idle pages of this kind at 1. */
  WAS_ZERO: 8,
  /** The page was free when it was handed out, by the order of the stamps. */
  WAS_FREE: 16,
  /** The page is free by its probes, but seems to have been handed out without a probe. */
  SILENT: 32,
  /** A reference of the free page was put: its stamp came late, or it ended a lifetime whose hand-out had no probe. */
  WAS_PUT: 64,
  /** The page was given back, but no probe had announced the hand-out before. */
  UNANNOUNCED: 128,
} as const

/** Columns by row of the page table. They are allocated at the first probe, because most recordings have none. */
export class ProbeTable {
  state = new Uint8Array(0)
  /** Value of `Gaps.epoch` when the state was noted; another value now means that a probe may have been lost since. */
  epoch = new Int32Array(0)
  /** CPU and time of the page's last hand-out or return, and the time of the last one by another CPU. */
  lastCpu = new Uint16Array(0)
  lastTime = new Float64Array(0)
  otherTime = new Float64Array(0)
  freedTime = new Float64Array(0)
  freedPid = new Int32Array(0)
  freedCpu = new Uint16Array(0)
  freedStack = new Uint32Array(0)
  handedTime = new Float64Array(0)
  handedPid = new Int32Array(0)
  handedCpu = new Uint16Array(0)
  handedStack = new Uint32Array(0)

  /** Makes room for a row. */
  reach(row: number): void {
    if (row < this.state.length) return
    growColumns(this, Math.max(FIRST_SIZE, 2 ** Math.ceil(Math.log2(row + 1))))
  }

  /**
   * Notes a hand-out or return. Returns true if it surely came after the earlier ones of other CPUs.
   *
   * @param slack see `OrderLimits.slack`
   */
  note(row: number, cpu: number, time: number, slack: number): boolean {
    if (this.lastCpu[row] !== cpu) {
      this.otherTime[row] = this.lastTime[row]!
      this.lastCpu[row] = cpu
    }
    this.lastTime[row] = time
    return this.otherTime[row] === 0 || this.otherTime[row]! + slack < time
  }

  /** Notes that the page was given back. */
  free(row: number, { time, cpu, pid, stack }: Stamp): void {
    this.state[row] = ProbeState.FREE
    this.freedTime[row] = time
    this.freedCpu[row] = cpu
    this.freedPid[row] = pid
    this.freedStack[row] = stack
  }

  /** Notes that the page was handed out. */
  handOut(row: number, { time, cpu, pid, stack }: Stamp): void {
    const isFree = (this.state[row]! & (ProbeState.FREE | ProbeState.SILENT)) === ProbeState.FREE
    this.state[row] = ProbeState.BUSY | (isFree ? ProbeState.WAS_FREE : 0)
    this.handedTime[row] = time
    this.handedCpu[row] = cpu
    this.handedPid[row] = pid
    this.handedStack[row] = stack
  }

  /** Returns the page's last return to its driver; its time is 0 if there was none. */
  freedOf(row: number): Stamp {
    return {
      time: this.freedTime[row]!,
      cpu: this.freedCpu[row]!,
      pid: this.freedPid[row]!,
      stack: this.freedStack[row]!,
    }
  }

  /** Returns the page's last hand-out; its time is 0 if there was none. */
  handedOf(row: number): Stamp {
    return {
      time: this.handedTime[row]!,
      cpu: this.handedCpu[row]!,
      pid: this.handedPid[row]!,
      stack: this.handedStack[row]!,
    }
  }
}
