// SPDX-License-Identifier: GPL-2.0-or-later
/** Converts times of the simulated machine to those of a recording's clock. */
import type { SourceInfo } from '../../src/trace/events.ts'

export const CLOCKS = ['local', 'text', 'uptime', 'counter', 'perf'] as const
export type ClockKind = (typeof CLOCKS)[number]

/** One jiffy of a kernel with HZ=250, in nanoseconds. */
const JIFFY = 4_000_000
const MICROSECOND = 1000

export interface Clock {
  kind: ClockKind
  /** By CPU: how far its clock is ahead, in nanoseconds. */
  offsets: readonly number[]
}

/** Converts a time of the machine to that of a CPU's clock. Ticks of a counter clock are assigned later, event by event. */
export function shown({ kind, offsets }: Clock, time: number, cpu: number): number {
  const local = time + offsets[cpu]!
  switch (kind) {
    case 'text':
      return Math.floor(local / MICROSECOND) * MICROSECOND
    case 'uptime':
      return Math.floor(time / JIFFY) * JIFFY
    case 'counter':
      return time
    default:
      return local
  }
}

/** Returns the SourceInfo of such a recording. Text has neither the top bits of the page flags nor addresses in stacks. */
export function sourceOf(kind: ClockKind): Partial<SourceInfo> {
  switch (kind) {
    case 'text':
      return { format: 'ftrace text', clock: 'local', unit: 'ns', resolution: MICROSECOND, rawFlags: false }
    case 'perf':
      return { format: 'perf.data', clock: 'perf', unit: 'ns', resolution: 1, rawFlags: true }
    case 'uptime':
      return { format: 'trace.dat v7', clock: kind, unit: 'ns', resolution: JIFFY, rawFlags: true }
    case 'counter':
      return { format: 'trace.dat v7', clock: kind, unit: 'ticks', resolution: 1, rawFlags: true }
    default:
      return { format: 'trace.dat v7', clock: kind, unit: 'ns', resolution: 1, rawFlags: true }
  }
}
