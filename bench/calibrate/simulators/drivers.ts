// SPDX-License-Identifier: GPL-2.0-or-later
/** The simulator of drivers that are put together of known subsystems (`testkit/drivers`). */
import { makeRecording, type SimulatedRecording } from '../../../testkit/drivers/make.ts'
import type { Expected, Simulation } from '../simulation.ts'
import { writeRecording } from '../write.ts'

export function drivers(seed: number, correct: boolean): Simulation {
  const made = makeRecording(seed, correct ? { driver: { bugs: [] } } : {})
  return {
    seed,
    recording: made.recording,
    events: made.rows.length,
    correct: made.truth.correct,
    expected: expectedOf(made),
    tags: tagsOf(made),
    describe: () => describe(made),
    write: directory => write(made, directory),
  }
}

export function expectedOf({ truth, conditions }: SimulatedRecording): Expected {
  const { kind } = conditions.clock
  const slack = kind === 'counter' ? 100 : kind === 'uptime' ? 8e6 : 2e6
  return { faults: truth.faults, cascade: truth.cascade, slack }
}

function tagsOf({ conditions, driver }: SimulatedRecording): string[] {
  const { clock, start, stacks, markedGaps, unmarked, end } = conditions
  const ideal =
    start === 'whole' && stacks && markedGaps === 0 && unmarked === 'none' && !['uptime', 'text'].includes(clock.kind)
  return [
    'all',
    ideal ? 'whole, exact clock, no loss' : 'any of those below',
    `protocol ${driver.protocol}`,
    `clock ${clock.kind}${clock.offsets.some(offset => offset > 0) ? ', skewed' : ''}`,
    `losses ${markedGaps > 0 ? 'marked' : unmarked === 'none' ? 'none' : `unmarked: ${unmarked}`}`,
    `start ${start}`,
    `end ${end}`,
    ...(stacks ? [] : ['no stacks']),
    `cpus ${driver.cpus}`,
  ]
}

const describe = ({ driver, run, conditions, truth }: SimulatedRecording): string[] => [
  JSON.stringify(driver),
  `subsystems: ${run.subsystems.map(({ name }) => name).join(' ')}`,
  `conditions: ${JSON.stringify(conditions)}`,
  `held at the end by others: ${truth.held.length} references`,
]

function write({ rows, lost, tasks, seed, driver, conditions, run, truth }: SimulatedRecording, to: string): void {
  const { kind } = conditions.clock
  const { faults, cascade, held } = truth
  writeRecording(to, {
    // A file has the addresses that a text leaves out.
    rows: rows.map(row => ({ ...row, stack: row.stack && row.event.stack })),
    lost,
    tasks,
    cpus: driver.cpus,
    // The file's clock `uptime` would count 10 ms; the clock of a machine without a cycle counter steps as the simulated one does.
    clock: kind === 'counter' ? kind : 'local',
    kernel: conditions.kernelKnown ? run.kernel.rules.kernel : undefined,
    truth: { seed, driver, conditions, faults, cascade, held },
  })
}
