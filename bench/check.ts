// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run bench:check`: time to verdict and peak memory of `check` and of SPIN on equivalent models of the same systems, one
 * after the other in one run. For `check` the whole process is measured, with learning and code generation; for SPIN only pan,
 * without compilation. `-- --json` prints the table as JSON, `-- --rounds N` takes the best of N rounds, `-- --only NAME` selects
 * one system. States/s and steps/s refer to the whole process: without reductions they show the speed of the search, with
 * reductions mostly the start-up time.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type BenchSystem, systems } from './models/index.ts'
import { compile, run, type SpinRun, spinMissing } from './spin.ts'

interface Ours {
  verdict: string
  states: number
  transitions: number
  seconds: number
  /** CPU time in seconds. */
  cpu: number
  /** Peak resident memory in bytes. */
  rss: number
  bits: number
  words: number
  reductions: string[]
}

interface Row {
  name: string
  states: number
  lastput: Ours
  lastput2: Ours
  lastputNoSymmetry: Ours
  lastputNoSymmetry2: Ours
  spin: SpinRun
  spinCollapse: SpinRun
}

const flag = (name: string) => {
  const i = process.argv.indexOf(name)
  return i < 0 ? undefined : process.argv[i + 1]
}
const rounds = Number(flag('--rounds') ?? 1)
const only = flag('--only')
const json = process.argv.includes('--json')
// The compiled file is in .tools/bench; the Promela sources are not copied there.
const promela = fileURLToPath(new URL('../../bench/promela', import.meta.url))
const one = fileURLToPath(new URL('./check-one.js', import.meta.url))

function ours(system: BenchSystem, reductions: 'reduced' | 'plain', workers: number): Ours {
  const began = performance.now()
  const text = execFileSync(process.execPath, [one, system.name, reductions, String(workers)]).toString()
  return { ...JSON.parse(text), seconds: (performance.now() - began) / 1000 }
}

function best<T extends { seconds: number; rss: number }>(measure: () => T, before?: T): T {
  const now = measure()
  return before && before.seconds < now.seconds ? before : now
}

function measure(system: BenchSystem): Row {
  const pan = compile(system, promela, 'full', false)
  const collapse = compile(system, promela, 'full', false, ['-DCOLLAPSE'])
  const flags = [...system.spin.run, ...system.spin.fit]
  let row: Row | undefined
  for (let round = 0; round < rounds; round++) {
    const lastput = best(() => ours(system, 'reduced', 1), row?.lastput)
    row = {
      name: system.name,
      states: lastput.states,
      lastput,
      spin: best(() => run(pan, flags), row?.spin),
      lastputNoSymmetry: best(() => ours(system, 'plain', 1), row?.lastputNoSymmetry),
      spinCollapse: best(() => run(collapse, flags), row?.spinCollapse),
      lastput2: best(() => ours(system, 'reduced', 2), row?.lastput2),
      lastputNoSymmetry2: best(() => ours(system, 'plain', 2), row?.lastputNoSymmetry2),
    }
  }
  const verdicts = new Set([row!.lastput, row!.lastputNoSymmetry, row!.spin, row!.spinCollapse].map(r => r.verdict))
  if (verdicts.size > 1) throw new Error(`${system.name}: verdicts differ: ${[...verdicts].join(', ')}`)
  return row!
}

function geomean(ratios: readonly number[]): number {
  return Math.exp(ratios.reduce((s, r) => s + Math.log(r), 0) / ratios.length)
}

/** Ratios to SPIN. For time and for memory, the better one of SPIN's two builds is the reference. */
function ratios(rows: readonly Row[]) {
  const time = (r: Row) => Math.min(r.spin.seconds, r.spinCollapse.seconds)
  const memory = (r: Row) => Math.min(r.spin.rss, r.spinCollapse.rss)
  return {
    time: geomean(rows.map(r => time(r) / r.lastput.seconds)),
    cpu: geomean(rows.map(r => Math.min(r.spin.cpu, r.spinCollapse.cpu) / r.lastput.cpu)),
    cpuNoSymmetry: geomean(rows.map(r => Math.min(r.spin.cpu, r.spinCollapse.cpu) / r.lastputNoSymmetry.cpu)),
    memory: geomean(rows.map(r => memory(r) / r.lastput.rss)),
    timeNoSymmetry: geomean(rows.map(r => time(r) / r.lastputNoSymmetry.seconds)),
    memoryNoSymmetry: geomean(rows.map(r => memory(r) / r.lastputNoSymmetry.rss)),
    timeNoSymmetry2: geomean(rows.map(r => time(r) / r.lastputNoSymmetry2.seconds)),
  }
}

const missing = spinMissing()
if (missing) {
  console.error(`bench:check needs ${missing} (Debian: apt install spin gcc time)`)
  process.exit(2)
}
const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
const times = (x: number) => x.toFixed(1)

function line(what: string, r: SpinRun | Ours): string {
  const rates =
    'transitions' in r
      ? [
          `${(r.states / r.seconds / 1e6).toFixed(2)} M states/s`.padStart(16),
          `${(r.transitions / r.seconds / 1e6).toFixed(2)} M steps/s`.padStart(16),
          `${r.words * 4} bytes/state (${r.bits} bits)`,
        ]
      : []
  return [
    what.padEnd(28),
    r.states.toLocaleString('en').padStart(12),
    `${r.seconds.toFixed(2)} s`.padStart(10),
    `(cpu ${r.cpu.toFixed(2)} s)`.padStart(15),
    mb(r.rss).padStart(9),
    ...rates,
  ].join(' ')
}

const rows: Row[] = []
for (const system of systems.filter(s => !only || s.name === only)) {
  const r = measure(system)
  rows.push(r)
  if (json) continue
  console.log(`${r.name}: ${r.lastput.verdict}; ${r.lastput.reductions.join(', ')}`)
  console.log(line('  check, 1 worker', r.lastput))
  console.log(line('  check, 2 workers', r.lastput2))
  console.log(line('  no reductions, 1 worker', r.lastputNoSymmetry))
  console.log(line('  no reductions, 2 workers', r.lastputNoSymmetry2))
  console.log(line('  spin -O3', r.spin))
  console.log(line('  spin -O3 -DCOLLAPSE', r.spinCollapse))
}
const geo = ratios(rows)
if (json) console.log(JSON.stringify({ systems: rows, geomean: geo }, undefined, 2))
else {
  console.log('geometric means against the better of the two SPIN builds:')
  console.log(`  with reductions: time ${times(geo.time)}x (cpu ${times(geo.cpu)}x), memory 1/${times(geo.memory)}`)
  console.log(
    `  without: time ${times(geo.timeNoSymmetry)}x (cpu ${times(geo.cpuNoSymmetry)}x; 2 workers, time ${times(geo.timeNoSymmetry2)}x), memory 1/${times(geo.memoryNoSymmetry)}`,
  )
}
