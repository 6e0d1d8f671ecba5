// SPDX-License-Identifier: GPL-2.0-or-later
/** The thread of a command that names a user's file. It runs the command and sends the exit code. */
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

/** Resolves once the main thread has received everything that was written to the stream. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => stream.write('', () => resolve()))
}

/** Resolves once the model's timers that are due have run, so that an error in one of them is reported before the verdict. */
function dueTimers(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 1))
}

/** Not awaited at the top level: if the model never settles, Node would print a warning of its own. */
async function main(): Promise<void> {
  await guardedModel(job.command, () => answer(job, hostOf(host)))
  await dueTimers()
  await flushed(process.stdout)
  await flushed(process.stderr)
  parentPort!.postMessage({ exit: process.exitCode as Exit } satisfies ModelAnswer)
}

tellFailures()
// Model code nests deeper than V8's default of ten frames, and the outermost frames tell which thread of the model made the call.
Error.stackTraceLimit = 100
void main()
