// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Calibrates the ledger: judges recordings of random simulated drivers with known faults, and prints how often it was right. An
 * interrupt (SIGINT) prints the table of the recordings judged so far.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { replay } from './calibrate/replay.ts'
import type { Scored } from './calibrate/score.ts'
import { DEFAULT_SIMULATOR, simulatorOf } from './calibrate/simulators.ts'
import { tableOf } from './calibrate/table.ts'
import { add, emptyTally } from './calibrate/tally.ts'

const USAGE = `usage: npm run calibrate -- [options]

  --recordings <n>  recordings to make and judge (default: 1000)
  --seed <n>        seed of the first one (default: 1)
  --simulator <s>   drivers: made of known subsystems (testkit/drivers; the
                    default); lifecycles: random state machines, by another
                    hand (testkit/lifecycles)
  --workers <n>     threads (default: 1)
  --correct         no driver has a fault, so that every accusation is wrong
  --list-wrong      print wrong findings as they occur, a line of JSON each
  --json <file>     write the numbers of the table
  --replay <seed>   show one recording: its driver, its faults, what is said
  --write <folder>  with --replay: write the recording, and its truth`

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    simulator: { type: 'string', default: DEFAULT_SIMULATOR },
    recordings: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    json: { type: 'string' },
    correct: { type: 'boolean', default: false },
    'list-wrong': { type: 'boolean', default: false },
    replay: { type: 'string' },
    write: { type: 'string' },
  },
})

const simulator = simulatorOf(values.simulator)
if (values.help) console.log(USAGE)
else if (values.replay !== undefined) await replay(simulator, Number(values.replay), values.correct, values.write)
else await calibrate(Number(values.recordings), Number(values.seed), Number(values.workers))

async function calibrate(recordings: number, first: number, workers: number): Promise<void> {
  const tally = emptyTally()
  const start = performance.now()
  let printed = start
  const take = (scored: Scored) => {
    add(tally, scored)
    if (values['list-wrong']) listWrong(scored)
    if (performance.now() - printed < 10_000) return
    printed = performance.now()
    process.stderr.write(`${tally.recordings} of ${recordings} in ${((printed - start) / 1000).toFixed(0)} s\n`)
  }
  const finish = () => {
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(tally, undefined, 1)}\n`)
    console.log(tableOf(tally, (performance.now() - start) / 1000))
  }
  process.once('SIGINT', () => {
    finish()
    process.exit(130)
  })
  await Promise.all(
    Array.from({ length: workers }, (_, worker) => {
      const seeds: number[] = []
      for (let i = worker; i < recordings; i += workers) seeds.push(first + i)
      return runWorker(seeds, take)
    }),
  )
  finish()
}

function runWorker(seeds: number[], take: (scored: Scored) => void): Promise<void> {
  const worker = new Worker(new URL('./calibrate/worker.js', import.meta.url), {
    workerData: { simulator: values.simulator, seeds, correct: values.correct },
  })
  return new Promise((resolve, reject) => {
    worker.on('message', take)
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
}

function listWrong({ seed, findings, error, tags }: Scored): void {
  if (error !== undefined) console.log(JSON.stringify({ seed, error }))
  for (const finding of findings) {
    const culpritWrong = finding.fault === 'right' && finding.culprit === 'wrong'
    if (finding.fault === 'wrong' || culpritWrong)
      console.log(JSON.stringify({ seed, ...finding, tags: tags.slice(2) }))
  }
}
