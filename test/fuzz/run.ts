// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Mutates recordings of every kind and reads them: `npm run fuzz -- [--cases N] [--seed S] [--kind PREFIX] [--case I]`.
 *
 * A failure is a crash, anything else than a TraceError or reported damage, a case of more than 2 s, or more than 512 MB.
 * What a failure prints is what replays it: `npm run fuzz -- --seed S --kind K --case I`, which also keeps the file.
 */

import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { kindsOf, makeCase, runCase } from './cases.ts'
import type { WorkerOrder, WorkerReport } from './worker.ts'

const LIMIT_MS = 2000
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
  const totals = { read: 0, damaged: 0, refused: 0, slowest: 0, slowestIndex: 0 }
  for (let from = 0; from < cases && failures.length < MAX_FAILURES; ) {
    const { next, report } = await runFrom(from)
    from = next
    if (!report) continue
    for (const key of ['read', 'damaged', 'refused'] as const) totals[key] += report[key]
    if (report.slowest > totals.slowest)
      Object.assign(totals, { slowest: report.slowest, slowestIndex: report.slowestIndex })
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  console.log(
    `${cases} cases of seed ${seed} in ${seconds} s: ${totals.read} read, ${totals.damaged} read with damage reported, ` +
      `${totals.refused} refused; ${failures.length} failures; slowest ${Math.round(totals.slowest)} ms (case ${totals.slowestIndex}), peak memory ${Math.round(peak / 2 ** 20)} MB`,
  )
}

type Done = WorkerReport & { kind: 'done' }

/** Runs cases in a thread until all are done, or one must be killed; says where to go on. */
function runFrom(from: number): Promise<{ next: number; report?: Done }> {
  const shared = new SharedArrayBuffer(8)
  const state = new Int32Array(shared)
  const order: WorkerOrder = { seed, prefix, from, to: cases, shared }
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: order })
  return new Promise(resolve => {
    let count = -1
    let since = performance.now()
    let printed = performance.now()
    const end = (result: { next: number; report?: Done }) => {
      clearInterval(timer)
      void worker.terminate().then(() => resolve(result))
    }
    const timer = setInterval(() => {
      const now = performance.now()
      const index = state[0]!
      if (state[1] !== count) {
        count = state[1]!
        since = now
      } else if (now - since > LIMIT_MS) {
        fail(index, `more than ${LIMIT_MS} ms`)
        end({ next: index + 1 })
      }
      const memory = process.memoryUsage.rss()
      peak = Math.max(peak, memory)
      if (memory > LIMIT_BYTES) {
        fail(index, `more than ${LIMIT_BYTES} bytes of memory in this case or just before`)
        end({ next: index + 1 })
      }
      if (now - printed > 10_000) {
        printed = now
        console.log(`case ${index}, ${Math.round(process.memoryUsage().rss / 2 ** 20)} MB`)
      }
    }, 10)
    worker.on('message', (report: WorkerReport) => {
      if (report.kind === 'failed') fail(report.index, report.error)
      else end({ next: cases, report })
      if (failures.length >= MAX_FAILURES) end({ next: cases })
    })
    worker.on('error', error => {
      fail(state[0]!, `${error.stack}`)
      end({ next: state[0]! + 1 })
    })
  })
}
