// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs cases one by one, and says in shared memory which one: a case that never ends cannot say it itself. */

import { parentPort, workerData } from 'node:worker_threads'
import { runCase } from './cases.ts'

export interface WorkerOrder {
  seed: number
  prefix: string
  from: number
  to: number
  /** Index of the case that runs, and how many have ended. */
  shared: SharedArrayBuffer
}

export type WorkerReport =
  | { kind: 'failed'; index: number; error: string }
  | { kind: 'done'; read: number; damaged: number; refused: number; slowest: number; slowestIndex: number }

const { seed, prefix, from, to, shared } = workerData as WorkerOrder
const state = new Int32Array(shared)
const counts = { read: 0, damaged: 0, refused: 0 }
let slowest = 0
let slowestIndex = from
for (let index = from; index < to; index++) {
  Atomics.store(state, 0, index)
  const start = performance.now()
  try {
    counts[await runCase(seed, index, prefix)]++
  } catch (error) {
    report({ kind: 'failed', index, error: error instanceof Error ? `${error.stack}` : String(error) })
  }
  Atomics.add(state, 1, 1)
  const time = performance.now() - start
  if (time > slowest) {
    slowest = time
    slowestIndex = index
  }
}
report({ kind: 'done', ...counts, slowest, slowestIndex })

function report(message: WorkerReport): void {
  parentPort?.postMessage(message)
}
