// SPDX-License-Identifier: GPL-2.0-or-later
/** What a check is asked to do, how far it may go, and how it says how far it is. */

export interface CheckOptions {
  /** Only these properties (default: all). */
  properties?: readonly string[]
  /** Where `properties` does not say: all but these. */
  except?: readonly string[]
  /** Where `properties` does not say: these too, which the system may not even name. */
  also?: readonly string[]
  /** Default true: members of sorts that the model treats alike are taken to be the same. */
  symmetry?: boolean
  /** Default true: a step that is independent of all that other threads may still do is taken alone. */
  partialOrder?: boolean
  /** Worker threads (default 1); more than one needs `spawn`. */
  workers?: number
  spawn?: Spawn
  /** Bytes for states (default 4 GiB): beyond, the verdict is inconclusive. */
  memory?: number
  /** Seconds (default: no limit). */
  time?: number
  /** Looked at again and again: the verdict is inconclusive once it is aborted. */
  signal?: Stop
  /** For models that are not trusted to come to an end: lets the host see whose code does not. */
  watch?: Watch
  onProgress?: (progress: SearchProgress) => void
  /** Milliseconds between calls of onProgress (default 200). */
  progressInterval?: number
  /** Off to keep histories apart, so that states count as the naive explorer counts them. */
  minimise?: boolean
  /** States at which workers take over; before, starting them costs more than it gains. */
  handover?: number
}

/** An AbortSignal, or what is as good. */
export type Stop = Pick<AbortSignal, 'aborted'>

export interface SearchProgress {
  readonly states: number
  readonly transitions: number
  readonly depth: number
  /** States not yet expanded. */
  readonly queue: number
  /** Bytes in tables, queue and buffers. */
  readonly bytes: number
  readonly seconds: number
  /** Before the search: what is done, and how much of it. */
  readonly doing?: string
}

/**
 * Is told again and again whose code runs (`''`: none of the model's), so that a host in another thread can end a loop without
 * a step: nothing in JavaScript does.
 */
export type Watch = (code: string) => void

export interface SearchLimits {
  /** Bytes. */
  readonly memory: number
  /** `performance.now()` at which to stop. */
  readonly deadline: number
  /** Stop when so many levels are done. */
  readonly depth: number
  /** Stop (to begin again with workers) at so many states. */
  readonly handover: number
  /** Whether to go on after a violation, and to keep the first of each property. */
  readonly continueAfterViolation?: boolean
  readonly signal: Stop | undefined
  readonly watch?: Watch | undefined
  /** Milliseconds between calls of onProgress. */
  readonly progressInterval: number
  readonly onProgress: ((progress: SearchProgress) => void) | undefined
}

/** A thread of the host's that has been given text to run; see {@link workerText}. */
export interface WorkerThread {
  post(message: unknown): void
  onMessage(handler: (message: unknown) => void): void
  onError(handler: (error: Error) => void): void
  terminate(): void
}
/**
 * Starts a worker thread that runs `text` with two functions in scope: `send(message)`, and `receive(handler)`. The host
 * hands this in: the engine has no threads of its own.
 */
export type Spawn = (text: string) => WorkerThread

/** Which properties are asked for. */
export function selector({ properties, except = [] }: CheckOptions): (property: string) => boolean {
  const only = properties && new Set(properties)
  return property => (only ? only.has(property) : !except.includes(property))
}
