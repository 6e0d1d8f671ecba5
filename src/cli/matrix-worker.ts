// SPDX-License-Identifier: GPL-2.0-or-later
/** A worker thread of `check --matrix`. It receives the index of a system and answers with its row or an error message. */
import { parentPort, workerData } from 'node:worker_threads'
import { type MatrixAnswer, type MatrixJob, rowOf, shardOf, systemsOf } from './matrix-system.ts'
import { modelError } from './model-file.ts'
import { hostOf, isPath, ownHost, type SentHost, tellFailures } from './model-host.ts'

const { job, host: sent } = workerData as { job: MatrixJob; host: SentHost }
// Only a user's code has to be watched for loops that do not end.
const host = [job.driver, job.protocol].some(name => name !== undefined && isPath(name)) ? hostOf(sent) : ownHost()
tellFailures()
Error.stackTraceLimit = 100
const systems = systemsOf(job, host).then(all => shardOf(all, job.shard))
const answer = (message: MatrixAnswer) => parentPort!.postMessage(message)

parentPort!.on('message', async (index: number) => {
  try {
    answer({ index, row: await rowOf((await systems)[index]!, job, host) })
  } catch (e) {
    // A ModelError is sent as text, because its class is lost between threads. Any other error ends the thread, and the command
    // receives it as the worker's `error` event.
    const told = modelError(e)
    if (!told) throw e
    answer({ index, wrong: told.message })
  }
})
