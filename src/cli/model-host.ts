// SPDX-License-Identifier: GPL-2.0-or-later
/** What code about a model needs of the thread it runs in: the command's own, or one that was started for a file of the user's. */
import { isMainThread, parentPort } from 'node:worker_threads'
import type { Stop, Watch } from '../checker/index.ts'
import { beater, stopOf } from '../node/pulse.ts'

export interface ModelHost {
  /** Is told whose code runs, so that it can be ended. Nobody watches code of ours. */
  readonly watch: Watch
  /** Returns true while code of a model runs, as {@link watch} was told. */
  readonly runsModel: () => boolean
  /** Whether somebody sees progress on stderr. */
  readonly isTerminal: boolean
  /** Aborted by Ctrl-C. */
  readonly signal: Stop
  /** Called when there is something that Ctrl-C should not throw away: until then it ends the command. */
  readonly hearInterrupt: () => void
}

/** A host as a thread is told of it. */
export interface SentHost {
  readonly pulse: SharedArrayBuffer
  readonly isTerminal: boolean
}

/** Of the command's own thread. */
export function ownHost(): ModelHost {
  const { signal, hear } = interrupt()
  return {
    watch: () => undefined,
    runsModel: () => false,
    isTerminal: isMainThread && process.stderr.isTTY === true,
    signal,
    hearInterrupt: hear,
  }
}

export function hostOf({ pulse, isTerminal }: SentHost): ModelHost {
  const beat = beater(pulse)
  let code = ''
  const watch: Watch = now => {
    code = now
    beat(now)
  }
  return { watch, runsModel: () => code !== '', isTerminal, signal: stopOf(pulse), hearInterrupt: () => undefined }
}

/** As a shell tells of SIGINT. */
const INTERRUPTED = 130

/** A signal for Ctrl-C, which is heard once it is asked for; pressed again, it ends the command at once. */
export function interrupt(): { readonly signal: AbortSignal; readonly hear: () => void } {
  const controller = new AbortController()
  let hears = false
  const hear = () => {
    if (hears) return
    hears = true
    process.on('SIGINT', () => {
      if (controller.signal.aborted) process.exit(INTERRUPTED)
      controller.abort()
    })
  }
  return { signal: controller.signal, hear }
}

/** True for the name of a driver or a protocol that is a path to a file. */
export function isPath(name: string): boolean {
  return /[./\\]/.test(name)
}

/** What a thread says of an error that nobody caught. */
export interface ThreadFailure {
  readonly failure: unknown
}

export function isFailure(message: unknown): message is ThreadFailure {
  return typeof message === 'object' && message !== null && 'failure' in message
}

/**
 * Tells the command of errors that nobody catches. Left to Node, they end the thread, and if the command ends meanwhile, Node 20
 * aborts.
 */
export function tellFailures(): void {
  process.on('uncaughtException', failure => {
    try {
      parentPort!.postMessage({ failure } satisfies ThreadFailure)
    } catch {
      // What was thrown may be nothing that can be sent.
      parentPort!.postMessage({ failure: new Error(String(failure)) } satisfies ThreadFailure)
    }
  })
}
