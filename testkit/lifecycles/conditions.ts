// SPDX-License-Identifier: GPL-2.0-or-later
/** The conditions under which a driver runs and is recorded, and the selection of the events that the recording has. */
import { type LostEvents, Op } from '../../src/trace/events.ts'
import type { Row } from '../fake-recording.ts'
import type { Random } from '../random.ts'
import { POLICIES, type Policy } from './free-list.ts'
import type { Clocks } from './recorder.ts'

export interface Conditions {
  protocol: 'private' | 'fsdax'
  cpus: number
  tasks: number
  pages: number
  /** Approximate number of events of the load. */
  events: number
  policy: Policy
  clocks: Clocks
  preempt: number
  stall: number
  stallNs: number
  migrate: number
  /** Mean time between two new objects. */
  between: number
  /** The recording ends in the middle of the load, after a while without new objects, or after everything was torn down. */
  end: 'cut' | 'quiet' | 'drained'
  /** Length of the silence before the end, as a fraction of the time before it. */
  silence: number
  /** Fraction of the time that had passed when the recording began; 0: the recording has the pagemap's set-up. */
  start: number
  /** Whether events are lost, and whether the recording marks the gaps. */
  lost: 'none' | 'marked' | 'unmarked'
  /** Recorded are only half of the pages, no failed get_page_unless_zero(), or the events of all tasks but one. */
  filter: 'none' | 'pages' | 'changes' | 'task'
  faults: number
}

export function conditionsOf(r: Random): Conditions {
  const cpus = r.pick([1, 2, 2, 4, 4, 8])
  const skewed = cpus > 1 && r.chance(0.25)
  const each = (most: number) => Array.from({ length: cpus }, () => (skewed ? Math.round((r() - 0.5) * 2 * most) : 0))
  const most = r.pick([500, 3000, 20_000])
  const faults = r.pick([0, 0, 0, 1, 1, 1, 1, 1, 2, 2])
  return {
    protocol: r.chance(0.75) ? 'private' : 'fsdax',
    cpus,
    tasks: r.int(1, 8),
    // Leaks use up pages, and a driver without pages does nothing any more.
    pages: r.pick(faults === 0 ? [32, 64, 128, 256, 512] : [128, 256, 512, 1024]),
    events: r.chance(0.8) ? r.int(3000, 7000) : r.chance(0.6) ? r.int(1000, 3000) : r.int(7000, 28_000),
    policy: r.pick(POLICIES),
    clocks: {
      readsFirst: r.chance(0.5),
      delay: r.pick([30, 200, 200, 1500]),
      skew: each(most),
      drift: each(20),
      grain: r.pick([1, 1, 1, 1, 1, 1, 1000, 1000, 1000, 4_000_000]),
      stacks: r.chance(0.94),
    },
    preempt: r.pick([0, 0.01, 0.05, 0.2]),
    stall: r.pick([0, 0.001, 0.01]),
    stallNs: r.pick([20_000, 200_000]),
    migrate: r.pick([0, 0.05, 0.3]),
    between: 10 ** (4.6 + 1.6 * r()),
    end: r.pick(['cut', 'quiet', 'drained', 'drained'] as const),
    silence: r.chance(0.5) ? 0 : r() * 2,
    start: r.chance(0.75) ? 0 : 0.05 + 0.4 * r(),
    lost: r.pick([...Array<'none'>(7).fill('none'), 'marked', 'marked', 'unmarked'] as const),
    filter: r.pick([...Array<'none'>(17).fill('none'), 'pages', 'changes', 'task'] as const),
    faults,
  }
}

export interface Kept {
  rows: Row[]
  lost: LostEvents[]
}

/** Returns the events that the recording has. @param all sorted by stamps */
export function recorded(all: readonly Row[], conditions: Conditions, setUp: number, r: Random): Kept {
  let rows = [...all]
  if (conditions.start > 0 && rows.length > setUp) {
    const first = rows[setUp]!.time
    const begin = first + (rows.at(-1)!.time - first) * conditions.start
    rows = rows.filter(({ time }) => time >= begin)
  }
  rows = filtered(rows, conditions, r)
  return conditions.lost === 'none' ? { rows, lost: [] } : lose(rows, conditions, r)
}

function filtered(rows: Row[], { filter, pages }: Conditions, r: Random): Row[] {
  if (filter === 'pages') {
    const first = rows.reduce((least, { pfn }) => Math.min(least, pfn), Number.POSITIVE_INFINITY)
    return rows.filter(({ pfn }) => pfn < first + pages / 2)
  }
  if (filter === 'changes') return rows.filter(({ op, ret }) => op !== Op.MOD_UNLESS || ret !== 0)
  if (filter === 'task' && rows.length > 0) {
    const { pid } = r.pick(rows)
    return rows.filter(row => row.pid !== pid)
  }
  return rows
}

/** Removes runs of events of one CPU. */
function lose(rows: Row[], { cpus, lost: how }: Conditions, r: Random): Kept {
  const gone = new Set<Row>()
  const lost: LostEvents[] = []
  for (let n = r.int(1, 3); n > 0; n--) {
    const cpu = r.int(0, cpus - 1)
    const own = rows.filter(row => row.cpu === cpu)
    if (own.length < 20) continue
    const length = r.int(1, Math.floor(own.length / 20))
    const start = r.int(0, own.length - length)
    const run = own.slice(start, start + length)
    const from = own[start - 1]?.time ?? Number.NEGATIVE_INFINITY
    const to = own[start + length]?.time ?? Number.POSITIVE_INFINITY
    // Two gaps that touch would be a single gap with other bounds.
    if (lost.some(gap => gap.cpu === cpu && from <= gap.to && to >= gap.from)) continue
    for (const row of run) gone.add(row)
    lost.push({ cpu, from, to, count: r.chance(0.5) ? length : undefined })
  }
  return { rows: rows.filter(row => !gone.has(row)), lost: how === 'marked' ? lost : [] }
}
