// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput merge`: merges the JSON results of many runs, possibly on many machines. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import {
  type Answers,
  answersOf,
  fleetOf,
  fleetText,
  MergeError,
  matrixText,
  mergedRows,
  TRACE,
} from '../report/merge.ts'
import { guarded, readText, UsageError } from './errors.ts'
import { Exit, exitFor } from './exit-codes.ts'

interface MergeFlags {
  json?: boolean
}

const NOTES = `
Reads the JSON of lastput trace, of one or several recordings, and lists what
was found by cause; or reads the JSON of the shards of a matrix, in their order,
and prints the matrix. docs/fleet.md has Slurm jobs for both.

Examples:
  lastput merge machine-*.json                     what went wrong where?
  lastput check --matrix --shard 1/4 --json > 1.json
  lastput merge 1.json 2.json 3.json 4.json        the whole matrix
  lastput merge 1.json 2.json --json > both.json   one array of all answers

Exit codes: 0 nothing found (a matrix: all decided), 1 findings, 2 wrong usage,
or a file of another kind, 3 nothing found, but something may have been missed.`

export function mergeCommand(): Command {
  return new Command('merge')
    .description('merge the results of many recordings, or the shards of a matrix')
    .argument('<file...>', 'JSON of lastput trace, or of lastput check --matrix; "-" is standard input')
    .option('--json', 'one array of all answers')
    .addHelpText('after', NOTES)
    .action((files: string[], flags: MergeFlags) => guarded('merge', async () => merge(files, flags)))
}

function merge(files: readonly string[], { json }: MergeFlags): Exit {
  if (files.filter(file => file === '-').length > 1) throw new UsageError('standard input can be read once')
  try {
    return mergeAll(files.map(read), json === true)
  } catch (error) {
    throw error instanceof MergeError ? new UsageError(error.message) : error
  }
}

function mergeAll(all: readonly Answers[], json: boolean): Exit {
  const kinds = new Set(all.flatMap(({ answers }) => answers.map(answer => answer.schema)))
  if (kinds.size > 1)
    throw new UsageError(`these files are of several kinds, ${[...kinds].join(' and ')}: merge each kind separately`)
  return kinds.has(TRACE) ? mergeFleet(all, json) : mergeMatrix(all, json)
}

function mergeFleet(all: readonly Answers[], json: boolean): Exit {
  const fleet = fleetOf(all)
  const answers = all.flatMap(each => each.answers)
  print(json ? JSON.stringify(answers, undefined, 1) : fleetText(fleet).join('\n'))
  const hasReports = answers.some(({ reports }) => Array.isArray(reports) && reports.length > 0)
  return exitFor({
    found: fleet.causes.length > 0 || hasReports,
    complete: answers.every(({ complete }) => complete !== false),
  })
}

function mergeMatrix(all: readonly Answers[], json: boolean): Exit {
  const rows = mergedRows(all)
  const cells = rows.flat()
  print(json ? JSON.stringify(cells, undefined, 2) : matrixText(rows).trimEnd())
  return cells.some(({ verdict }) => verdict === 'inconclusive') ? Exit.INCOMPLETE : Exit.CLEAN
}

function read(file: string): Answers {
  const text = file === '-' ? readFileSync(0, 'utf8') : readText(file)
  try {
    return answersOf(file, JSON.parse(text))
  } catch (error) {
    throw error instanceof SyntaxError ? new MergeError(`${file}: expected JSON: ${error.message}`) : error
  }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)
