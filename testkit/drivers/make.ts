// SPDX-License-Identifier: GPL-2.0-or-later
/** Makes recordings of random drivers with known faults. The same seed gives the same recording. */

import type { LostEvents, Recording } from '../../src/trace/events.ts'
import { random } from '../random.ts'
import { sourceOf } from './clocks.ts'
import { type Conditions, drawConditions } from './conditions.ts'
import { type DriverOptions, drawOptions, type Run, runDriver } from './driver.ts'
import { loseEvents } from './losses.ts'
import { recordingOf } from './recording.ts'
import { type RecordedRow, recordedRows } from './rows.ts'
import { type Truth, truthOf } from './truth.ts'

export interface SimulatedRecording {
  seed: number
  /** Returns a new object for each call, since a recording can be read only once. */
  recording(): Recording
  truth: Truth
  conditions: Conditions
  driver: DriverOptions
  rows: readonly RecordedRow[]
  lost: readonly LostEvents[]
  tasks: ReadonlyMap<number, string>
  /** The true events, for tests of the simulator itself. */
  run: Run
}

/** @param some options and conditions that replace those drawn from the seed */
export function makeRecording(
  seed: number,
  some: { driver?: Partial<DriverOptions>; conditions?: Partial<Conditions> } = {},
): SimulatedRecording {
  const driver = { ...drawOptions(seed), ...some.driver }
  const run = runDriver(driver)
  const r = random(seed ^ 0xc0de)
  const conditions = { ...drawConditions(r, run), ...some.conditions }
  const { rows, lost } = loseEvents(recordedRows(run, conditions), conditions, run, r)
  const tasks = new Map(run.world.taskNames)
  for (const [cpu, pid] of run.ksoftirqd.entries()) tasks.set(pid, `ksoftirqd/${cpu}`)
  tasks.set(0, conditions.clock.kind === 'perf' ? 'swapper' : '<idle>')
  const info = {
    ...sourceOf(conditions.clock.kind),
    cpus: driver.cpus,
    kernel: conditions.kernelKnown ? run.kernel.rules.kernel : undefined,
    ...(conditions.endKnown ? { endTime: endOf(run, conditions, rows) } : {}),
  }
  return {
    seed,
    recording: () => recordingOf(rows, lost, tasks, info),
    truth: truthOf(run, conditions, rows, lost),
    conditions,
    driver,
    rows,
    lost,
    tasks,
    run,
  }
}

/** Returns the end of the recording: that of its last event if it was cut or its clock counts ticks, otherwise a later time. */
function endOf(run: Run, { clock, end }: Conditions, rows: readonly RecordedRow[]): number {
  const last = rows.at(-1)?.time ?? 0
  if (end === 'cut' || clock.kind === 'counter') return last
  return last + Math.round(500 * run.world.think)
}
