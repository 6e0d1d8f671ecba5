// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check`: searches for an interleaving in which a driver under a protocol violates a property. */
import { Command, Option } from 'commander'
import { drivers, properties, type Scenario, type Verified, verify } from '../linux/index.ts'
import { checkJson, checkText } from '../report/check.ts'
import { driverListText } from '../report/driver-list.ts'
import { checkBugs } from './bugs.ts'
import { shown } from './colour.ts'
import { complain } from './complain.ts'
import { writeCounterexample } from './counterexample.ts'
import { UsageError } from './errors.ts'
import { Exit, exitFor, exitOf } from './exit-codes.ts'
import { checkMatrix } from './matrix.ts'
import { driverOf, protocolsOf } from './model-file.ts'
import {
  builtOrUsage,
  type CheckFlags,
  clearProgress,
  collectProperty,
  duration,
  engineOptions,
  MOST_WORKERS,
  memorySize,
  ownProperties,
  refuseUnknown,
  scenarioOf,
  shardOption,
  systemOptions,
  workerCount,
} from './model-flags.ts'
import type { ModelHost } from './model-host.ts'
import { modelCommand } from './model-thread.ts'
import { outputFile } from './strict.ts'
import { writeReport } from './write-report.ts'

const DRIVERS = drivers.map(d => d.name).join(', ')

/** Options that `--bugs` refuses, because each bug of the corpus sets them itself. */
const SYSTEM = ['matrix', 'protocol', 'pages', 'vas', 'threads', 'revert', 'asReleased', 'add', 'property'] as const

const NOTES = `
Without --protocol, a driver is checked under each protocol that it has code
for.

Examples:
  lastput check test_hmm --list                   roles, scenarios, properties
  lastput check test_hmm --protocol G             today's rule
  lastput check test_hmm --protocol D --pages 1 --threads migrate:2,exit
                                                  a bug of Linux 5.18 to 6.0
  lastput check ./my_driver.ts --html report.html your own, with a report
  lastput check fsdax --matrix                    property by property
  lastput check --bugs 4 --ftrace bug4.txt        for lastput trace

Ctrl-C ends a search with what it has covered; a second one ends the command.

Exit codes: 0 holds, 1 violated, 2 wrong usage, 3 inconclusive: nothing is
violated, but memory or time ran out. With --bugs 0 if each bug is found, and
gone with its fix; with --matrix 0 if all was decided; 3 as above.`

export function checkCommand(): Command {
  return systemOptions(new Command('check').addHelpText('after', NOTES))
    .description('try every interleaving of a driver under a refcount protocol')
    .argument(
      '[driver]',
      `${DRIVERS}, or the path of a file that exports one; with --bugs, rows of the corpus, as 4,new-1`,
    )
    .addOption(
      new Option('--list', "list the driver's roles, scenarios, properties and bounds").conflicts([
        'matrix',
        'bugs',
        'property',
        'json',
        'html',
        'ftrace',
      ]),
    )
    .option('--matrix', 'every driver under every protocol it lived under, property by property')
    .option(
      '--shard <i/n>',
      'with --matrix: the i-th of n equal parts; lastput merge makes one table of them',
      shardOption,
    )
    .addOption(new Option('--bugs', 'the corpus of known bugs, each with and without its fix').conflicts([...SYSTEM]))
    .option(
      '--property <name...>',
      `only these: ${Object.keys(properties).join(', ')}, or a name that the driver's own code gives`,
      collectProperty,
    )
    .option(
      '--workers <n>',
      `worker threads, at most ${MOST_WORKERS}; default 1, with --matrix one per processor`,
      workerCount,
    )
    .addOption(
      new Option('--memory <size>', 'for states; beyond it the verdict is inconclusive')
        .argParser(memorySize)
        .default(4 * 2 ** 30, '4G'),
    )
    .option(
      '--time <time>',
      'seconds, or as 90s, 5m, 1h; beyond it the verdict is inconclusive; with --matrix per system, default 60',
      duration,
    )
    .option('--no-symmetry', 'tell identical threads and pages apart')
    .option('--no-por', 'no partial order reduction')
    .option(
      '--ftrace <file>',
      'write the counterexample as ftrace text, for lastput trace; with --bugs, of one row',
      outputFile,
    )
    .option('--json', 'JSON (schema lastput.check/2); an array where there are several verdicts')
    .option('--html <file>', 'write verdicts and counterexamples as one file that any browser opens', outputFile)
    .action((name: string | undefined, flags: CheckFlags) =>
      modelCommand({ command: 'check', name, flags }, host => answerCheck(name, flags, host)),
    )
}

