// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput run`: runs the model once and prints its steps as page_ref events. */
import { Command, InvalidArgumentError } from 'commander'
import { drivers, Simulator } from '../linux/index.ts'
import { ftraceText } from '../report/ftrace.ts'
import { runJson, violationText } from '../report/run.ts'
import { grouped } from '../report/words.ts'
import { complain } from './complain.ts'
import { Exit } from './exit-codes.ts'
import { bounded, driverOf, protocolsOf } from './model-file.ts'
import {
  builtOrUsage,
  clearProgress,
  positive,
  type SystemFlags,
  scenarioOf,
  showLine,
  systemOptions,
} from './model-flags.ts'
import type { ModelHost } from './model-host.ts'
import { modelCommand } from './model-thread.ts'
import { outputFile } from './strict.ts'
import { writeReport } from './write-report.ts'

export interface RunFlags extends SystemFlags {
  protocol?: string
  seed: number
  steps: number
  json?: boolean
  html?: string
}

const NOTES = `
Without --protocol it is today's, the last one that the driver has code for.

Examples:
  lastput run test_hmm --seed 4 | lastput trace -
  lastput run test_hmm --threads migrate:2,leak,exit --seed 1 | lastput trace -

Exit codes: 0 no property was broken, 1 one was (named on stderr), 2 usage.`

export function runCommand(): Command {
  return systemOptions(new Command('run').addHelpText('after', NOTES))
    .description('run a driver under a seeded scheduler, and print its page_ref events as ftrace text')
    .argument('<driver>', `${drivers.map(d => d.name).join(', ')}, or the path of a file that exports one`)
    .option('--seed <n>', 'of the scheduler', positive, 1)
    .option('--steps <n>', `to take at most, up to ${MOST_STEPS}`, stepCount, 1000)
    .option('--json', 'JSON (schema lastput.run/2) instead of ftrace text')
    .option('--html <file>', 'write the execution, step by step, as one file that any browser opens', outputFile)
    .action((name: string, flags: RunFlags) =>
      modelCommand({ command: 'run', name, flags }, host => answerRun(name, flags, host)),
    )
}

/** Limit of `--steps`. The output is kept in memory until the end, and a violation shows long before. */
const MOST_STEPS = 1_000_000

function stepCount(text: string): number {
  const n = positive(text)
  if (n > MOST_STEPS) throw new InvalidArgumentError(`at most ${MOST_STEPS}: try more seeds instead`)
  return n
}

/** Runs the command, in the main thread or in the thread that was started for the user's model. */
export async function answerRun(name: string, flags: RunFlags, host: ModelHost): Promise<Exit> {
  const driver = await driverOf(name, host)
  // The last protocol is today's.
  const protocol = (await protocolsOf(driver, flags.protocol, host)).at(-1)!
  const scenario = scenarioOf({ driver, protocol }, flags)
  const built = builtOrUsage(scenario)
  const simulator = bounded(name, host, () => new Simulator(built))
  const show = (taken: number) => {
    host.watch(name)
    if (taken % 2000 === 0) showLine(`${grouped(taken)} of ${grouped(flags.steps)} steps`, host)
  }
  bounded(name, host, () => simulator.run(flags.seed, flags.steps, show))
  clearProgress()
  const { steps, violations } = simulator
  const json = () => runJson(scenario, simulator, flags.seed)
  process.stdout.write(flags.json ? `${JSON.stringify(json(), null, 2)}\n` : ftraceText(built, steps))
  for (const violation of violations)
    complain('lastput run', `${built.system.name}, seed ${flags.seed}: ${violationText(violation)}`)
  if (flags.html !== undefined) await writeReport(flags.html, json(), `lastput run ${name}`)
  return violations.length > 0 ? Exit.FOUND : Exit.CLEAN
}
