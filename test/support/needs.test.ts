// SPDX-License-Identifier: GPL-2.0-or-later
// Tests that need a recording or a program say so, so that they skip with a reason where it is missing.
import { expect, test } from 'vitest'
import { sources } from './sources.ts'

test('whoever skips a test says why: only needs() skips', () => {
  const silent = sources.filter(({ text }) =>
    /\b(?:test|it|describe)(?:\.\w+)*\.(?:skip|skipIf|runIf|todo)\(/.test(text),
  )
  expect(silent.map(({ file }) => file)).toEqual([])
})

/** Programs of every Unix, and what comes with Node. */
const EVERYWHERE = ['sh', 'mkfifo', 'tar', 'npm']
const STARTS = /\b(?:run|runBytes|spawn|spawnSync|execFile|execFileSync)\('([^']+)', \[/g

test('whoever runs a program needs it', () => {
  const unsaid = sources.flatMap(({ file, text }) =>
    [...text.matchAll(STARTS)]
      .map(([, name]) => name!)
      .filter(name => !EVERYWHERE.includes(name) && !text.includes(`program('${name}')`))
      .map(name => `${file}: ${name}`),
  )
  expect(unsaid).toEqual([])
})
