// SPDX-License-Identifier: GPL-2.0-or-later
/** Options of a check: the properties, the reductions, the limits, and how it reports progress. */

export interface CheckOptions {
  /** Only these properties (default: all). */
  properties?: readonly string[]
  /** Without `properties`: all properties but these. */
  except?: readonly string[]
  /** Without `properties`: these too, even if the system does not name them. */
  also?: readonly string[]
  /** Symmetry reduction: states that differ only by a permutation of interchangeable members are one. Default true. */
  symmetry?: boolean
  /** Partial-order reduction: a step that is independent of all that other threads may still do is taken alone. Default true. */
  partialOrder?: boolean
  /** Worker threads (default 1); more than one needs `spawn`. */
  workers?: number
  spawn?: Spawn
  /** Bytes for states (default 4 GiB), beyond which the verdict is inconclusive. */
  memory?: number
  /** Seconds (default: no limit), after which the verdict is inconclusive. */
  time?: number
  /** Polled during the check: the verdict is inconclusive once the signal is aborted. */
  signal?: Stop
  /** For models whose code may not terminate: lets the host see which function runs. */
  watch?: Watch
  onProgress?: (progress: SearchProgress) => void
  /** Milliseconds between calls of onProgress (default 200). */
  progressInterval?: number
  /** False to leave histories with equal futures apart, so that states are counted as in the reference checker. Default true. */
  minimise?: boolean
  /** States (default 250,000) at which workers take over; below, starting them costs more than it gains. */
  handover?: number
}

/** An AbortSignal, or any object with its `aborted`. */
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
  /** Before the search: the kind of work, and how much of it is done, in words. */
  readonly doing?: string
}

/**
 * Receives, repeatedly, the name of the model's function or step that runs, or `''` when none does. JavaScript cannot interrupt a
 * loop that takes no step, but a host in another thread can end this one.
 */
export type Watch = (code: string) => void

export interface SearchLimits {
  /** Bytes. */
  readonly memory: number
  /** `performance.now()` at which to stop. */
  readonly deadline: number
  /** Number of levels after which to stop. */
  readonly depth: number
  /** Number of states at which to stop, to begin again with workers. */
  readonly handover: number
  /** True to go on after a violation, and to keep the first of each property. */
  readonly continueAfterViolation?: boolean
  readonly signal: Stop | undefined
  readonly watch?: Watch | undefined
  /** Milliseconds between calls of onProgress. */
  readonly progressInterval: number
  readonly onProgress: ((progress: SearchProgress) => void) | undefined
}

/** A worker thread of the host that runs the program text it was given; see {@link workerText}. */
export interface WorkerThread {
  post(message: unknown): void
  onMessage(handler: (message: unknown) => void): void
  onError(handler: (error: Error) => void): void
  terminate(): void
}
/**
 * Starts a worker thread that runs `text` with two functions in scope: `send(message)`, and `receive(handler)`. The host
 * passes this in, because Node and browsers start threads differently.
 */
export type Spawn = (text: string) => WorkerThread

/** Returns the test whether a property is asked for. */
export function selector({ properties, except = [] }: CheckOptions): (property: string) => boolean {
  const only = properties && new Set(properties)
  return property => (only ? only.has(property) : !except.includes(property))
}
