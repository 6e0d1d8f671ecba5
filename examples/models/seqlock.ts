// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A seqlock: readers run without a lock and read again when a writer was there. The two halves of the data must never be
 * seen torn, and a reader that tries again for ever is what a seqlock allows: `finishes` shows it.
 */
import {
  AGAIN,
  cell,
  lock,
  read,
  repeat,
  type Steps,
  sort,
  step,
  system,
  thread,
  threads,
  unlock,
  write,
} from '../../src/checker/index.ts'

export interface Seqlock {
  readers?: number
  /** Whether readers look at the sequence again. */
  recheck?: boolean
  /** Whether to ask that each reader ends. */
  finishes?: boolean
}

export function seqlock({ readers = 2, recheck = true, finishes = false }: Seqlock = {}) {
  const sequence = cell('sequence', { max: 3 })
  const low = cell('low', { max: 1 })
  const high = cell('high', { max: 1 })
  const writeLock = cell('write lock', { max: 1 })

  /** The counter of a model wraps early: two writes within one read would go unseen, so there is one writer at a time in two. */
  function* bump(): Steps<void> {
    yield* step('bump sequence', s => s.set(sequence, (s.get(sequence) + 1) % 4))
  }

  function* update(): Steps<void> {
    yield* lock(writeLock)
    const value = 1 - (yield* read(low))
    yield* bump()
    yield* write(low, value)
    yield* write(high, value)
    yield* bump()
    yield* unlock(writeLock)
  }

  function* attempt(): Steps<undefined | typeof AGAIN> {
    const before = yield* read(sequence)
    if (before % 2 === 1) return AGAIN
    const a = yield* read(low)
    const b = yield* read(high)
    if (recheck && (yield* read(sequence)) !== before) return AGAIN
    yield* step('use', s => s.warn(a !== b, 'torn read'))
    return undefined
  }

  return system(`seqlock${recheck ? '' : ', no recheck'}`, {
    cells: [sequence, low, high, writeLock],
    threads: [
      ...threads(sort('reader', readers), 'reader', () => repeat(attempt), { finishes }),
      thread('writer', update, { daemon: true, times: recheck && !finishes ? 1 : Number.POSITIVE_INFINITY }),
    ],
    bounds: `${readers} readers, a writer, sequence modulo 4`,
  })
}
