// SPDX-License-Identifier: GPL-2.0-or-later
import { growColumns } from '../../util/growable.ts'
import type { Stamp } from './stamps.ts'

const FIRST_SIZE = 1024

/** What the probes of a page said last. */
export const ProbeState = {
  /** Given back to its driver, and not handed out since. */
  FREE: 1,
  /** Handed out, and not given back since. */
  BUSY: 2,
  /** Something changed the count of the free page that may be a hand-out without a probe. */
  TOUCHED: 4,
  /** The count of the page was found to be 0 since it was handed out, though the core keeps it at 1. */
  WAS_ZERO: 8,
  /** It was handed out when it was free, as far as the stamps tell. */
  WAS_FREE: 16,
  /** It is free by its probes, but seems to have been handed out without one. */
  SILENT: 32,
  /** A reference of the free page was given back, as a late stamp has it or in a lifetime of its own. */
  WAS_PUT: 64,
  /** It was given back without a hand-out that was announced before. */
  UNANNOUNCED: 128,
} as const

/** Columns by row of the page table, made when the first probe comes: most recordings have none. */
export class ProbeTable {
  state = new Uint8Array(0)
  /** Gap edges that had passed when the state was taken. */
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

  /** Notes a hand-out or return. Returns true if its place among those of other CPUs is beyond doubt so far. @param slack of stamps of two CPUs */
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

  /** Returns where and when the page was given back last; time 0 if it never was. */
  freedOf(row: number): Stamp {
    return {
      time: this.freedTime[row]!,
      cpu: this.freedCpu[row]!,
      pid: this.freedPid[row]!,
      stack: this.freedStack[row]!,
    }
  }

  /** Returns where and when the page was handed out last; time 0 if it never was. */
  handedOf(row: number): Stamp {
    return {
      time: this.handedTime[row]!,
      cpu: this.handedCpu[row]!,
      pid: this.handedPid[row]!,
      stack: this.handedStack[row]!,
    }
  }
}
