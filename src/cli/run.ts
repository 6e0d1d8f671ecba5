// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput run`: one execution of the model, printed as page_ref events. */
import { Command } from 'commander'
import { Machine } from '../linux/index.ts'
import { ftraceText } from '../report/ftrace.ts'
import { runJson } from '../report/run.ts'
import { wrap } from '../report/words.ts'
import { driverOf, guardedModel, protocolOf } from './model-file.ts'
import { builtOrUsage, positive, type SystemFlags, scenarioOf, systemOptions } from './model-flags.ts'
import { writeReport } from './write-report.ts'

interface RunFlags extends SystemFlags {
  protocol: string
  seed: number
  steps: number
  json?: boolean
  html?: string
}

export function runCommand(): Command {
  return systemOptions(new Command('run'))
    .description('run a driver under a seeded scheduler, and print its page_ref events as ftrace text')
    .argument('<driver>', 'a driver of the model, or the path of a file that exports one')
    .option('--seed <n>', 'of the scheduler', positive, 1)
    .option('--steps <n>', 'to take at most', positive, 1000)
    .option('--json', 'lastput.run/1 instead of ftrace text')
    .option('--html <file>', 'write the execution, step by step, as one file that any browser opens')
    .addHelpText('after', '\nExit codes: 0 no property was broken, 1 one was (it is named on stderr), 2 usage.')
    .action((name: string, flags: RunFlags) => guardedModel('run', () => run(name, flags)))
}

async function run(name: string, flags: RunFlags): Promise<number> {
  const scenario = scenarioOf(
    { driver: await driverOf(name), protocol: await protocolOf(flags.protocol ?? 'G') },
    flags,
  )
  const machine = new Machine(builtOrUsage(scenario))
  machine.run(flags.seed, flags.steps)
  const { built, steps, violations } = machine
  const json = () => runJson(scenario, machine, flags.seed)
  if (flags.html !== undefined) await writeReport(flags.html, json(), `lastput run ${name}`)
  process.stdout.write(flags.json ? `${JSON.stringify(json(), null, 2)}\n` : ftraceText(built, steps))
  for (const { property, message } of violations) {
    const told = `lastput run: ${built.system.name}, seed ${flags.seed}: ${property}: ${message}`
    process.stderr.write(`${wrap(told, '', '  ').join('\n')}\n`)
  }
  return violations.length > 0 ? 1 : 0
}
