// SPDX-License-Identifier: GPL-2.0-or-later
/** The thread of a command that names a file of the user's: does what the command does, and answers with its exit code. */
import { parentPort, workerData } from 'node:worker_threads'
import { answerCheck } from './check.ts'
import type { Exit } from './exit-codes.ts'
import { answerExplain } from './explain.ts'
import { guardedModel } from './model-file.ts'
import type { CheckFlags } from './model-flags.ts'
import { hostOf, type ModelHost, type SentHost, tellFailures } from './model-host.ts'
import type { ModelAnswer, ModelJob } from './model-thread.ts'
import { answerRun, type RunFlags } from './run.ts'

const { job, host } = workerData as { job: ModelJob; host: SentHost }

function answer({ command, name, flags }: ModelJob, of: ModelHost): Promise<Exit> {
  if (command === 'check') return answerCheck(name, flags as CheckFlags, of)
  if (command === 'run') return answerRun(name!, flags as RunFlags, of)
  return answerExplain(name, flags, of)
}

/** Resolves once the command's thread has all that was written. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => stream.write('', () => resolve()))
}

/** Resolves once timers that the model has set for now have run: an error of theirs is told, and not passed over for a verdict. */
function dueTimers(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 1))
}

/** In no await of the module's own: of one that never ends, Node would speak in its own words. */
async function main(): Promise<void> {
  await guardedModel(job.command, () => answer(job, hostOf(host)))
  await dueTimers()
  await flushed(process.stdout)
  await flushed(process.stderr)
  parentPort!.postMessage({ exit: process.exitCode as Exit } satisfies ModelAnswer)
}

tellFailures()
// Functions nest deeper than the ten frames that a stack has else, and the outermost say whose call it was.
Error.stackTraceLimit = 100
void main()
