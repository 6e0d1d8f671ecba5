// SPDX-License-Identifier: GPL-2.0-or-later
/** Peterson's mutual exclusion for two threads (1981), and what breaks when a thread gives way before it raises its flag. */
import { always, cell, type Steps, step, system, thread, wait_until, write } from '../../src/checker/index.ts'

export function peterson(order: 'flag first' | 'turn first' = 'flag first') {
  const flag = [cell('flag[0]', { max: 1 }), cell('flag[1]', { max: 1 })]
  const turn = cell('turn', { max: 1 })
  const inside = [cell('inside[0]', { max: 1 }), cell('inside[1]', { max: 1 })]

  function* visit(me: 0 | 1): Steps<void> {
    const other = 1 - me
    if (order === 'flag first') {
      yield* write(flag[me]!, 1)
      yield* write(turn, other)
    } else {
      yield* write(turn, other)
      yield* write(flag[me]!, 1)
    }
    yield* wait_until('wait', s => s.get(flag[other]!) === 0 || s.get(turn) === me)
    yield* write(inside[me]!, 1)
    yield* step('leave', s => {
      s.set(inside[me]!, 0)
      s.set(flag[me]!, 0)
    })
  }

  return system(`peterson, ${order}`, {
    cells: [...flag, turn, ...inside],
    threads: [thread('p0', () => visit(0), { finishes: true }), thread('p1', () => visit(1), { finishes: true })],
    properties: [always('mutual exclusion', s => s.sum(inside) <= 1)],
  })
}