/** Runs the command, in the main thread or in the thread that was started for the user's model. */
export async function answerCheck(name: string | undefined, flags: CheckFlags, host: ModelHost): Promise<Exit> {
  if (flags.bugs) return checkBugs(name, flags, host)
  if (flags.shard && !flags.matrix) throw new UsageError('--shard takes a part of a matrix: add --matrix')
  if (flags.matrix && flags.ftrace !== undefined)
    throw new UsageError('--ftrace writes one counterexample: leave out --matrix and say --property')
  if (flags.matrix) return checkMatrix(name, flags, host)
  if (name === undefined)
    throw new UsageError(`say a driver (${DRIVERS}), the path of a file that exports one, --matrix or --bugs`)
  const wanted = await scenarios(name, flags, host)
  if (flags.list) return listDriver(wanted, flags, host)
  refuseUnknown(flags, wanted, host)
  const checked: Verified[] = []
  for (const scenario of wanted) {
    const one = await verifyOrUsage(scenario, flags, host)
    if (!flags.json) process.stdout.write(`${blankAfter(checked.at(-1))}${shown(checkText(one))}`)
    checked.push(one)
    if (host.signal.aborted) break
  }
  const left = wanted.slice(checked.length).map(s => s.protocol.id)
  if (left.length > 0) complain('lastput check', `stopped: nothing is known of ${left.join(', ')}`)
  if (flags.json) {
    const out = checked.map(checkJson)
    process.stdout.write(`${JSON.stringify(out.length === 1 ? out[0] : out, null, 2)}\n`)
  }
  if (flags.html !== undefined) await writeReport(flags.html, checked.map(checkJson), `lastput check ${name}`)
  if (flags.ftrace !== undefined) await writeFtrace(flags.ftrace, checked)
  return exitOf([
    ...checked.map(({ verdict: { verdict } }) =>
      exitFor({ found: verdict === 'violated', complete: verdict === 'holds' }),
    ),
    ...left.map(() => Exit.INCOMPLETE),
  ])
}

/**
 * Lists the driver's protocols, roles, scenarios and properties. Only properties can differ by protocol: those under the last
 * protocol, today's, are listed.
 */
function listDriver(wanted: readonly Scenario[], flags: CheckFlags, host: ModelHost): Exit {
  const scenario = wanted.at(-1)!
  const built = builtOrUsage(scenario)
  const own = ownProperties(scenario, flags, host)
  const under = wanted.map(s => s.protocol)
  process.stdout.write(driverListText(scenario, built, under, own))
  return own ? Exit.CLEAN : Exit.INCOMPLETE
}

/** Returns a blank line after a counterexample, whose text is long, so that the next result stands apart. */
function blankAfter(before: Verified | undefined): string {
  return before?.verdict.verdict === 'violated' ? '\n' : ''
}

/** Returns one scenario for the given protocol, or one for each protocol that the driver has code for. */
async function scenarios(name: string, flags: CheckFlags, host: ModelHost): Promise<Scenario[]> {
  const driver = await driverOf(name, host)
  const under = await protocolsOf(driver, flags.protocol, host)
  return under.map(protocol => scenarioOf({ driver, protocol }, flags))
}

async function verifyOrUsage(scenario: Scenario, flags: CheckFlags, host: ModelHost): Promise<Verified> {
  builtOrUsage(scenario)
  return verify(scenario, engineOptions(flags, host)).finally(clearProgress)
}

async function writeFtrace(file: string, checked: readonly Verified[]): Promise<void> {
  const broken = checked.find(c => c.verdict.verdict === 'violated')
  if (broken) await writeCounterexample(file, broken)
  else process.stderr.write('lastput check: nothing is violated, so there is no counterexample to write\n')
}
