// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run bench:start`: wall time of short commands, compared with Node running nothing and with `trace-cmd report` of the same
 * small recording. Whole processes take turns. `-- --rounds N` takes the best of N rounds, `-- --json` prints JSON.
 */
import { fileURLToPath } from 'node:url'
import { best, measure, type Run } from './process.ts'

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const cli = path('dist/cli/main.js')
const recording = path('examples/leak-6.12/trace.dat')
const at = process.argv.indexOf('--rounds')
const rounds = at < 0 ? 10 : Number(process.argv[at + 1])

const COMMANDS: Record<string, () => Run> = {
  'node -e 0': () => measure(process.execPath, ['-e', '0']),
  'lastput --version': () => measure(process.execPath, [cli, '--version']),
  // Exit code 1: the ledger found something.
  'lastput trace leak-6.12': () => measure(process.execPath, [cli, 'trace', recording], [1]),
  'trace-cmd report leak-6.12': () => measure('trace-cmd', ['report', recording]),
}

const runs = new Map<string, Run[]>(Object.keys(COMMANDS).map(name => [name, []]))
for (let round = 0; round < rounds; round++)
  for (const [name, run] of Object.entries(COMMANDS)) runs.get(name)!.push(run())
const rows = [...runs].map(([name, all]) => ({ name, ...best(all) }))

if (process.argv.includes('--json')) {
  const figures = rows.map(({ name, seconds, cpuSeconds, megabytes }) => ({ name, seconds, cpuSeconds, megabytes }))
  console.log(JSON.stringify({ node: process.version, rounds, rows: figures }, null, 2))
} else {
  console.log(`Node ${process.version}, best of ${rounds}`)
  for (const { name, seconds, cpuSeconds } of rows) {
    const cpu = cpuSeconds === undefined ? '' : `${cpuSeconds.toFixed(2)} s cpu`
    console.log(`${name.padEnd(28)} ${seconds.toFixed(3).padStart(7)} s ${cpu.padStart(11)}`)
  }
}
