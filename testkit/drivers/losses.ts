// SPDX-License-Identifier: GPL-2.0-or-later
/** Removes events from a recording: those before its start, those in marked gaps, and unmarked losses. */

import type { LostEvents } from '../../src/trace/events.ts'
import type { Random } from '../random.ts'
import { logUniform } from './chances.ts'
import { type Conditions, DROPPED_OPS, type Filter } from './conditions.ts'
import type { Run } from './driver.ts'
import type { RecordedRow } from './rows.ts'

export interface Kept {
  rows: RecordedRow[]
  lost: LostEvents[]
}

/** @param all rows in the order of the recording */
export function loseEvents(all: readonly RecordedRow[], conditions: Conditions, run: Run, r: Random): Kept {
  const started = afterStart(all, conditions, run, r)
  const { rows, lost } = loseMarked(started, conditions.markedGaps, run, r)
  return { rows: conditions.unmarked === 'none' ? rows : dropSilently(rows, conditions.unmarked, run, r), lost }
}

function afterStart(rows: readonly RecordedRow[], conditions: Conditions, run: Run, r: Random): RecordedRow[] {
  if (conditions.start === 'whole') return [...rows]
  const span = run.ended - run.began
  const at = run.began - 1000 + conditions.startAt * span
  // Where buffers overwrite their oldest events, each CPU's events begin at another time.
  const starts = Array.from({ length: run.options.cpus }, () =>
    conditions.start === 'ragged' ? at + 0.2 * span * r() : at,
  )
  return rows.filter(row => row.stamp >= starts[row.cpu]!)
}

/** Removes a run of events of one CPU for each gap. Gaps of a CPU that would touch are avoided, since they would be one gap. */
function loseMarked(rows: RecordedRow[], gaps: number, run: Run, r: Random): Kept {
  const gone = new Set<RecordedRow>()
  const lost: LostEvents[] = []
  for (let i = 0; i < gaps; i++) {
    const cpu = r.int(0, run.options.cpus - 1)
    const own = rows.filter(row => row.cpu === cpu && row.event.role !== 'setup')
    if (own.length < 20) continue
    const length = Math.round(logUniform(r, 1, Math.max(2, own.length / 8)))
    const first = r.int(1, own.length - length)
    const before = own[first - 1]!
    const after = own[first + length]
    const gap = {
      cpu,
      from: before.time,
      to: after?.time ?? Number.POSITIVE_INFINITY,
      count: r.chance(0.5) ? length : undefined,
    }
    if (lost.some(other => other.cpu === cpu && gap.from <= other.to && gap.to >= other.from)) continue
    for (const row of own.slice(first, first + length)) gone.add(row)
    lost.push(gap)
  }
  return { rows: rows.filter(row => !gone.has(row)), lost }
}

function dropSilently(rows: RecordedRow[], filter: Filter, run: Run, r: Random): RecordedRow[] {
  const used = rows.filter(row => row.event.role !== 'setup')
  if (used.length < 50) return rows
  switch (filter) {
    case 'burst':
      return dropBursts(rows, run, r)
    case 'pause': {
      const first = r.int(0, used.length - 20)
      const last = Math.min(used.length - 1, first + Math.round(logUniform(r, 5, used.length / 6)))
      const [from, to] = [used[first]!.stamp, used[last]!.stamp]
      return rows.filter(row => row.event.role === 'setup' || row.stamp < from || row.stamp > to)
    }
    case 'task': {
      const { pid } = r.pick(used)
      return rows.filter(row => row.event.role === 'setup' || row.pid !== pid)
    }
    case 'cpu': {
      if (run.options.cpus === 1) return rows
      const { cpu } = r.pick(used)
      return rows.filter(row => row.event.role === 'setup' || row.cpu !== cpu)
    }
    case 'pfns': {
      const [a, b] = [r.pick(used).pfn, r.pick(used).pfn]
      return rows.filter(row => row.pfn < Math.min(a, b) || row.pfn > Math.max(a, b))
    }
    case 'op': {
      const op = r.pick(DROPPED_OPS)
      return rows.filter(row => row.op !== op)
    }
  }
}

/** Removes a few bursts of one CPU, as if its buffer was full for a moment, without a mark. */
function dropBursts(rows: RecordedRow[], run: Run, r: Random): RecordedRow[] {
  const gone = new Set<RecordedRow>()
  for (let i = r.int(1, 6); i > 0; i--) {
    const cpu = r.int(0, run.options.cpus - 1)
    const own = rows.filter(row => row.cpu === cpu && row.event.role !== 'setup')
    if (own.length < 5) continue
    const length = Math.round(logUniform(r, 1, Math.max(2, own.length / 10)))
    const first = r.int(0, own.length - length)
    for (const row of own.slice(first, first + length)) gone.add(row)
  }
  return rows.filter(row => !gone.has(row))
}
