// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The loops of the merge. They are functions of their own, of typed arrays and numbers only: the engine compiles such a function
 * in a few milliseconds, and a method with the rest of the merge in it several times over, for longer than it runs.
 */

/** Rows of one queue that may be next. */
export interface Run {
  /** Number of the queue. Of equal times, those of the lower queue come first. */
  queue: number
  time: Float64Array
  /** The first row, and the one before which to stop. */
  row: number
  stop: number
  /** Number of rows of the queue that are already in the batch. */
  taken: number
}

/** The order of a batch as it is being made: for each event its queue, and its number among those of its queue. */
export interface Places {
  queue: Uint16Array
  order: Uint32Array
}

/**
 * Orders the rows of two runs, `a` of the lower queue, up to time `limit` or until one of them has come to its stop. Returns the
 * number of events in the batch. The first row is taken even at the time `limit`.
 *
 * @param length number of events that are in the batch, of the `room` that there is
 */
export function interleave(a: Run, b: Run, limit: number, places: Places, length: number, room: number): number {
  const { queue, order } = places
  const { time: timeA, stop: stopA, queue: queueA } = a
  const { time: timeB, stop: stopB, queue: queueB } = b
  let rowA = a.row
  let rowB = b.row
  const shiftA = a.taken - rowA
  const shiftB = b.taken - rowB
  let headA = timeA[rowA]!
  let headB = timeB[rowB]!
  let at = length
  let due = Number.POSITIVE_INFINITY
  while (at < room) {
    if (headA <= headB) {
      if (headA >= due) break
      queue[at] = queueA
      order[at++] = shiftA + rowA
      if (++rowA === stopA) break
      headA = timeA[rowA]!
    } else {
      if (headB >= due) break
      queue[at] = queueB
      order[at++] = shiftB + rowB
      if (++rowB === stopB) break
      headB = timeB[rowB]!
    }
    due = limit
  }
  a.row = rowA
  b.row = rowB
  return at
}

/** Places the next `rows` rows of one queue, `taken` of which are already in the batch, at `length`. */
export function placeRun(queue: number, taken: number, places: Places, length: number, rows: number): void {
  places.queue.fill(queue, length, length + rows)
  const { order } = places
  for (let i = 0; i < rows; i++) order[length + i] = taken + i
}

/** Makes numbers among the events of a queue rows of the batch. `first` is the row of each queue's first event. */
export function placeQueues({ queue, order }: Places, first: Uint32Array, length: number): void {
  for (let i = 0; i < length; i++) order[i] = order[i]! + first[queue[i]!]!
}

/** Replaces the ids of stacks in `rows` rows. */
export function renumber(stack: Uint32Array, map: readonly number[], rows: number): void {
  for (let row = 0; row < rows; row++) stack[row] = map[stack[row]!]!
}
