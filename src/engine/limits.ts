// SPDX-License-Identifier: GPL-2.0-or-later
/** How far the work on a system may go, and how far it is. */

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

/** Does work for so long at most; undefined when it was cut off. The host's: nothing in JavaScript ends an endless loop. */
export type Guard = <T>(work: () => T, milliseconds: number) => T | undefined

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
  readonly goOn?: boolean
  readonly signal: AbortSignal | undefined
  readonly guard: Guard | undefined
  /** Milliseconds between calls of onProgress. */
  readonly progressInterval: number
  readonly onProgress: ((progress: SearchProgress) => void) | undefined
}
