// SPDX-License-Identifier: GPL-2.0-or-later
/** A worker thread of `check --matrix`: is told the number of a system, answers with its row. */
import { parentPort, workerData } from 'node:worker_threads'
import { type MatrixJob, rowOf, systemsOf } from './matrix-system.ts'

const job = workerData as MatrixJob
const systems = systemsOf(job)

parentPort!.on('message', async (index: number) => {
  // An error ends the thread, and reaches the command as the worker's.
  parentPort!.postMessage({ index, row: await rowOf((await systems)[index]!, job) })
})
