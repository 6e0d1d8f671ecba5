// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check`: is there any interleaving in which this protocol and this driver break a promise? */
import { Command, Option } from 'commander'
import { properties, protocols, type Scenario, type Verified, verify } from '../linux/index.ts'
import { checkJson, checkText, exitCode } from '../report/check.ts'
import { checkBugs } from './bugs.ts'
import { writeCounterexample } from './counterexample.ts'
import { checkMatrix } from './matrix.ts'
import { driverOf, guardedModel, protocolOf, UsageError } from './model-file.ts'
import {
  builtOrUsage,
  bytes,
  type CheckFlags,
  clearProgress,
  collectProperty,
  engineOptions,
  positive,
  scenarioOf,
  systemOptions,
} from './model-flags.ts'
import { writeReport } from './write-report.ts'

/** Options that a row of the corpus leaves no choice of. */
const SYSTEM = ['matrix', 'protocol', 'pages', 'vas', 'threads', 'revert', 'add', 'property'] as const

export function checkCommand(): Command {
  return systemOptions(new Command('check'))
    .description('try every interleaving of a driver under a refcount protocol')
    .argument(
      '[driver]',
      'a driver of the model, or the path of a file that exports one; with --bugs, rows of the corpus',
    )
    .option('--matrix', 'every driver under every protocol it lived under, property by property')
    .addOption(
      new Option('--bugs', 'the corpus of known bugs, each as it was and as it was mended').conflicts([...SYSTEM]),
    )
    .option('--property <name...>', `only these: ${Object.keys(properties).join(', ')}`, collectProperty)
    .option('--workers <n>', 'worker threads; 1 unless said, with --matrix as many as there are processors', positive)
    .option('--memory <size>', 'for states, say 2G; beyond it the verdict is inconclusive', bytes, 4 * 2 ** 30)
    .option(
      '--time <seconds>',
      'beyond it the verdict is inconclusive; with --matrix for each system, 60 unless said',
      positive,
    )
    .option('--no-symmetry', 'tell identical threads and pages apart')
    .option('--no-por', 'no partial order reduction')
    .option('--ftrace <file>', 'write the counterexample as ftrace text, for lastput trace; with --bugs, of one row')
    .option('--json', 'lastput.check/1')
    .option('--html <file>', 'write verdicts and counterexamples as one file that any browser opens')
    .addHelpText(
      'after',
      '\nExit codes: 0 holds, 1 violated, 2 usage or inconclusive; with --bugs 0 if all\nare found and mended.',
    )
    .action((name: string | undefined, flags: CheckFlags) => guardedModel('check', () => answer(name, flags)))
}

async function answer(name: string | undefined, flags: CheckFlags): Promise<number> {
  if (flags.bugs) return checkBugs(name, flags)
  if (flags.matrix && flags.ftrace !== undefined)
    throw new UsageError('--ftrace writes one counterexample: leave out --matrix and say --property')
  if (flags.matrix) return checkMatrix(name, flags)
  if (name === undefined) throw new UsageError('say a driver, the path of a file, --matrix or --bugs')
  const checked: Verified[] = []
  for (const scenario of await scenarios(name, flags)) {
    const one = await verifyOrUsage(scenario, flags)
    checked.push(one)
    if (!flags.json) process.stdout.write(checkText(one))
  }
  if (flags.html !== undefined) await writeReport(flags.html, checked.map(checkJson), `lastput check ${name}`)
  if (flags.json) {
    const out = checked.map(checkJson)
    process.stdout.write(`${JSON.stringify(out.length === 1 ? out[0] : out, null, 2)}\n`)
  }
  if (flags.ftrace !== undefined) await writeFtrace(flags.ftrace, checked)
  return exitCode(checked.map(c => c.verdict))
}

/** One for the protocol that was asked for, or one for each that the driver lived under. */
async function scenarios(name: string, flags: CheckFlags): Promise<Scenario[]> {
  const driver = await driverOf(name)
  const under = flags.protocol
    ? [await protocolOf(flags.protocol)]
    : protocols.filter(p => driver.protocols.includes(p.id))
  return under.map(protocol => scenarioOf({ driver, protocol }, flags))
}

export async function verifyOrUsage(scenario: Scenario, flags: CheckFlags): Promise<Verified> {
  builtOrUsage(scenario)
  return verify(scenario, engineOptions(flags)).finally(clearProgress)
}

async function writeFtrace(file: string, checked: readonly Verified[]): Promise<void> {
  const broken = checked.find(c => c.verdict.verdict === 'violated')
  if (broken) await writeCounterexample(file, broken)
  else process.stderr.write('lastput check: nothing is violated, so there is no counterexample to write\n')
}
