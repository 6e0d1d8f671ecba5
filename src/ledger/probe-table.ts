// SPDX-License-Identifier: GPL-2.0-or-later

import { CLOCK_SLACK } from './order.ts'
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
  /** A reference of the free page was given back, as a late stamp has it or in a life of its own. */
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
    const size = Math.max(FIRST_SIZE, 2 ** Math.ceil(Math.log2(row + 1)))
    for (const name of ['freedTime', 'handedTime', 'lastTime', 'otherTime'] as const)
      this[name] = grown(this[name], new Float64Array(size))
    for (const name of ['epoch', 'freedPid', 'handedPid'] as const) this[name] = grown(this[name], new Int32Array(size))
    for (const name of ['freedCpu', 'handedCpu', 'lastCpu'] as const)
      this[name] = grown(this[name], new Uint16Array(size))
    for (const name of ['freedStack', 'handedStack'] as const) this[name] = grown(this[name], new Uint32Array(size))
    this.state = grown(this.state, new Uint8Array(size))
  }

  /** Notes a hand-out or return; whether its place among those of other CPUs is beyond doubt so far. */
  note(row: number, cpu: number, time: number): boolean {
    if (this.lastCpu[row] !== cpu) {
      this.otherTime[row] = this.lastTime[row]!
      this.lastCpu[row] = cpu
    }
    this.lastTime[row] = time
    return this.otherTime[row] === 0 || this.otherTime[row]! + CLOCK_SLACK < time
  }

  free(row: number, { time, cpu, pid, stack }: Stamp): void {
    this.state[row] = ProbeState.FREE
    this.freedTime[row] = time
    this.freedCpu[row] = cpu
    this.freedPid[row] = pid
    this.freedStack[row] = stack
  }

  handOut(row: number, { time, cpu, pid, stack }: Stamp): void {
    const isFree = (this.state[row]! & (ProbeState.FREE | ProbeState.SILENT)) === ProbeState.FREE
    this.state[row] = ProbeState.BUSY | (isFree ? ProbeState.WAS_FREE : 0)
    this.handedTime[row] = time
    this.handedCpu[row] = cpu
    this.handedPid[row] = pid
    this.handedStack[row] = stack
  }

  /** Last time that the page was given back. */
  freedOf(row: number): Stamp {
    return {
      time: this.freedTime[row]!,
      cpu: this.freedCpu[row]!,
      pid: this.freedPid[row]!,
      stack: this.freedStack[row]!,
    }
  }

  handedOf(row: number): Stamp {
    return {
      time: this.handedTime[row]!,
      cpu: this.handedCpu[row]!,
      pid: this.handedPid[row]!,
      stack: this.handedStack[row]!,
    }
  }
}

function grown<A extends { set(from: A): void }>(from: A, into: A): A {
  into.set(from)
  return into
}
