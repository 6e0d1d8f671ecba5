// SPDX-License-Identifier: GPL-2.0-or-later
/** A bounded buffer between producers and consumers; and what breaks when a slot is looked for outside the lock. */
import {
  always,
  cell,
  cells,
  lock,
  type Steps,
  sort,
  step,
  system,
  threads,
  unlock,
  wait_until,
} from '../../src/checker/index.ts'

export interface BoundedBuffer {
  slots?: number
  producers?: number
  consumers?: number
  /** Whether "is there room?" and "put it in" are one critical section. */
  locked?: boolean
}

export function boundedBuffer({ slots = 2, producers = 2, consumers = 2, locked = true }: BoundedBuffer = {}) {
  const slot = sort('slot', slots)
  const full = cells(slot, 'full', { max: 1 })
  const mutex = cell('mutex', { max: 1 })
  const items = cell('items', { max: slots + producers })

  function* produce(): Steps<void> {
    if (!locked) yield* wait_until('wait for room', s => s.get(items) < slots)
    yield* lock(mutex)
    const put = yield* step('put', s => {
      if (locked && s.get(items) === slots) return false
      s.add(items, 1)
      const room = full.filter(f => s.get(f) === 0)
      s.warn(room.length === 0, 'an item overwritten')
      if (room.length > 0) s.set(room[s.choose(room.length)]!, 1)
      return true
    })
    yield* unlock(mutex)
    if (!put) yield* wait_until('wait for room', s => s.get(items) < slots)
  }

  function* consume(): Steps<void> {
    yield* lock(mutex)
    yield* step('take', s => {
      const some = full.filter(f => s.get(f) === 1)
      if (some.length === 0) return
      s.set(some[s.choose(some.length)]!, 0)
      s.add(items, -1)
    })
    yield* unlock(mutex)
  }

  return system(`bounded buffer${locked ? '' : ', room looked for outside the lock'}`, {
    cells: [...full, mutex, items],
    threads: [
      ...threads(sort('producer', producers), 'produce', produce),
      ...threads(sort('consumer', consumers), 'consume', consume),
    ],
    properties: [always('no more items than slots', s => s.get(items) <= slots)],
    bounds: `${slots} slots, ${producers} producers, ${consumers} consumers`,
  })
}
