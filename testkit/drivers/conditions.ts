// SPDX-License-Identifier: GPL-2.0-or-later
/** Under what conditions a driver is recorded: the clock, when the recording begins, what is lost, said or not. */

import { Op } from '../../src/trace/events.ts'
import type { Random } from '../random.ts'
import { logUniform, weighted } from './chances.ts'
import type { Clock } from './clocks.ts'
import type { End, Run } from './driver.ts'

/** How a recording can lack events without a mark. */
export const FILTERS = ['burst', 'pause', 'task', 'cpu', 'pfns', 'op'] as const
export type Filter = (typeof FILTERS)[number]
export const STARTS = ['whole', 'after-setup', 'mid-life', 'ragged'] as const
export type Start = (typeof STARTS)[number]

export interface Conditions {
  clock: Clock
  start: Start
  /** Share of the traffic that is over when the recording begins. */
  startAt: number
  end: End
  stacks: boolean
  /** Gaps that the recording tells of. */
  markedGaps: number
  /** Events that are missing without a mark. */
  unmarked: Filter | 'none'
  /** Whether the recording names the kernel's release. */
  kernelKnown: boolean
  /** Whether it says until when it went on after the last event. */
  endKnown: boolean
}

/** Losses that are not marked are frequent here, since they are what a ledger errs on. */
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

/** Operations that somebody may have left disabled. */
export const DROPPED_OPS = [Op.MOD, Op.MOD_UNLESS, Op.MOD_AND_TEST, Op.MOD_AND_RETURN, Op.SET]
