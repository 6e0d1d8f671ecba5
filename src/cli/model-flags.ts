// SPDX-License-Identifier: GPL-2.0-or-later
/** Options that `lastput check` and `lastput run` share, and their translation to options of the model and the checker. */

import { availableParallelism, totalmem } from 'node:os'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type CheckOptions, promises, type SearchProgress } from '../checker/index.ts'
import { type Built, build, drivers, type Fix, fixes, properties, protocols, type Scenario } from '../linux/index.ts'
import { merged_fixes, proposed_fixes } from '../linux/scenario/fixes.ts'
import { spawn } from '../node/spawn.ts'
import { presentId } from '../promises/promises.ts'
import { grouped, wrap } from '../report/words.ts'
import { UsageError } from './errors.ts'
import type { Shard } from './matrix-system.ts'
import type { ModelHost } from './model-host.ts'

export interface CheckFlags {
  protocol?: string
  pages: number
  vas: number
  threads?: Record<string, number>
  property?: string[]
  revert: Fix[]
  asReleased?: boolean
  add: Fix[]
  tso?: boolean
  pso?: boolean
  workers?: number
  memory: number
  time?: number
  symmetry: boolean
  por: boolean
  json?: boolean
  html?: string
  ftrace?: string
  matrix?: boolean
  shard?: Shard
  list?: boolean
  bugs?: boolean
}

/** Largest number of shards of a matrix. */
const MOST_SHARDS = 10_000

/** Parses a shard, such as "2/8". */
export function shardOption(text: string): Shard {
  const [, part, of] = /^(\d{1,5})\/(\d{1,5})$/.exec(text)?.map(Number) ?? []
  if (part === undefined || of === undefined || part < 1 || part > of || of > MOST_SHARDS)
    throw new InvalidArgumentError('expected a part and how many there are, as 2/8')
  return { part, of }
}

/** Adds the options that describe the system to a command. */
export function systemOptions(command: Command): Command {
  return command
    .option('--protocol <id>', `${protocols.map(p => p.id).join(', ')}, a name, or the path of a file`)
    .option('--pages <n>', 'device pages', few, 2)
    .option('--vas <n>', 'user addresses', few, 2)
    .option('--threads <list>', 'roles and how many of each, say fault:2,migrate,unbind', threadList)
    .option('--as-released', "without what was merged after the protocol's last release")
    .addOption(changes('--revert <change...>', 'merged changes to the kernel to leave out, named below', merged_fixes))
    .addOption(changes('--add <change...>', 'changes that no kernel has, named below', proposed_fixes))
    .addOption(
      new Option('--tso', 'with store buffers as on x86: plain stores are seen late, in their order').conflicts('pso'),
    )
    .option('--pso', 'as --tso, but that stores to different places overtake each other')
    .addHelpText('after', () => changesText())
}

/** An option of names that may be separated by commas or blanks. */
function changes(flags: string, description: string, known: readonly Fix[]): Option {
  const read = (text: string, before: readonly Fix[]): Fix[] => {
    const names = text.split(',')
    for (const name of names)
      if (!known.includes(name as Fix)) throw new InvalidArgumentError(`there are ${known.join(', ')}`)
    return [...before, ...(names as Fix[])]
  }
  return new Option(flags, description).argParser(read).default([], 'none')
}

function changesText(): string {
  const text = (names: readonly Fix[]) =>
    names.flatMap(name => {
      const { commit, subject } = fixes[name]
      return wrap(`${subject}${commit === '' ? '' : ` (${commit})`}`, `  ${name}: `, '    ')
    })
  const lines = ['', 'Changes for --revert:', ...text(merged_fixes), '', 'Changes for --add:', ...text(proposed_fixes)]
  return lines.join('\n')
}

export function scenarioOf(of: Pick<Scenario, 'driver' | 'protocol'>, flags: SystemFlags): Scenario {
  return {
    ...of,
    pages: flags.pages,
    vas: flags.vas,
    ...(flags.threads ? { threads: flags.threads } : {}),
    reverts: flags.revert,
    ...(flags.asReleased ? { as_released: true } : {}),
    adds: flags.add,
    ...storesOf(flags),
  }
}

/** The memory model of the processors that the threads run on. */
export function storesOf({ tso, pso }: Pick<CheckFlags, 'tso' | 'pso'>): Pick<Scenario, 'stores'> {
  return tso ? { stores: 'tso' } : pso ? { stores: 'pso' } : {}
}

export type SystemFlags = Pick<
  CheckFlags,
  'pages' | 'vas' | 'threads' | 'revert' | 'add' | 'asReleased' | 'tso' | 'pso'
>

export function engineOptions(flags: CheckFlags, host: ModelHost): CheckOptions {
  return {
    ...(flags.property ? { properties: flags.property } : {}),
    symmetry: flags.symmetry,
    partialOrder: flags.por,
    workers: flags.workers ?? 1,
    spawn,
    memory: flags.memory,
    watch: host.watch,
    ...(flags.time === undefined ? {} : { time: flags.time }),
    signal: host.signal,
    onProgress: progress => {
      // Before the search begins there is no partial result to print, so that Ctrl-C may end the command at once.
      if (progress.doing === undefined) host.hearInterrupt()
      showProgress(progress, host)
    },
  }
}

