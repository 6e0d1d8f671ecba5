// SPDX-License-Identifier: GPL-2.0-or-later
/** What the fuzzer and its thread tell each other. */

export interface WorkerOrder {
  seed: number
  prefix: string
  from: number
  to: number
  /** `Shared.SIZE` numbers. */
  shared: SharedArrayBuffer
}

/** Places in the memory that is shared: the case that runs, how many have ended, and how. */
export const Shared = {
  INDEX: 0,
  ENDED: 1,
  read: 2,
  damaged: 3,
  refused: 4,
  SLOWEST: 5,
  SLOWEST_INDEX: 6,
  SIZE: 7,
} as const

export type WorkerReport = { kind: 'failed'; index: number; error: string } | { kind: 'done' }
