// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs cases one by one, and says in shared memory which one: a case that never ends cannot say it itself. */

import { parentPort, workerData } from 'node:worker_threads'
import { runCase } from './cases.ts'
import { Shared, type WorkerOrder, type WorkerReport } from './shared.ts'

const { seed, prefix, from, to, shared } = workerData as WorkerOrder
const state = new Int32Array(shared)
for (let index = from; index < to; index++) {
  Atomics.store(state, Shared.INDEX, index)
  const start = performance.now()
  try {
    Atomics.add(state, Shared[await runCase(seed, index, prefix)], 1)
  } catch (error) {
    report({ kind: 'failed', index, error: error instanceof Error ? `${error.stack}` : String(error) })
  }
  Atomics.add(state, Shared.ENDED, 1)
  const time = Math.ceil(performance.now() - start)
  if (time > state[Shared.SLOWEST]!) {
    state[Shared.SLOWEST] = time
    state[Shared.SLOWEST_INDEX] = index
  }
}
report({ kind: 'done' })

function report(message: WorkerReport): void {
  parentPort?.postMessage(message)
}
