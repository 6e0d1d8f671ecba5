// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run bench:trace`: compares decoding and the full ledger with `trace-cmd report FILE > /dev/null`. Whole processes take
 * turns in one run. `-- --json` prints JSON, `-- --rounds N` takes the best of N rounds, `-- --only TEXT` selects recordings by
 * name, `-- --no-ledger` only decodes. `-- --long` shows that memory does not grow with the length: it reads recordings of 8.5,
 * 34 and 102 million events, made from one real recording in a temporary folder (2 GB).
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { dataPath } from '../testkit/data.ts'
import { longRecordings } from './long.ts'
import { best, measure, type Run } from './process.ts'

interface Figures {
  seconds: number
  eventsPerSecond: number
  cpuSeconds: number | undefined
  /** Peak resident set in MB. */
  megabytes: number | undefined
}

interface Row {
  name: string
  events: number
  decode: Figures
  ledger?: Figures
  peer: Figures
}

/** The largest recordings without and with stacks, and a small one. */
const NAMES = ['7.3/hmm-private', '6.12/hmm-private-stacks', '6.12/zdbug-race']

const flag = (name: string) => {
  const i = process.argv.indexOf(name)
  return i < 0 ? undefined : process.argv[i + 1]
}
const withLedger = !process.argv.includes('--no-ledger')
const json = process.argv.includes('--json')
const rounds = Number(flag('--rounds') ?? 3)
// The compiled file is in .tools/bench.
const one = fileURLToPath(new URL('./decode-one.js', import.meta.url))
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

const decode = (file: string) => measure(process.execPath, [one, file])

/** Measures the full account, and checks its output, because a program that fails early would look fast. */
function ledger(file: string): Run {
  // Exit code 1: the ledger found something.
  const run = measure(process.execPath, [cli, 'trace', '--json', file], [0, 1])
  const { schema, source } = JSON.parse(run.stdout) as { schema: string; source: { events: number } }
  if (schema !== 'lastput.trace/3' || !(source.events > 0)) throw new Error(`${file}: lastput trace gave no account`)
  return run
}

const peer = (file: string) => measure('trace-cmd', ['report', file])

function figures(run: Run, events: number): Figures {
  const { seconds, cpuSeconds, megabytes } = run
  return { seconds, eventsPerSecond: Math.round(events / seconds), cpuSeconds, megabytes }
}

function compare(name: string): Row {
  const file = dataPath(`${name}/trace.dat`)
  const runs: { peer: Run[]; decode: (Run & { stdout: string })[]; ledger: Run[] } = {
    peer: [],
    decode: [],
    ledger: [],
  }
  for (let round = 0; round < rounds; round++) {
    runs.decode.push(decode(file))
    if (withLedger) runs.ledger.push(ledger(file))
    runs.peer.push(peer(file))
  }
  const { events } = JSON.parse(runs.decode[0]!.stdout) as { events: number }
  return {
    name,
    events,
    decode: figures(best(runs.decode), events),
    ...(withLedger ? { ledger: figures(best(runs.ledger), events) } : {}),
    peer: figures(best(runs.peer), events),
  }
}

function show(name: string, { seconds, eventsPerSecond, cpuSeconds, megabytes }: Figures, ratio?: number): void {
  const times = ratio === undefined ? '' : `${ratio.toFixed(1)} x`
  const cells = [
    name.padEnd(34),
    `${seconds.toFixed(2)} s`.padStart(9),
    cpuSeconds === undefined ? '' : `${cpuSeconds.toFixed(2)} s cpu`.padStart(12),
    `${(eventsPerSecond / 1e6).toFixed(2)} M/s`.padStart(11),
    megabytes === undefined ? '' : `${Math.round(megabytes)} MB`.padStart(8),
    times.padStart(8),
  ]
  console.log(cells.join(' '))
}

function benchmark(): void {
  const only = flag('--only')
  const names = NAMES.filter(name => only === undefined || name.includes(only))
  const rows = names.filter(name => existsSync(dataPath(`${name}/trace.dat`))).map(compare)
  if (rows.length === 0) throw new Error('no recordings: LASTPUT_SHARED names the folder of the shared data')
  const ratio = (row: Row, what: 'decode' | 'ledger') =>
    (row[what]?.eventsPerSecond ?? Number.NaN) / row.peer.eventsPerSecond
  // Small recordings are left out: with them, the start of Node dominates.
  const large = rows.filter(({ events }) => events > 1e6)
  const least = (what: 'decode' | 'ledger') =>
    Math.min(...(large.length > 0 ? large : rows).map(row => ratio(row, what)))
  const ratios = { decode: least('decode'), ledger: least('ledger') }
  if (json) {
    console.log(JSON.stringify({ files: rows, ratios }, null, 2))
    return
  }
  for (const row of rows) {
    console.log(`${row.name}: ${row.events} page_ref events`)
    show('  decode, all fields', row.decode, ratio(row, 'decode'))
    if (row.ledger) show('  lastput trace', row.ledger, ratio(row, 'ledger'))
    show('  trace-cmd report', row.peer)
  }
  console.log(
    `least of the recordings with over a million events: decode ${ratios.decode.toFixed(1)} x, ledger ${ratios.ledger.toFixed(1)} x`,
  )
}

/** Measures peak memory as a function of length. */
async function lengths(): Promise<void> {
  const rows: { events: number; decode: Figures; ledger?: Figures }[] = []
  for await (const { file, times } of longRecordings(dataPath('7.3/hmm-private/trace.dat'), [1, 4, 12])) {
    const decoded = decode(file)
    const { events } = JSON.parse(decoded.stdout) as { events: number }
    const row = {
      events,
      decode: figures(decoded, events),
      ...(withLedger ? { ledger: figures(ledger(file), events) } : {}),
    }
    rows.push(row)
    if (json) continue
    console.log(`${times} times 7.3/hmm-private: ${events} page_ref events`)
    show('  decode, all fields', row.decode)
    if (row.ledger) show('  lastput trace', row.ledger)
  }
  if (json) console.log(JSON.stringify({ lengths: rows }, null, 2))
}

if (process.argv.includes('--long')) await lengths()
else benchmark()