/** Builds a scenario. @throws UsageError for threads, fixes or the like that the driver does not have. */
export function builtOrUsage(scenario: Scenario): Built {
  try {
    return build(scenario)
  } catch (e) {
    throw new UsageError((e as Error).message)
  }
}

/** True while a line of progress is on the terminal. None is shown in the first second of a command. */
let shown = false

/** Shows the progress of learning or of the search. */
function showProgress({ states, depth, queue, bytes, seconds, doing }: SearchProgress, host: ModelHost): void {
  if (!host.isTerminal) return
  const rate = Math.round(states / Math.max(seconds, 0.001))
  const [all, fast, waiting, mebibytes] = [states, rate, queue, Math.round(bytes / 2 ** 20)].map(grouped)
  const search = `${all} states, ${fast} states/s, depth ${depth}, queue ${waiting}, ${mebibytes} MiB`
  showLine(doing ?? search, host)
}

/** Shows a line of progress in place of the previous one. */
export function showLine(text: string, host: ModelHost): void {
  if (!host.isTerminal || performance.now() < 1000) return
  process.stderr.write(`\r${text}\x1b[K`)
  shown = true
}

/** Removes the line of progress. It has to be called before anything else is printed. */
export function clearProgress(): void {
  if (shown) process.stderr.write('\r\x1b[K')
  shown = false
}

export function positive(text: string): number {
  const n = Number(text)
  if (!Number.isSafeInteger(n) || n < 1) throw new InvalidArgumentError('a positive integer is expected')
  return n
}

/** Largest size (pages, addresses, threads) of a system. The number of states is a power of it, so that more cannot be meant. */
const MOST = 100

function few(text: string): number {
  const n = positive(text)
  if (n > MOST) throw new InvalidArgumentError(`at most ${MOST}: states grow with a power of it`)
  return n
}

/** Largest number of workers. More do not share memory and processors well. */
export const MOST_WORKERS = 64

export function workerCount(text: string): number {
  const n = positive(text)
  if (n > MOST_WORKERS)
    throw new InvalidArgumentError(`at most ${MOST_WORKERS}: this machine has ${availableParallelism()} processors`)
  return n
}

/**
 * Parses an amount of memory, in bytes.
 * @throws InvalidArgumentError for more than the machine has: memory would run out before the limit is reached
 */
export function memorySize(text: string): number {
  const n = bytes(text)
  const all = totalmem()
  if (n > all) throw new InvalidArgumentError(`this machine has ${Math.floor(all / 2 ** 30)}G`)
  if (n < 1) throw new InvalidArgumentError('a number of bytes is expected, with K, M, G or T, as 2G')
  return n
}

export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)$/i.exec(text)
  if (!match) throw new InvalidArgumentError('a number of bytes is expected, with K, M, G or T, as 2G')
  return Math.floor(Number(match[1]) * 2 ** (10 * ' KMGT'.indexOf(match[2]!.toUpperCase() || ' ')))
}

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600 }

/** Parses a duration such as "90s" or "1.5h". @returns seconds */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(text)
  const seconds = match ? Number(match[1]) * SECONDS[match[2]!]! : 0
  if (seconds === 0) throw new InvalidArgumentError('a time is expected, as 0.5, 90s, 5m or 1h')
  return seconds
}

/** Parses a list of roles. A role that is named twice stands for two threads. */
function threadList(text: string): Record<string, number> {
  const counts = new Map<string, number>()
  for (const item of text.split(',')) {
    const [role, n, ...more] = item.split(':')
    if (more.length > 0) throw new InvalidArgumentError('roles are expected, as fault:2,migrate,unbind')
    const name = role!.trim()
    counts.set(name, few(String((counts.get(name) ?? 0) + (n === undefined ? 1 : few(n)))))
  }
  return Object.fromEntries(counts)
}

export function collectProperty(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(',')]
}

/** Names of the properties that a scenario's own code defines; undefined if a limit was reached before all were known. */
export function ownProperties(scenario: Scenario, flags: CheckFlags, host: ModelHost): readonly string[] | undefined {
  const all = promises(builtOrUsage(scenario).system, engineOptions(flags, host))
  clearProgress()
  return all && [...new Set(all)].filter(name => !(name in properties))
}

/** @throws UsageError for a property that is neither built in nor defined by the code of a user's file. */
export function refuseUnknown(flags: CheckFlags, scenarios: readonly Scenario[], host: ModelHost): void {
  const names = new Set(Object.keys(properties))
  const unknown = () => flags.property?.find(p => !names.has(p))
  const theirs = scenarios.filter(s => !drivers.includes(s.driver) || !protocols.includes(s.protocol))
  for (const scenario of theirs) {
    if (unknown() === undefined) return
    const own = ownProperties(scenario, flags, host)
    // The search will report the limit that was reached.
    if (!own) return
    for (const name of own) names.add(name)
  }
  const stray = unknown()
  if (stray === undefined) return
  const present = presentId(stray)
  if (present !== undefined) throw new UsageError(`no property "${stray}": it is called ${present} now`)
  throw new UsageError(`no property "${stray}": there are ${[...names].join(', ')}`)
}
