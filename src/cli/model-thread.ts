// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Commands about models. One that names a file of the user's runs in a thread of its own, with its own globals, which is ended
 * when code of the file does not come to an end; any other runs here.
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

/** A command, as the thread is told of it. */
export interface ModelJob {
  readonly command: 'check' | 'run' | 'explain'
  readonly name: string | undefined
  /** What the user asked for, as the command has it. */
  readonly flags: {
    readonly protocol?: string
    readonly time?: number
    readonly json?: boolean
    readonly html?: string
  }
}

/** What a thread answers when it is done: all that it had to say has been said. */
export interface ModelAnswer {
  readonly exit: Exit
}

/** Milliseconds that a piece of a model's code may take, and those that it has after `--time` is up. */
const PATIENCE = 10_000
const PAST_TIME = 2000

/** Options of threads for models: errors name the lines of the user's file, not of what was made of it. */
const OPTIONS = { execArgv: ['--enable-source-maps'] }

/** Runs a command about models. @param action what it does, where no file is named */
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
      // A timer of the model may keep it from its end.
      void worker.terminate()
    })
    worker.on('exit', () => reject(new UsageError(`${path} ended before it had a result: does it await something?`)))
  })
}

/** Milliseconds without a word after which a thread is ended. @param time that the command may take, in seconds */
export function patienceOf(time = Number.POSITIVE_INFINITY): number {
  return Math.min(PATIENCE, time * 1000 + PAST_TIME)
}

/**
 * Starts a thread that runs code of a model.
 * @param data what it finds beside its host
 * @param failed is told once what ends it: code that stands still, or an error
 * @param signal asks it to come to an end by itself
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
