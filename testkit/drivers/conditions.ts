// SPDX-License-Identifier: GPL-2.0-or-later
/** The conditions of a recording: its clock, when it begins, and which events are lost, with or without a mark. */

import { Op } from '../../src/trace/events.ts'
import type { Random } from '../random.ts'
import { logUniform, weighted } from './chances.ts'
import type { Clock } from './clocks.ts'
import type { End, Run } from './driver.ts'

/** Ways in which a recording can lack events without a mark. */
export const FILTERS = ['burst', 'pause', 'task', 'cpu', 'pfns', 'op'] as const
export type Filter = (typeof FILTERS)[number]
export const STARTS = ['whole', 'after-setup', 'mid-life', 'ragged'] as const
export type Start = (typeof STARTS)[number]

export interface Conditions {
  clock: Clock
  start: Start
  /** Fraction of the traffic that is over when the recording begins. */
  startAt: number
  end: End
  stacks: boolean
  /** Number of gaps that the recording marks. */
  markedGaps: number
  /** How events are lost without a mark. */
  unmarked: Filter | 'none'
  /** True if the recording names the kernel's release. */
  kernelKnown: boolean
  /** True if the recording says until when it went on after its last event. */
  endKnown: boolean
}

/** Draws conditions. Unmarked losses are frequent, because they are what a ledger errs on. */
export function drawConditions(r: Random, run: Run): Conditions {
  const start = weighted(r, [
    [65, 'whole'],
    [10, 'after-setup'],
    [18, 'mid-life'],
    [7, 'ragged'],
  ] as const)
  const kind = weighted(r, [
    [62, 'local'],
    [12, 'text'],
    [9, 'uptime'],
    [7, 'counter'],
    [10, 'perf'],
  ] as const)
  const skewed = kind === 'local' && run.options.cpus > 1 && r.chance(0.25)
  const losses = weighted(r, [
    [70, 'none'],
    [15, 'marked'],
    [15, 'unmarked'],
  ] as const)
  return {
    clock: { kind, offsets: Array.from({ length: run.options.cpus }, () => (skewed ? r.int(0, 20_000) : 0)) },
    start,
    startAt: start === 'mid-life' || start === 'ragged' ? 0.05 + 0.55 * r() : 0,
    end: run.options.end,
    stacks: !r.chance(0.04),
    markedGaps: losses === 'marked' ? Math.round(logUniform(r, 1, 10)) : 0,
    unmarked:
      losses !== 'unmarked'
        ? 'none'
        : weighted(r, [
            [50, 'burst'],
            [10, 'pause'],
            [12, 'task'],
            [8, 'cpu'],
            [10, 'pfns'],
            [10, 'op'],
          ] as const),
    kernelKnown: r.chance(0.8),
    endKnown: r.chance(0.5),
  }
}

/** Operations whose tracepoints a user may have left disabled. */
export const DROPPED_OPS = [Op.MOD, Op.MOD_UNLESS, Op.MOD_AND_TEST, Op.MOD_AND_RETURN, Op.SET]
