// SPDX-License-Identifier: GPL-2.0-or-later
/** The simulator of drivers that are random state machines (`testkit/lifecycles`), written by another hand. */
import { type LifecycleRecording, makeRecording } from '../../../testkit/lifecycles/index.ts'
import type { Expected, Simulation } from '../simulation.ts'
import { writeRecording } from '../write.ts'

/** Longest time from an operation to its event, which interrupts and preemption may delay. */
const DELAY = 2e6

export function lifecycles(seed: number, correct: boolean): Simulation {
  const made = makeRecording(seed, correct ? { faults: 0 } : {})
  return {
    seed,
    recording: () => made.recording(),
    events: made.rows.length,
    correct: made.truth.correct,
    expected: expectedOf(made),
    tags: tagsOf(made),
    describe: () => describe(made),
    write: directory => write(made, directory),
  }
}

export function expectedOf({ truth, conditions }: LifecycleRecording): Expected {
  const { skew, grain } = conditions.clocks
  const faults = truth.planted.map(({ kinds, functions, cause, ...fault }) => ({
    ...fault,
    accepted: kinds,
    functions,
    // Call sites are named by the function that changes the count, without callers.
    culprits: functions.map(name => ({ function: name })),
    subsystem: '',
    mode: cause,
    why: undefined,
  }))
  return { faults, cascade: truth.spoilt, slack: DELAY + grain + Math.max(...skew.map(Math.abs)) }
}

function tagsOf({ conditions, driver }: LifecycleRecording): string[] {
  const { clocks, start, lost, filter, end, protocol, cpus } = conditions
  const { skew, grain, stacks } = clocks
  const ideal = start === 0 && stacks && lost === 'none' && filter === 'none' && grain <= 1000
  return [
    'all',
    ideal ? 'whole, exact clock, no loss' : 'any of those below',
    `protocol ${protocol}`,
    `clock of ${grain} ns${skew.some(offset => offset !== 0) ? ', skewed' : ''}`,
    `losses ${lost}`,
    `filter ${filter}`,
    `start ${start === 0 ? 'whole' : 'late'}`,
    `end ${end}`,
    ...(stacks ? [] : ['no stacks']),
    ...(driver.keeps ? ['keeps objects until the end'] : []),
    `cpus ${cpus}`,
  ]
}

const describe = ({ driver, conditions, truth }: LifecycleRecording): string[] => [
  JSON.stringify(driver),
  `conditions: ${JSON.stringify(conditions)}`,
  `held at the end by others: ${truth.held.length} pages`,
]

function write({ rows, lost, tasks, seed, driver, conditions, truth }: LifecycleRecording, to: string): void {
  const { cpus } = conditions
  const all = { seed, driver, conditions, ...truth }
  writeRecording(to, { rows, lost, tasks, cpus, clock: 'local', kernel: undefined, truth: all })
}
