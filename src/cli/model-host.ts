// SPDX-License-Identifier: GPL-2.0-or-later
/** What code about models needs from its thread, be it the main thread or one that was started for a user's file. */
import { isMainThread, parentPort } from 'node:worker_threads'
import type { Stop, Watch } from '../checker/index.ts'
import { beater, stopOf } from '../node/pulse.ts'

export interface ModelHost {
  /** Called with a description of the user's code that runs now, so that code that hangs can be ended. Ours is not watched. */
  readonly watch: Watch
  /** Returns true while code of a model runs, according to the calls of {@link watch}. */
  readonly runsModel: () => boolean
  /** True if progress may be shown on stderr. */
  readonly isTerminal: boolean
  /** Aborted by Ctrl-C. */
  readonly signal: Stop
  /** Called once there is a partial result that Ctrl-C should not discard. Before that, Ctrl-C ends the command. */
  readonly hearInterrupt: () => void
}

/** The part of a host that is sent to a worker thread. */
export interface SentHost {
  readonly pulse: SharedArrayBuffer
  readonly isTerminal: boolean
}

/** The host of the main thread, which runs no user's code. */
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

/** The exit code that a shell reports for SIGINT. */
const INTERRUPTED = 130

/** A signal for Ctrl-C. From `hear()` on, the first Ctrl-C aborts the signal, and a second one ends the command at once. */
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

/** The message by which a thread reports an uncaught error. */
export interface ThreadFailure {
  readonly failure: unknown
}

export function isFailure(message: unknown): message is ThreadFailure {
  return typeof message === 'object' && message !== null && 'failure' in message
}

/**
 * Reports uncaught errors of this thread to the main thread. If they were left to Node, they would end the thread, and Node 20
 * aborts if the main thread ends at the same time.
 */
export function tellFailures(): void {
  process.on('uncaughtException', failure => {
    try {
      parentPort!.postMessage({ failure } satisfies ThreadFailure)
    } catch {
      // The thrown value may not be cloneable.
      parentPort!.postMessage({ failure: new Error(String(failure)) } satisfies ThreadFailure)
    }
  })
}
