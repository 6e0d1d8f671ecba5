// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run bench:versions -- --before FOLDER`: compares this checkout with an older one, in which `npm ci`, `npm run build` and
 * `npm run tools` have been run: decoding, the ledger and the checker. Whole processes take turns. Prints medians and their
 * ratio; `--rounds N` sets the number of runs (7), `--only TEXT` selects rows by name, `--json` prints JSON.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dataPath } from '../testkit/data.ts'
import { systems } from './models/index.ts'
import { measure, type Run } from './process.ts'

interface Row {
  name: string
  /** The command to run in a checkout; below it, the exit codes that mean success. */
  command: string[]
  codes: number[]
}

interface Figures {
  seconds: number
  cpuSeconds: number
  megabytes: number
}

const RECORDINGS = ['7.3/hmm-private', '6.12/hmm-private-stacks', '6.12/zdbug-race']
const NAMES = ['seconds', 'cpuSeconds', 'megabytes'] as const

const flag = (name: string) => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
const rounds = Number(flag('--rounds') ?? 7)
const only = flag('--only') ?? ''
const here = fileURLToPath(new URL('../../', import.meta.url))
const before = flag('--before')

const recordings = RECORDINGS.map(name => ({ name, file: dataPath(`${name}/trace.dat`) })).filter(r =>
  existsSync(r.file),
)
const rows: Row[] = [
  ...recordings.map(({ name, file }) => ({
    name: `decode ${name}`,
    command: ['.tools/bench/decode-one.js', file],
    codes: [0],
  })),
  ...recordings.map(({ name, file }) => ({
    name: `trace ${name}`,
    command: ['dist/cli/main.js', 'trace', '--json', file],
    codes: [0, 1],
  })),
  ...systems.flatMap(({ name }) =>
    ['reduced', 'plain'].map(how => ({
      name: `check ${name}, ${how}`,
      command: ['.tools/bench/check-one.js', name, how, '1'],
      codes: [0],
    })),
  ),
]

const run = (folder: string, { command: [program, ...args], codes }: Row) =>
  measure(process.execPath, [join(folder, program!), ...args], codes)

function median(values: number[]): number {
  values.sort((a, b) => a - b)
  return values[values.length >> 1]!
}

function medians(runs: Run[]): Figures {
  const of = (name: (typeof NAMES)[number]) => median(runs.map(r => r[name] ?? Number.NaN))
  return { seconds: of('seconds'), cpuSeconds: of('cpuSeconds'), megabytes: of('megabytes') }
}

/** Computes the ratio from pairs of successive runs, so that a drift of the machine's speed cancels out. */
function compare(row: Row, old: string) {
  const pairs = Array.from({ length: rounds }, () => ({ before: run(old, row), after: run(here, row) }))
  const ratios = Object.fromEntries(
    NAMES.map(name => [name, median(pairs.map(p => (p.after[name] ?? Number.NaN) / (p.before[name] ?? Number.NaN)))]),
  ) as unknown as Figures
  return { before: medians(pairs.map(p => p.before)), after: medians(pairs.map(p => p.after)), ratios }
}

if (before === undefined) {
  console.error('bench:versions needs --before FOLDER: an older checkout in which npm ci, build and tools ran')
  process.exit(2)
}
const cells = ({ seconds, cpuSeconds, megabytes }: Figures) =>
  `${seconds.toFixed(2)} s ${cpuSeconds.toFixed(2)} cpu ${Math.round(megabytes)} MB`.padStart(27)
const results = []
for (const row of rows.filter(r => r.name.includes(only))) {
  const result = { name: row.name, ...compare(row, before) }
  results.push(result)
  if (process.argv.includes('--json')) continue
  const { seconds, cpuSeconds, megabytes } = result.ratios
  const ratio = [seconds, cpuSeconds, megabytes].map(r => r.toFixed(2)).join(' ')
  console.log(`${row.name.padEnd(34)} ${cells(result.before)} ${cells(result.after)}  ${ratio}`)
}
if (process.argv.includes('--json')) console.log(JSON.stringify({ node: process.version, rounds, results }, null, 2))
else console.log('before, after, and after to before: wall time, processor time, memory')
