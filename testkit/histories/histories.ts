// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Small random histories of device pages with known truth, made by a simulated kernel. At most one fault is injected. The
 * recording can be cut at both ends, or lose events.
 */
import fc from 'fast-check'
import type { LostEvents, Recording } from '../../src/trace/events.ts'
import { fakeRecording } from '../fake-recording.ts'
import { type Random, random } from '../random.ts'
import { type ExpectedFault, type HistoryOptions, PROTOCOLS, type TrueRow } from './options.ts'
import { FIRST_PID, SimulatedKernel } from './simulated-kernel.ts'

export interface History {
  options: HistoryOptions
  rows: TrueRow[]
  lost: LostEvents[]
  /** The right finding, if the fault occurred; undefined if every accusation is false. */
  expected: ExpectedFault | undefined
  /** Number of references held at the end, by pfn. */
  held: Map<number, number>
  recording(batch?: number): Recording
}

/** Drops rows outside the recorded part of the time. 0 is the first change after set-up; the set-up itself stays. */
function cut(rows: TrueRow[], { from, to }: HistoryOptions['cut']): TrueRow[] {
  const used = rows.filter(row => row.role !== 'setup')
  if (used.length === 0) return rows
  const start = used[0]!.time
  const span = used.at(-1)!.time - start
  return rows.filter(
    row => (from === 0 || row.time >= start + from * span) && (to === 1 || row.time <= start + to * span),
  )
}

/** Removes runs of events of single CPUs after set-up. @returns the rest, and the gaps */
function lose(rows: TrueRow[], gaps: number, r: Random, cpus: number): { rows: TrueRow[]; lost: LostEvents[] } {
  const gone = new Set<TrueRow>()
  const lost: LostEvents[] = []
  for (let i = 0; i < gaps; i++) {
    const cpu = r.int(0, cpus - 1)
    const own = rows.filter(row => row.cpu === cpu && row.role !== 'setup')
    if (own.length < 3) continue
    const length = r.int(1, Math.max(1, Math.floor(own.length / 5)))
    const start = r.int(0, own.length - length)
    const before = rows.filter(row => row.cpu === cpu && row.time < own[start]!.time).at(-1)
    const gap: LostEvents = {
      cpu,
      from: before?.time ?? Number.NEGATIVE_INFINITY,
      to: own[start + length]?.time ?? Number.POSITIVE_INFINITY,
      count: r.chance(0.5) ? length : undefined,
    }
    // Two gaps that touch would be a single gap.
    if (lost.some(other => other.cpu === cpu && gap.from <= other.to && gap.to >= other.from)) continue
    for (const row of own.slice(start, start + length)) gone.add(row)
    lost.push(gap)
  }
  return { rows: rows.filter(row => !gone.has(row)), lost }
}

/** Makes a history. The same options give the same history. */
export function history(options: HistoryOptions): History {
  const kernel = new SimulatedKernel(options)
  kernel.run()
  const { rows, lost } = lose(cut(kernel.rows, options.cut), options.gaps, random(~options.seed), options.cpus)
  const tasks = new Map(Array.from({ length: options.tasks }, (_, i) => [FIRST_PID + i, `worker${i}`]))
  return {
    options,
    rows,
    lost,
    expected: kernel.expected,
    held: kernel.held,
    recording: batch =>
      fakeRecording(rows, lost, { cpus: options.cpus, tasks, ...(batch === undefined ? {} : { batch }) }),
  }
}

export const TYPICAL: HistoryOptions = {
  seed: 1,
  protocol: 'E',
  pages: 4,
  cpus: 2,
  tasks: 3,
  lives: 20,
  kinds: 3,
  fault: 'none',
  faultSite: 'own',
  window: 'short',
  stacks: true,
  teardown: false,
  cut: { from: 0, to: 1 },
  gaps: 0,
}

const ANY: { [K in keyof HistoryOptions]: fc.Arbitrary<HistoryOptions[K]> } = {
  seed: fc.integer(),
  protocol: fc.constantFrom(...PROTOCOLS),
  pages: fc.integer({ min: 1, max: 6 }),
  cpus: fc.integer({ min: 1, max: 4 }),
  tasks: fc.integer({ min: 1, max: 6 }),
  lives: fc.integer({ min: 1, max: 40 }),
  kinds: fc.integer({ min: 0, max: 4 }),
  fault: fc.constant('none'),
  faultSite: fc.constantFrom('own', 'common'),
  window: fc.constantFrom('none', 'short', 'long'),
  stacks: fc.boolean(),
  teardown: fc.boolean(),
  cut: fc.constant({ from: 0, to: 1 }),
  gaps: fc.constant(0),
}

/** Arbitrary options of complete histories without a fault. @param some replaces options. Shrinks to fewer pages, lives, CPUs. */
export function historyOptions(some: Partial<typeof ANY> = {}): fc.Arbitrary<HistoryOptions> {
  return fc.record({ ...ANY, ...some }) as fc.Arbitrary<HistoryOptions>
}

/** Groups rows by page, in their order. */
export function byPage<R extends TrueRow>(rows: readonly R[]): R[][] {
  const pages = new Map<number, R[]>()
  for (const row of rows) {
    const own = pages.get(row.pfn)
    if (own) own.push(row)
    else pages.set(row.pfn, [row])
  }
  return [...pages.values()]
}
