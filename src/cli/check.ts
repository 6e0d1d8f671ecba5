// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check`: is there any interleaving in which this protocol and this driver break a promise? */
import { writeFile } from 'node:fs/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { CheckOptions } from '../engine/index.ts'
import {
  all_fixes,
  build,
  type Fix,
  properties,
  protocols,
  type Scenario,
  type Verified,
  verify,
} from '../linux/index.ts'
import { spawnThread } from '../node/threads.ts'
import { checkJson, checkText, exitCode, replay } from '../report/check.ts'
import { ftraceText } from '../report/ftrace.ts'
import { checkBugs, checkMatrix } from './corpus.ts'
import { driverOf, protocolOf, UsageError } from './model-file.ts'

export interface CheckFlags {
  protocol?: string
  pages: number
  vas: number
  threads?: Record<string, number>
  property?: string[]
  revert: Fix[]
  add: Fix[]
  workers: number
  memory: number
  time?: number
  symmetry: boolean
  por: boolean
  json?: boolean
  ftrace?: string
  matrix?: boolean
  bugs?: boolean
}

export function checkCommand(): Command {
  return systemOptions(new Command('check'))
    .description('try every interleaving of a driver under a refcount protocol')
    .argument(
      '[driver]',
      'a driver of the model, or the path of a file that exports one; with --bugs, rows of the corpus',
    )
    .option('--matrix', 'every driver under every protocol it lived under, property by property')
    .option('--bugs', 'the corpus of known bugs, each as it was and as it was mended')
    .option('--property <name...>', `only these: ${Object.keys(properties).join(', ')}`, collectProperty)
    .option('--workers <n>', 'worker threads', positive, 1)
    .option('--memory <size>', 'for states, say 2G; beyond it the verdict is inconclusive', bytes, 4 * 2 ** 30)
    .option('--time <seconds>', 'beyond it the verdict is inconclusive', positive)
    .option('--no-symmetry', 'tell identical threads and pages apart')
    .option('--no-por', 'no partial order reduction')
    .option('--ftrace <file>', 'write the counterexample as ftrace text, for lastput trace')
    .option('--json', 'lastput.check/1')
    .addHelpText('after', '\nExit codes: 0 holds, 1 violated, 2 usage or inconclusive.')
    .action(run)
}

/** What describes the system, shared with `lastput run`. */
export function systemOptions(command: Command): Command {
  return command
    .option('--protocol <id>', `${protocols.map(p => p.id).join(', ')}, a name, or the path of a file`)
    .option('--pages <n>', 'device pages', positive, 2)
    .option('--vas <n>', 'user addresses', positive, 2)
    .option('--threads <list>', 'roles and how many of each, say fault:2,migrate,unbind', threadList)
    .addOption(
      new Option('--revert <change...>', `kernel changes to leave out: ${all_fixes.join(', ')}`)
        .choices(all_fixes)
        .default([]),
    )
    .addOption(new Option('--add <change...>', 'proposed changes that no kernel has').choices(all_fixes).default([]))
}

async function run(name: string | undefined, flags: CheckFlags): Promise<void> {
  try {
    process.exitCode = await answer(name, flags)
  } catch (e) {
    if (!(e instanceof UsageError)) throw e
    process.stderr.write(`lastput check: ${e.message}\n`)
    process.exitCode = 2
  }
}

async function answer(name: string | undefined, flags: CheckFlags): Promise<number> {
  if (flags.bugs) return checkBugs(name, flags)
  if (flags.matrix) return checkMatrix(name, flags)
  if (name === undefined) throw new UsageError('say a driver, the path of a file, --matrix or --bugs')
  const checked: Verified[] = []
  for (const scenario of await scenarios(name, flags)) {
    const one = await verifyOrUsage(scenario, flags)
    checked.push(one)
    if (!flags.json) process.stdout.write(checkText(one))
  }
  if (flags.json) {
    const out = checked.map(checkJson)
    process.stdout.write(`${JSON.stringify(out.length === 1 ? out[0] : out, null, 2)}\n`)
  }
  if (flags.ftrace) await writeFtrace(flags.ftrace, checked)
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

export function scenarioOf(of: Pick<Scenario, 'driver' | 'protocol'>, flags: SystemFlags): Scenario {
  return {
    ...of,
    pages: flags.pages,
    vas: flags.vas,
    ...(flags.threads ? { threads: flags.threads } : {}),
    reverts: flags.revert,
    adds: flags.add,
  }
}

export type SystemFlags = Pick<CheckFlags, 'pages' | 'vas' | 'threads' | 'revert' | 'add'>

export async function verifyOrUsage(scenario: Scenario, flags: CheckFlags): Promise<Verified> {
  builtOrUsage(scenario)
  return verify(scenario, engineOptions(flags))
}

export function engineOptions(flags: CheckFlags): CheckOptions {
  return {
    ...(flags.property ? { properties: flags.property } : {}),
    symmetry: flags.symmetry,
    partialOrder: flags.por,
    workers: flags.workers,
    spawn: spawnThread,
    memory: flags.memory,
    ...(flags.time === undefined ? {} : { time: flags.time }),
    ...(process.stderr.isTTY ? { onProgress: showProgress } : {}),
  }
}

export function builtOrUsage(scenario: Scenario) {
  try {
    return build(scenario)
  } catch (e) {
    throw new UsageError((e as Error).message)
  }
}

function showProgress(p: { states: number; depth: number; queue: number; bytes: number; seconds: number }): void {
  const rate = Math.round(p.states / Math.max(p.seconds, 0.001))
  process.stderr.write(
    `\r${p.states} states, ${rate} states/s, depth ${p.depth}, queue ${p.queue}, ${Math.round(p.bytes / 2 ** 20)} MiB\x1b[K`,
  )
}

async function writeFtrace(file: string, checked: readonly Verified[]): Promise<void> {
  const broken = checked.find(c => c.verdict.verdict === 'violated')
  if (!broken)
    return void process.stderr.write('lastput check: nothing is violated, so there is no counterexample to write\n')
  await writeFile(file, ftraceText(broken.built, replay(broken)))
}

export function positive(text: string): number {
  const n = Number(text)
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError('a positive integer is expected')
  return n
}

function bytes(text: string): number {
  const match = /^(\d+)([KMGT]?)$/i.exec(text)
  if (!match) throw new InvalidArgumentError('a number of bytes is expected, with K, M, G or T')
  return Number(match[1]) * 2 ** (10 * ' KMGT'.indexOf(match[2]!.toUpperCase() || ' '))
}

function threadList(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(',').map(item => {
      const [role, n] = item.split(':')
      return [role!.trim(), n === undefined ? 1 : positive(n)]
    }),
  )
}

function collectProperty(text: string, before: string[] | undefined): string[] {
  const wanted = text.split(',')
  for (const p of wanted)
    if (!(p in properties)) throw new InvalidArgumentError(`there are ${Object.keys(properties).join(', ')}`)
  return [...(before ?? []), ...wanted]
}
