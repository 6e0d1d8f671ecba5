// SPDX-License-Identifier: GPL-2.0-or-later
/** A worker thread of `check --matrix`: is told the number of a system, answers with its row, or with what is wrong with it. */
import { parentPort, workerData } from 'node:worker_threads'
import { type MatrixAnswer, type MatrixJob, rowOf, shardOf, systemsOf } from './matrix-system.ts'
import { modelError } from './model-file.ts'
import { hostOf, isPath, ownHost, type SentHost, tellFailures } from './model-host.ts'

const { job, host: sent } = workerData as { job: MatrixJob; host: SentHost }
// Drivers of ours come to their end.
const host = [job.driver, job.protocol].some(name => name !== undefined && isPath(name)) ? hostOf(sent) : ownHost()
tellFailures()
Error.stackTraceLimit = 100
const systems = systemsOf(job, host).then(all => shardOf(all, job.shard))
const answer = (message: MatrixAnswer) => parentPort!.postMessage(message)

parentPort!.on('message', async (index: number) => {
  try {
    answer({ index, row: await rowOf((await systems)[index]!, job, host) })
  } catch (e) {
    // Any other ends the thread, and reaches the command as the worker's; of this one it would no longer know the class.
    const told = modelError(e)
    if (!told) throw e
    answer({ index, wrong: told.message })
  }
})
