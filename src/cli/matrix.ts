// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check --matrix`: checks every driver under each of its protocols, and prints each row as soon as it is known. */
import { availableParallelism } from 'node:os'
import { properties } from '../linux/index.ts'
import type { MatrixSystem } from '../linux/scenario/matrix.ts'
import { type MatrixRow, MatrixText } from '../report/matrix.ts'
import { UsageError } from './errors.ts'
import { Exit } from './exit-codes.ts'
import { type MatrixAnswer, type MatrixJob, rowOf, shardOf, systemsOf } from './matrix-system.ts'
import { type CheckFlags, MOST_WORKERS, refuseUnknown, storesOf } from './model-flags.ts'
import { isFailure, type ModelHost, type ThreadFailure } from './model-host.ts'
import { patienceOf, startModel } from './model-thread.ts'
import { writeReport } from './write-report.ts'

/** Default time limit for a system, in seconds. A slower one is inconclusive, so that it does not hold up the table. */
const SECONDS = 60

/** Returns `CLEAN` if every cell has a verdict, violations included: the matrix exists to show them. */
export async function checkMatrix(driver: string | undefined, flags: CheckFlags, host: ModelHost): Promise<Exit> {
  if (flags.threads) throw new UsageError('--matrix has scenarios of its own: leave out --threads')
  const workers = Math.min(flags.workers ?? availableParallelism(), MOST_WORKERS)
  const job: MatrixJob = {
    driver,
    protocol: flags.protocol,
    common: {
      pages: flags.pages,
      vas: flags.vas,
      reverts: flags.revert,
      adds: flags.add,
      as_released: flags.asReleased === true,
      ...storesOf(flags),
    },
    properties: flags.property,
    symmetry: flags.symmetry,
    time: flags.time ?? SECONDS,
    memory: Math.floor(flags.memory / workers),
    shard: flags.shard,
    explain: flags.json === true || flags.html !== undefined,
  }
  const began = performance.now()
  const all = await systemsOf(job, host)
  refuseUnknown(
    flags,
    all.map(s => s.system),
    host,
  )
  const systems = shardOf(all, job.shard)
  const text = new MatrixText(job.properties ?? Object.keys(properties))
  const show = (line: string) => void (flags.json || process.stdout.write(line))
  show(text.head())
  const progress = (line: string) => void (host.isTerminal && process.stderr.write(`\r\x1b[K${line}`))
  progress(`0 of ${systems.length} systems`)
  const rows: MatrixRow[] = []
  for await (const row of inOrder(systems, job, Math.min(workers, systems.length), host)) {
    rows.push(row)
    progress('')
    show(text.row(row))
    progress(`${rows.length} of ${systems.length} systems`)
  }
  progress('')
  show(text.end((performance.now() - began) / 1000))
  if (flags.json) process.stdout.write(`${JSON.stringify(rows.flat(), null, 2)}\n`)
  if (flags.html !== undefined) await writeReport(flags.html, rows.flat(), 'lastput check --matrix')
  return rows.flat().some(c => c.verdict === 'inconclusive') ? Exit.INCOMPLETE : Exit.CLEAN
}

/** Yields rows in the order of the systems, which worker threads check in parallel. @throws the error of a system's check. */
async function* inOrder(
  systems: readonly MatrixSystem[],
  job: MatrixJob,
  workers: number,
  host: ModelHost,
): AsyncGenerator<MatrixRow> {
  // When run from TypeScript source, there is no compiled worker to start.
  if (workers < 2 || import.meta.url.endsWith('.ts')) {
    for (const system of systems) yield await rowOf(system, job, host)
    return
  }
  const rows = systems.map(() => settled<MatrixRow>())
  const threads = Array.from({ length: workers }, () => {
    const failed = (error: Error) => rows[worker.at]?.reject(error)
    const worker = {
      thread: startModel('./matrix-worker.js', { job }, { isTerminal: false }, patienceOf(job.time), failed),
      at: -1,
    }
    return worker
  })
  let next = 0
  for (const worker of threads) {
    const give = () => {
      worker.at = next++
      if (worker.at < systems.length) worker.thread.postMessage(worker.at)
    }
    worker.thread.on('message', (answer: MatrixAnswer | ThreadFailure) => {
      if (isFailure(answer)) return
      const row = rows[answer.index]!
      if ('row' in answer) row.resolve(answer.row)
      else row.reject(new UsageError(answer.wrong))
      give()
    })
    worker.thread.on('exit', () =>
      rows[worker.at]?.reject(new Error('a worker thread ended before its system was checked')),
    )
    give()
  }
  try {
    for (const row of rows) yield await row.promise
  } finally {
    await Promise.all(threads.map(({ thread }) => thread.terminate()))
  }
}

interface Settled<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: Error): void
}

function settled<T>(): Settled<T> {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  // A row may fail while the reader still awaits an earlier one: that is no unhandled rejection.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}
