// SPDX-License-Identifier: GPL-2.0-or-later
// A cell of more values than what V8 passes to a function, which is where a search once ended in an error of V8's own.
import { expect, test } from 'vitest'
import { cell, check, type Steps, step, system, thread } from '../../src/checker/index.ts'

test('a cell may have more values than a function of JavaScript has arguments', async () => {
  const most = 66_000
  const c = cell('c', { max: most })
  function* hash(): Steps<void> {
    yield* step('hash', s => s.set(c, (s.get(c) * 7 + 1) % (most + 1)))
  }
  const of = system('large', { cells: [c], threads: [thread('t', hash)] })
  let states = 0
  for (let at = 0; states === 0 || at !== 0; at = (at * 7 + 1) % (most + 1)) states++
  expect(await check(of)).toMatchObject({ verdict: 'holds', states })
})
