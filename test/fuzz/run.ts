// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Mutates recordings of every kind and reads them: `npm run fuzz -- [--cases N] [--seed S] [--kind PREFIX] [--case I]`.
 *
 * A failure is a crash, anything else than a TraceError or reported damage, a case that computes for more than 2 s (of this
 * process' CPU time, so that what else runs on the machine does not accuse it; or 20 s in all), or more than 512 MB.
 * What a failure prints is what replays it: `npm run fuzz -- --seed S --kind K --case I`, which also keeps the file.
 */

import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { kindsOf, makeCase, runCase } from './cases.ts'
import { Shared, type WorkerOrder, type WorkerReport } from './shared.ts'

const LIMIT_MS = 2000
/** A case may wait for ever, and then uses no CPU time. */
const LIMIT_WAIT_MS = 20_000
const LIMIT_BYTES = 512 * 2 ** 20
const MAX_FAILURES = 20

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string', default: '' },
    case: { type: 'string' },
  },
})
const seed = Number(values.seed)
const cases = Number(values.cases)
const prefix = values.kind
if (kindsOf(prefix).length === 0)
  throw new Error(`no kind starts with "${prefix}"; there are: ${kindsOf('').join(', ')}`)

const failures: string[] = []
let peak = 0
if (values.case !== undefined) await replay(Number(values.case))
else await runAll()
if (failures.length > 0) process.exitCode = 1

async function replay(index: number): Promise<void> {
  const { kind, bytes } = makeCase(seed, index, prefix)
  const file = join(tmpdir(), `lastput-fuzz-${seed}-${index}.bin`)
  writeFileSync(file, bytes)
  console.log(`case ${index} of seed ${seed}: ${kind}, ${bytes.length} bytes, kept as ${file}`)
  const start = performance.now()
  try {
    console.log(`${await runCase(seed, index, prefix)} in ${Math.round(performance.now() - start)} ms`)
  } catch (error) {
    fail(index, error instanceof Error ? `${error.stack}` : String(error))
  }
}

function fail(index: number, what: string): void {
  const option = prefix === '' ? '' : ` --kind ${prefix}`
  failures.push(`${index}`)
  console.log(`FAILED: npm run fuzz -- --seed ${seed}${option} --case ${index}\n${what}\n`)
}

async function runAll(): Promise<void> {
  const start = performance.now()
  const state = new Int32Array(new SharedArrayBuffer(4 * Shared.SIZE))
  for (let from = 0; from < cases && failures.length < MAX_FAILURES; ) from = await runFrom(from, state)
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  const [read, damaged, refused] = [state[Shared.read], state[Shared.damaged], state[Shared.refused]]
  console.log(
    `${state[Shared.ENDED]} cases of seed ${seed} in ${seconds} s: ${read} read, ${damaged} read with damage reported, ` +
      `${refused} refused; ${failures.length} failures; ` +
      `slowest ${state[Shared.SLOWEST]} ms (case ${state[Shared.SLOWEST_INDEX]}), peak memory ${Math.round(peak / 2 ** 20)} MB`,
  )
}

/** CPU time that this process has used, ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Runs cases in a thread until all are done, or one must be killed; resolves to the case to go on with. */
function runFrom(from: number, state: Int32Array<SharedArrayBuffer>): Promise<number> {
  const order: WorkerOrder = { seed, prefix, from, to: cases, shared: state.buffer }
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: order })
  return new Promise(resolve => {
    let ended = -1
    let since = { wall: performance.now(), cpu: cpuMs() }
    let printed = since.wall
    const end = (next: number) => {
      clearInterval(timer)
      void worker.terminate().then(() => resolve(next))
    }
    const kill = (what: string) => {
      const index = state[Shared.INDEX]!
      fail(index, what)
      end(index + 1)
    }
    const watch = () => {
      const now = performance.now()
      const memory = process.memoryUsage.rss()
      peak = Math.max(peak, memory)
      if (state[Shared.ENDED] !== ended) {
        ended = state[Shared.ENDED]!
        since = { wall: now, cpu: cpuMs() }
      } else if (cpuMs() - since.cpu > LIMIT_MS) kill(`more than ${LIMIT_MS} ms of CPU time`)
      else if (now - since.wall > LIMIT_WAIT_MS) kill(`more than ${LIMIT_WAIT_MS} ms`)
      if (memory > LIMIT_BYTES) kill(`more than ${LIMIT_BYTES} bytes of memory in this case or just before`)
      if (now - printed > 30_000) {
        printed = now
        console.log(`case ${state[Shared.INDEX]}, ${Math.round(memory / 2 ** 20)} MB`)
      }
    }
    const timer = setInterval(watch, 10)
    worker.on('message', (report: WorkerReport) => {
      if (report.kind === 'failed') fail(report.index, report.error)
      if (report.kind === 'done' || failures.length >= MAX_FAILURES) end(cases)
    })
    worker.on('error', error => kill(`${error.stack}`))
  })
}
