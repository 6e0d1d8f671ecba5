// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput diff`: compares two recordings of one scenario. */
import { Command } from 'commander'
import { compare, diffJson, diffText, factsOf, isSame } from '../report/diff.ts'
import { guarded, UsageError } from './errors.ts'
import { type Exit, exitFor } from './exit-codes.ts'
import {
  kallsymsOption,
  progressLine,
  type RecordingFlags,
  recordingOptions,
  ruleOptions,
  withRecording,
} from './recordings.ts'

interface DiffFlags extends RecordingFlags {
  json?: boolean
  allPages?: boolean
  kallsymsFirst: string[]
  kallsymsSecond: string[]
}

const NOTES = `
Compares two recordings of one scenario: from a good and a bad kernel, or from
before and after a patch. It compares findings, references held at the end, the
laws by which call sites give back what others take, and how often each call
site occurs in a lifetime of a page (shown if only one recording has it, or one
has it twice as often). Call sites are compared by function, because offsets
change with every build.

Examples:
  lastput diff good.dat bad.dat          what is different?
  lastput diff good.dat bad.dat --json   for a program
  lastput diff a.txt b.txt --kallsyms-first a.syms --kallsyms-second b.syms

Exit codes: 0 no difference, 1 differences, 2 wrong usage or unusable file, 3 no
difference, but something may have been missed: damage, lost events.`

export function diffCommand(): Command {
  return recordingOptions(new Command('diff'))
    .description('compare two recordings of one scenario')
    .argument('<first>', 'trace.dat, perf.data or ftrace text; "-" is standard input')
    .argument('<second>', 'the same of the other kernel')
    .addOption(kallsymsOption('--kallsyms-first', 'the same for the first recording only'))
    .addOption(kallsymsOption('--kallsyms-second', 'the same for the second recording only'))
    .option('--all-pages', 'account for ordinary pages too, not only for device pages')
    .option('--json', 'JSON (schema lastput.diff/1)')
    .addHelpText('after', NOTES)
    .action((first: string, second: string, flags: DiffFlags) => guarded('diff', () => diff(first, second, flags)))
}

async function diff(first: string, second: string, flags: DiffFlags): Promise<Exit> {
  if (first === '-' && second === '-') throw new UsageError('standard input can be read once')
  const progress = progressLine('diff')
  const { allPages } = flags
  const read = (file: string, own: string[]) =>
    withRecording(file, { ...flags, kallsyms: [...flags.kallsyms, ...own] }, recording =>
      factsOf(recording, { ...ruleOptions(flags), allPages, onProgress: progress.show }),
    )
  const comparison = compare(await read(first, flags.kallsymsFirst), await read(second, flags.kallsymsSecond))
  progress.clear()
  const text = flags.json ? JSON.stringify(diffJson(comparison), undefined, 1) : diffText(comparison).join('\n')
  process.stdout.write(`${text}\n`)
  const reasons = [...comparison.first.reasons, ...comparison.second.reasons]
  return exitFor({ found: !isSame(comparison), complete: reasons.length === 0 })
}
