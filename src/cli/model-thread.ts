// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Runs commands about models. A command that names a user's file runs in a thread of its own, with its own globals; the thread
 * is ended if the file's code hangs. Any other command runs in the main thread.
 */
import { Worker } from 'node:worker_threads'
import { newPulse, stop, whenStill } from '../node/pulse.ts'
import { UsageError } from './errors.ts'
import type { Exit } from './exit-codes.ts'
import { guardedModel } from './model-file.ts'
import {
  interrupt,
  isFailure,
  isPath,
  type ModelHost,
  ownHost,
  type SentHost,
  type ThreadFailure,
} from './model-host.ts'

/** A command as it is sent to the thread. */
export interface ModelJob {
  readonly command: 'check' | 'run' | 'explain'
  readonly name: string | undefined
  /** The parsed options of the command. */
  readonly flags: {
    readonly protocol?: string
    readonly time?: number
    readonly json?: boolean
    readonly html?: string
  }
}

/** The last message of a thread. By then all of its output has been written. */
export interface ModelAnswer {
  readonly exit: Exit
}

/** Milliseconds that one step of a model's code may take, and milliseconds that remain to it after `--time` is up. */
const PATIENCE = 10_000
const PAST_TIME = 2000

/** With source maps, errors name the lines of the user's file instead of the bundle's. */
const OPTIONS = { execArgv: ['--enable-source-maps'] }

/** Runs a command about models. @param action runs it in this thread, if no file is named */
export function modelCommand(job: ModelJob, action: (host: ModelHost) => Promise<Exit>): Promise<void> {
  const path = [job.name, job.flags.protocol].find(name => name !== undefined && isPath(name))
  return guardedModel(job.command, () => (path === undefined ? action(ownHost()) : inThread(path, job)))
}

function inThread(path: string, job: ModelJob): Promise<Exit> {
  const { isTerminal } = ownHost()
  return new Promise<Exit>((resolve, reject) => {
    const { signal, hear } = interrupt()
    const worker = startModel('./model-worker.js', { job }, { isTerminal }, patienceOf(job.flags.time), reject, signal)
    if (job.command === 'check') hear()
    worker.on('message', (answer: ModelAnswer | ThreadFailure) => {
      if (!isFailure(answer)) resolve(answer.exit)
      // A timer of the model could keep the thread alive.
      void worker.terminate()
    })
    worker.on('exit', () => reject(new UsageError(`${path} ended before it had a result: does it await something?`)))
  })
}

/** Milliseconds without a sign of life after which a thread is ended. @param time the limit of `--time`, in seconds */
export function patienceOf(time = Number.POSITIVE_INFINITY): number {
  return Math.min(PATIENCE, time * 1000 + PAST_TIME)
}

/**
 * Starts a thread that runs code of a model.
 * @param data `workerData` in addition to the host
 * @param failed called if the thread fails: with the error, or because the model's code hangs
 * @param signal asks the thread to stop by itself
 */
export function startModel(
  file: string,
  data: object,
  host: Omit<SentHost, 'pulse'>,
  patience: number,
  failed: (error: Error) => void,
  signal?: AbortSignal,
): Worker {
  const pulse = newPulse()
  signal?.addEventListener('abort', () => stop(pulse))
  const sent: SentHost = { ...host, pulse }
  const worker = new Worker(new URL(file, import.meta.url), { ...OPTIONS, workerData: { ...data, host: sent } })
  const unwatch = whenStill(pulse, patience, code => {
    failed(new UsageError(`${code} does not come to an end: a loop without a step?`))
    void worker.terminate()
  })
  worker.on('error', error => failed(error as Error))
  worker.on('message', message => {
    if (isFailure(message)) failed(message.failure as Error)
  })
  worker.on('exit', unwatch)
  return worker
}
