// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput run`: one execution of the model, printed as page_ref events. */
import { Command } from 'commander'
import { Machine } from '../linux/index.ts'
import { ftraceText } from '../report/ftrace.ts'
import { driverOf, protocolOf, UsageError } from './model-file.ts'
import { builtOrUsage, positive, type SystemFlags, scenarioOf, systemOptions } from './model-flags.ts'

interface RunFlags extends SystemFlags {
  protocol: string
  seed: number
  steps: number
}

export function runCommand(): Command {
  return systemOptions(new Command('run'))
    .description('run a driver under a seeded scheduler, and print its page_ref events as ftrace text')
    .argument('<driver>', 'a driver of the model, or the path of a file that exports one')
    .option('--seed <n>', 'of the scheduler', positive, 1)
    .option('--steps <n>', 'to take at most', positive, 1000)
    .addHelpText('after', '\nExit codes: 0 no property was broken, 1 one was (it is named on stderr), 2 usage.')
    .action(run)
}

async function run(name: string, flags: RunFlags): Promise<void> {
  try {
    const scenario = scenarioOf(
      { driver: await driverOf(name), protocol: await protocolOf(flags.protocol ?? 'G') },
      flags,
    )
    const built = builtOrUsage(scenario)
    const machine = new Machine(built)
    machine.run(flags.seed, flags.steps)
    process.stdout.write(ftraceText(built, machine.steps))
    for (const { property, message } of machine.violations) {
      process.stderr.write(`lastput run: ${built.system.name}, seed ${flags.seed}: ${property}: ${message}\n`)
      process.exitCode = 1
    }
  } catch (e) {
    if (!(e instanceof UsageError)) throw e
    process.stderr.write(`lastput run: ${e.message}\n`)
    process.exitCode = 2
  }
}
